import { DataError } from '../../errors.js';
import { Rng } from '../../rng.js';
import { SPLITS } from './format.js';
import type { DictionaryColumn } from './shard-writer.js';

/** Codes of the split column; a row that is not in the corpus has NOT_KEPT. */
export const [TRAIN, VALIDATION, TEST] = [0, 1, 2] as const;
const NOT_KEPT = -1;

/** Shares of train, validation and test; they sum to 1. A share of 0 leaves that part empty. */
export type Fractions = readonly [train: number, validation: number, test: number];

export interface SplitRequest {
  /** Source rows in all. */
  readonly numRows: number;
  /** Rows that take no part. */
  readonly isExcluded: (row: number) => boolean;
  readonly fractions: Fractions;
  readonly seed: number;
  /** Each class is divided on its own, so that every part holds every class that has cells enough. */
  readonly label?: DictionaryColumn | undefined;
  /** Groups (donors, plates …) that must not be torn apart; or a field that already says train, validation, test. */
  readonly by?: DictionaryColumn | undefined;
}

/** @returns [numRows] 0 train, 1 validation, 2 test, -1 excluded; a function of the request alone */
export function assignSplits(request: SplitRequest): Int8Array {
  const { by } = request;
  if (!by) return splitByCell(request);
  const missing = by.codes.findIndex((code: number, row: number) => code < 0 && !request.isExcluded(row));
  if (missing >= 0)
    throw new DataError({
      key: `obs['${by.key}']`,
      found: `cell ${missing} has no value`,
      expected: 'one for every cell, to split by',
      hint: 'fill it in or split by another field',
    });
  const named = by.categories.map(splitNamed);
  if (named.every((split) => split !== undefined)) return mapRows(request, (row) => named[by.codes[row]!]!);
  return splitByGroup(request, by);
}

function splitNamed(category: string): number | undefined {
  const name = category.toLowerCase();
  if (name === 'train' || name === 'training') return TRAIN;
  if (name === 'val' || name === 'valid' || name === 'validation') return VALIDATION;
  return name === 'test' ? TEST : undefined;
}

function mapRows({ numRows, isExcluded }: SplitRequest, splitOf: (row: number) => number): Int8Array {
  const splits = new Int8Array(numRows);
  for (let row = 0; row < numRows; row++) splits[row] = isExcluded(row) ? NOT_KEPT : splitOf(row);
  return splits;
}

function splitByCell(request: SplitRequest): Int8Array {
  const { numRows, fractions, seed, label } = request;
  const splits = new Int8Array(numRows).fill(NOT_KEPT);
  const rng = Rng.fromSeed(seed);
  rowsByStratum(request).forEach((rows, stratum) => {
    rng.fork(`split/${stratum === 0 ? '' : label!.categories[stratum - 1]!}`).shuffle(rows);
    const sizes = partSizes(rows.length, fractions);
    let at = 0;
    sizes.forEach((size, split) => {
      for (const end = at + size; at < end; at++) splits[rows[at]!] = split;
    });
  });
  return splits;
}

/** The rows that take part, ascending: those without a label, then class by class. Views of one array of all of them. */
function rowsByStratum({ numRows, isExcluded, label }: SplitRequest): Int32Array[] {
  const stratumOf = (row: number): number => (label?.codes[row] ?? -1) + 1;
  const sizes = new Int32Array((label?.categories.length ?? 0) + 1);
  for (let row = 0; row < numRows; row++) if (!isExcluded(row)) sizes[stratumOf(row)]!++;
  const starts = sizes.map((_, stratum) => sizes.subarray(0, stratum).reduce((a, b) => a + b, 0));
  const rows = new Int32Array(sizes.reduce((a, b) => a + b, 0));
  const next = starts.slice();
  for (let row = 0; row < numRows; row++) if (!isExcluded(row)) rows[next[stratumOf(row)]!++] = row;
  return Array.from(starts, (start, stratum) => rows.subarray(start, start + sizes[stratum]!));
}

/**
 * Divides n cells by the fractions: one cell for each part with a share, train first, then test, then validation, as far as
 * the cells reach; the others so that the parts come as close to their shares as whole cells allow (largest remainder).
 */
