import type { FileInspection } from './inspect.js';
import type { LabelCandidate } from './labels.js';
import { number, thousands } from './value-kind.js';

const FORMATS: Record<FileInspection['format'], string> = {
  h5ad: 'AnnData (.h5ad)', zarr: 'AnnData (Zarr)', h5mu: 'MuData (.h5mu)', '10x-h5': '10x Genomics (.h5)', '10x-mtx': '10x Genomics (.mtx)', loom: 'loom', table: 'table of text',
};

/** An inspection as a page for people. */
export function describeInspection(found: FileInspection): string {
  const density = (100 * found.numNonZero) / Math.max(1, found.numCells * found.numGenes);
  return [
    `${found.file}: ${FORMATS[found.format]}, ${thousands(found.numCells)} cells × ${thousands(found.numGenes)} genes`,
    '',
    ...columns([
      ['reads', found.matrix === null ? 'nothing: no matrix of this file can be used' : `${found.matrix} (${found.why})`],
      ['values', `${found.valueKind}: ${found.evidence}`],
      ['', `${thousands(found.numNonZero)} non-zero (${density.toPrecision(3)} %), sum ${number(found.sum)}${found.numEmptyGenes > 0 ? `, ${thousands(found.numEmptyGenes)} ${found.numEmptyGenes === 1 ? 'gene' : 'genes'} never seen` : ''}`],
      ['genes', `${found.geneIdKind}${found.geneSpecies === 'unknown' ? '' : `, ${found.geneSpecies}`}: ${found.geneEvidence}`],
      ...(found.coverage ? [['', coverageLine(found.coverage)]] : []),
    ]),
    '',
    'matrices',
    ...columns(found.matrices.map((matrix) => [
      `${matrix.key === found.matrix ? '→ ' : '  '}${matrix.key}`,
      `${thousands(matrix.numGenes)} genes`,
      `${matrix.encoding} ${matrix.dtype}`,
      matrix.valueKind,
      matrix.numCellsSeen === found.numCells ? '' : `judged from ${thousands(matrix.numCellsSeen)} cells`,
    ])),
    ...section('label candidates', found.labels.map(labelRow)),
    ...section('batch candidates', found.batches.map(labelRow)),
    ...list('notes', found.notes),
    ...(found.problems.length > 0 ? list('problems', found.problems) : ['', 'no problems found']),
  ].join('\n');
}

function labelRow({ key, numClasses, numMissing, classes }: LabelCandidate): string[] {
  const [largest, smallest] = [classes[0]!, classes.at(-1)!];
  return [`  ${key}`, `${numClasses} classes`, `${thousands(largest.size)} (${largest.name}) … ${thousands(smallest.size)} (${smallest.name}) cells`, numMissing > 0 ? `${thousands(numMissing)} without` : ''];
}

function coverageLine({ shareOfGenes, shareOfVocabulary, shareOfExpression, numMatched }: NonNullable<FileInspection['coverage']>): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const expression = shareOfExpression === undefined ? '' : `, ${percent(shareOfExpression)} of the expression`;
  return `${thousands(numMatched)} in the vocabulary: ${percent(shareOfGenes)} of the file's genes${expression}, ${percent(shareOfVocabulary)} of the vocabulary`;
}

function section(title: string, rows: string[][]): string[] {
  return rows.length > 0 ? ['', title, ...columns(rows)] : [];
}

function list(title: string, lines: readonly string[]): string[] {
  return lines.length > 0 ? ['', title, ...lines.map((line) => `  - ${line}`)] : [];
}

/** Cells padded to the widest of their column, two blanks between columns. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((widest, row) => row.map((cell, i) => Math.max(widest[i] ?? 0, cell.length)), []);
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd());
}
