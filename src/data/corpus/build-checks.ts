import { DataError } from '../../errors.js';
import { geneIdKind } from '../genes/gene-ids.js';
import type { GeneTable } from '../genes/gene-table.js';
import { LOWEST_COVERAGE, type GeneMapping } from '../genes/mapping.js';
import type { ChosenMatrix } from '../inspect/choose-matrix.js';
import type { ValueScale } from '../loader/config.js';
import type { CellFile, GeneNames } from '../readers/reader.js';
import { parseReference } from '../readers/reference.js';
import { scaleOfTarget, whyNotConvertible, type ConversionTarget } from './convert-values.js';
import type { DictionaryColumn } from './shard-writer.js';
import { NOT_LEFT_OUT } from './write-corpus.js';

/** What the files of one build must have in common: each is there once, with genes and values that the others have as well. */

/** @throws DataError for a file that is given twice: each of its cells would be learned twice, or learned and tested */
export function refuseRepeats(names: readonly string[], files: readonly CellFile[]): void {
  // Two parts of one file, modalities of MuData or genomes of Cell Ranger, are two sources.
  const parts = files.map(({ path }) => parseReference(path).part);
  const isSame = (i: number, j: number): boolean => names[i] === names[j] && (parts[i] === undefined || parts[j] === undefined || parts[i] === parts[j]);
  const indices = new Map<string, number[]>();
  names.forEach((name, i) => {
    const others = indices.get(name) ?? [];
    const before = others.find((j) => isSame(i, j));
    if (before !== undefined)
      throw new DataError({ file: files[i]!.path, found: `the same file as ${files[before]!.path}`, expected: 'each file once', hint: 'leave one out' });
    indices.set(name, [...others, i]);
  });
}

/** @throws DataError naming a cell that a split by groups could not place */
export function refuseMissing(splitBy: DictionaryColumn, files: readonly CellFile[], leftOut: Uint8Array): void {
  let offset = 0;
  for (const file of files) {
    for (let row = 0; row < file.numCells; row++) {
      if (splitBy.codes[offset + row]! >= 0 || leftOut[offset + row] !== NOT_LEFT_OUT) continue;
      throw new DataError({
        file: file.path,
        key: `obs['${splitBy.key}']`,
        found: `cell '${file.cellIds[row]}' has no value`,
        expected: 'one for every cell, to split by',
        hint: `fill it in, split by another field, or keep only cells that have one: --keep ${splitBy.key}=…`,
      });
    }
    offset += file.numCells;
  }
}

/** @throws DataError where the files hold different kinds of values */
export function commonScale(files: readonly CellFile[], chosen: readonly ChosenMatrix[], scales: readonly ValueScale[]): ValueScale {
  const kind = scales[0]!.kind;
  const other = scales.findIndex((scale) => scale.kind !== kind);
  if (other >= 0) {
    const convert = scales.every((scale) => whyNotConvertible(scale, scaleOfTarget('log1p')) === undefined)
      ? ', or pass --convert log1p to bring all to one kind'
      : '';
    throw new DataError({
      file: files[other]!.path,
      key: chosen[other]!.key,
      found: chosen[other]!.valueKind,
      expected: `${kind}, as in ${files[0]!.path}`,
      hint: `choose --matrix so that all files hold the same kind of values${convert || ', or build two corpora'}`,
    });
  }
  const targets = scales.map(({ targetSum }) => targetSum);
  const known = targets.findIndex((target) => target !== undefined);
  const different = targets.findIndex((target) => target !== undefined && target !== targets[known]);
  if (different >= 0) {
    throw new DataError({
      file: files[different]!.path,
      key: chosen[different]!.key,
      found: `log1p of cells scaled to ${targets[different]}`,
      expected: `${targets[known]}, as in ${files[known]!.path}`,
      hint: 'pass --convert log1p to bring all to one total, or build from counts',
    });
  }
  // Where one file does not tell its target sum, the values of all are taken as they are.
  return targets.includes(undefined) ? { kind } : { kind, targetSum: targets[0]! };
}

/** @throws DataError for a file whose values cannot be converted without guessing */
export function convertedScale(
  files: readonly CellFile[],
  chosen: readonly ChosenMatrix[],
  scales: readonly ValueScale[],
  target: ConversionTarget,
): ValueScale {
  const to = scaleOfTarget(target);
  scales.forEach((from, i) => {
    const reason = whyNotConvertible(from, to);
    if (reason !== undefined)
      throw new DataError({
        file: files[i]!.path,
        key: chosen[i]!.key,
        found: `${from.kind}, which cannot become ${target}: ${reason}`,
        hint: from.kind === 'counts' ? undefined : 'choose a --matrix of counts, or leave this file out',
      });
  });
  return to;
}

const KIND_WORDS = { symbol: 'symbols', ensembl: 'Ensembl ids', 'ensembl-version': 'Ensembl ids', mixed: 'symbols and Ensembl ids', unknown: 'other names' };

/**
 * Without a given vocabulary the files' genes are joined, and files that name theirs differently would stand side by side
 * without a gene in common.
 * @throws DataError for a file that shares next to nothing with those before it
 */
export function refuseForeignNames(
  files: readonly CellFile[],
  genes: readonly GeneNames[],
  mappings: readonly GeneMapping[],
  table: GeneTable | undefined,
): void {
  const before = new Set(mappings[0]!.vocabularyIds);
  for (let i = 1; i < files.length; i++) {
    const here = new Set(mappings[i]!.vocabularyIds);
    const smaller = Math.min(here.size, before.size);
    let numShared = 0;
    for (const id of here) if (id >= 0 && before.has(id)) numShared++;
    for (const id of here) before.add(id);
    if (numShared > 0 && numShared >= LOWEST_COVERAGE * smaller) continue;
    const kinds = [genes[0]!, genes[i]!].map(({ names }) => KIND_WORDS[geneIdKind(names).kind]);
    throw new DataError({
      file: files[i]!.path,
      key: 'genes',
      found: `${numShared} of ${genes[i]!.names.length} genes are in ${i === 1 ? files[0]!.path : 'the files before it'} (${kinds[1]} here, ${kinds[0]} there)`,
      expected: 'files that share genes',
      hint: table ? 'is it the same species?' : 'pass a table of symbols and Ensembl ids with --gene-table (scdiva data genes makes one)',
    });
  }
}