export function partSizes(n: number, fractions: Fractions): number[] {
  const sizes = [0, 0, 0];
  let left = n;
  for (const split of [TRAIN, TEST, VALIDATION]) {
    if (fractions[split] > 0 && left > 0) {
      sizes[split] = 1;
      left--;
    }
  }
  const wanted = fractions.map((share, split) => Math.max(0, n * share - sizes[split]!));
  const sum = wanted.reduce((a, b) => a + b, 0);
  if (left === 0 || sum === 0) return sizes;
  const exact = wanted.map((share) => (share / sum) * left);
  exact.forEach((share, split) => (sizes[split]! += Math.floor(share)));
  const rest = n - sizes.reduce((a, b) => a + b, 0);
  const byRemainder = [TRAIN, VALIDATION, TEST].sort((a, b) => (exact[b]! % 1) - (exact[a]! % 1) || a - b);
  for (let i = 0; i < rest; i++) sizes[byRemainder[i]!]!++;
  return sizes;
}

/** Largest group first, to the part that lacks most of its share; the last groups go to parts that are still empty. */
function splitByGroup(request: SplitRequest, by: DictionaryColumn): Int8Array {
  const { numRows, isExcluded, fractions, seed } = request;
  const sizes = new Array<number>(by.categories.length).fill(0);
  let numCells = 0;
  for (let row = 0; row < numRows; row++) {
    if (isExcluded(row)) continue;
    sizes[by.codes[row]!]!++;
    numCells++;
  }
  const active = [TRAIN, VALIDATION, TEST].filter((split) => fractions[split] > 0);
  const groups = [...Rng.fromSeed(seed).fork('split/groups').permutation(sizes.length)]
    .filter((group) => sizes[group]! > 0)
    .sort((a, b) => sizes[b]! - sizes[a]!);
  if (groups.length < active.length) {
    throw new DataError({
      key: `obs['${by.key}']`,
      found: `${groups.length} group(s)`,
      expected: `at least ${active.length}, one for each of ${active.map((split) => SPLITS[split]).join(', ')}`,
      hint: 'split by another field, or set a fraction to 0',
    });
  }
  const filled = [0, 0, 0];
  const splitOf = new Map<number, number>();
  groups.forEach((group, i) => {
    const empty = active.filter((split) => filled[split] === 0);
    const candidates = groups.length - i <= empty.length ? empty : active;
    const lack = (split: number): number => fractions[split]! * numCells - filled[split]!;
    const split = candidates.reduce((best, next) => (lack(next) > lack(best) ? next : best));
    filled[split]! += sizes[group]!;
    splitOf.set(group, split);
  });
  return mapRows(request, (row) => splitOf.get(by.codes[row]!)!);
}

/**
 * A class that has cells enough for every part but is missing from one: happens when cells that were counted on turn out to
 * hold no gene. undefined where all is well.
 */
export function unrepresentedClass(label: DictionaryColumn, splits: Int8Array, isExcluded: (row: number) => boolean, fractions: Fractions): string | undefined {
  const active = [TRAIN, VALIDATION, TEST].filter((split) => fractions[split] > 0);
  const cells = label.categories.map(() => [0, 0, 0]);
  label.codes.forEach((code: number, row: number) => {
    if (code >= 0 && !isExcluded(row)) cells[code]![splits[row]!]!++;
  });
  const at = cells.findIndex((parts) => parts.reduce((a, b) => a + b, 0) >= active.length && active.some((split) => parts[split] === 0));
  return label.categories[at];
}

/** Whether a part that has a share got no cell although there are cells enough. */
export function isPartEmpty(splits: Int8Array, isExcluded: (row: number) => boolean, fractions: Fractions): boolean {
  const active = [TRAIN, VALIDATION, TEST].filter((split) => fractions[split] > 0);
  const sizes = [0, 0, 0];
  splits.forEach((split, row) => void (isExcluded(row) || sizes[split]!++));
  return sizes.reduce((a, b) => a + b, 0) >= active.length && active.some((split) => sizes[split] === 0);
}
