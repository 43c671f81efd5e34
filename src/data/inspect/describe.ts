import { ROUTES, type GeneMapping, type LossReason } from '../genes/mapping.js';
import type { FileInspection } from './inspect.js';
import type { LabelCandidate } from './labels.js';
import { number, thousands } from './format.js';

const FORMATS: Record<FileInspection['format'], string> = {
  h5ad: 'AnnData (.h5ad)',
  zarr: 'AnnData (Zarr)',
  h5mu: 'MuData (.h5mu)',
  '10x-h5': '10x Genomics (.h5)',
  '10x-mtx': '10x Genomics (.mtx)',
  loom: 'loom',
  table: 'table of text',
  memory: 'in memory',
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
      [
        '',
        `${thousands(found.numNonZero)} non-zero (${density.toPrecision(3)} %), sum ${number(found.sum)}${found.numEmptyGenes > 0 ? `, ${thousands(found.numEmptyGenes)} ${found.numEmptyGenes === 1 ? 'gene' : 'genes'} never seen` : ''}`,
      ],
      ['genes', `${found.geneIdKind}${found.geneSpecies === 'unknown' ? '' : `, ${found.geneSpecies}`}: ${found.geneEvidence}`],
      ...coverageLines(found).map((line) => ['', line]),
    ]),
    '',
    'matrices',
    ...columns(
      found.matrices.map((matrix) => [
        `${matrix.key === found.matrix ? '→ ' : '  '}${matrix.key}`,
        `${thousands(matrix.numGenes)} genes`,
        `${matrix.encoding} ${matrix.dtype}`,
        matrix.valueKind,
        matrix.numCellsSeen === found.numCells ? '' : `judged from ${thousands(matrix.numCellsSeen)} cells`,
      ]),
    ),
    ...section('label candidates', found.labels.map(labelRow)),
    ...section('batch candidates', found.batches.map(labelRow)),
    ...list('notes', found.notes),
    ...(found.problems.length > 0 ? list('problems', found.problems) : ['', 'no problems found']),
  ].join('\n');
}

function labelRow({ key, numClasses, numMissing, classes }: LabelCandidate): string[] {
  const [largest, smallest] = [classes[0]!, classes.at(-1)!];
  return [
    `  ${key}`,
    `${numClasses} classes`,
    `${thousands(largest.size)} (${largest.name}) … ${thousands(smallest.size)} (${smallest.name}) cells`,
    numMissing > 0 ? `${thousands(numMissing)} without` : '',
  ];
}

function coverageLines({ coverage: found, numGenes }: FileInspection): string[] {
  if (!found) return [];
  const { numByRoute, numMatched, numMerged, numLost, numLostByReason, mostExpressedLost } = found;
  const share = (genes: number, expression: number | undefined): string =>
    `${percent(genes)} of the file's genes${expression === undefined ? '' : ` with ${percent(expression)} of the expression`}`;
  const renamed = numMatched - (numByRoute['as named'] ?? 0);
  return [
    `${thousands(numMatched)} of ${thousands(numGenes)} in the vocabulary: ${share(found.shareOfGenes, found.shareOfExpression)}, ${percent(found.shareOfVocabulary)} of the vocabulary`,
    ...(renamed > 0
      ? [
          `by the file's own names ${thousands(numByRoute['as named'] ?? 0)}: ${share(found.shareOfGenesAsNamed, found.shareOfExpressionAsNamed)}; then ${routes(numByRoute)}`,
        ]
      : []),
    ...(numMerged > 0 ? [`${thousands(numMerged)} are added to another column of the same gene`] : []),
    ...(numLost > 0
      ? [
          `${thousands(numLost)} lost: ${Object.entries(numLostByReason)
            .map(([reason, count]) => `${count === numLost ? 'all' : thousands(count)} ${LOSS_WORDS[reason as LossReason]}`)
            .join(', ')}`,
        ]
      : []),
    ...(mostExpressedLost.length > 0
      ? [`lost with most expression: ${mostExpressedLost.map(({ name, shareOfExpression }) => `${name} ${percent(shareOfExpression)}`).join(', ')}`]
      : []),
  ];
}

const LOSS_WORDS: Record<LossReason, string> = {
  'not in the vocabulary': 'not in the vocabulary',
  'ambiguous name': 'whose name several genes have had',
  'gene is there under its current name': 'old names of genes that the file has under their current one',
  'no ortholog': 'without an ortholog in the table',
  'several orthologs': 'of one-to-many or many-to-one orthologs',
};

function routes(numByRoute: GeneMapping['numByRoute']): string {
  return ROUTES.slice(1)
    .flatMap((route) => (numByRoute[route] ? [`${thousands(numByRoute[route])} ${route.startsWith('by') ? route : `by ${route}`}`] : []))
    .join(', ');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0 && share < 0.001 ? 3 : 1)} %`;
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
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
}
