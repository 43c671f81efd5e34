import { ConfigError, DataError } from '../../errors.js';
import type { CellFile, ObsColumn } from '../readers/reader.js';
import { fittingCodes, newCodes } from './codes.js';
import { RESERVED_COLUMNS, type DictionaryColumn } from './shard-writer.js';

/** A numeric or string field with more values than this is a measurement or a name, not a label. */
export const MAX_CATEGORIES = 1000;

/** The obs fields to keep when none are named: categories, truth values and words, as far as they are labels and not names. */
export function labelLikeKeys(files: readonly CellFile[]): string[] {
  const keys = new Set<string>();
  for (const file of files) {
    for (const key of file.obsKeys) {
      if (keys.has(key) || isReserved(key)) continue;
      const column = file.obs(key);
      if (column.kind !== 'numeric' && asCategories(column).categories.length <= MAX_CATEGORIES) keys.add(key);
    }
  }
  return [...keys];
}

/**
 * One field of all files, row after row, as one dictionary: categories in the order in which the files list them, those
 * without a cell left out. Where a file lacks the field its cells have no value.
 * @param isRequired refuse a file without the field
 */
export function joinObs(files: readonly CellFile[], key: string, isRequired: boolean): DictionaryColumn {
  const categories: string[] = [];
  const codeOf = new Map<string, number>();
  let codes = newCodes(
    0,
    files.reduce((n, { numCells }) => n + numCells, 0),
  ).fill(-1);
  let offset = 0;
  for (const file of files) {
    if (isRequired || file.obsKeys.includes(key)) {
      const column = asCategories(file.obs(key));
      if (column.categories.length > MAX_CATEGORIES && column.isFree) {
        throw new DataError({
          file: file.path,
          key: `obs['${key}']`,
          found: `${column.categories.length} different values`,
          expected: `a label of at most ${MAX_CATEGORIES}`,
          hint: 'make it categorical, or leave it out',
        });
      }
      const isUsed = new Set(column.codes);
      const translation = column.categories.map((category, code) => {
        if (!isUsed.has(code)) return -1;
        const known = codeOf.get(category);
        if (known !== undefined) return known;
        codeOf.set(category, categories.length);
        return categories.push(category) - 1;
      });
      codes = fittingCodes(codes, categories.length);
      for (let i = 0; i < column.codes.length; i++) codes[offset + i] = column.codes[i]! < 0 ? -1 : translation[column.codes[i]!]!;
    }
    offset += file.numCells;
  }
  return { key, categories, codes };
}

/** @throws DataError when a kept field would hide a column of the corpus; a field that is only read, as the one to split by, may be named as it likes */
export function refuseReserved(key: string): void {
  if (isReserved(key))
    throw new DataError({
      key: `obs['${key}']`,
      found: 'the name of a column every corpus has',
      expected: `none of ${RESERVED_COLUMNS.join(', ')}`,
      hint: 'rename it in the file',
    });
}

/** DuckDB and others take column names without regard to case. */
function isReserved(key: string): boolean {
  return RESERVED_COLUMNS.includes(key.toLowerCase());
}

interface Categories {
  readonly categories: readonly string[];
  readonly codes: Int32Array;
  /** The file does not call it categorical: too many values mean that it is none. */
  readonly isFree: boolean;
}

function asCategories(column: ObsColumn): Categories {
  switch (column.kind) {
    case 'categorical':
      return { ...column, isFree: false };
    case 'boolean':
      return { categories: ['False', 'True'], codes: Int32Array.from(column.values, (value) => (value === null ? -1 : Number(value))), isFree: false };
    case 'string':
      return { ...encode(column.values, undefined), isFree: true };
    case 'numeric':
      return {
        ...encode(
          Array.from(column.values, (value) => (Number.isNaN(value) ? null : value)),
          (a, b) => a - b,
        ),
        isFree: true,
      };
  }
}

/** Distinct values in sorted order: numbers by size, words by their characters. */
function encode<T extends string | number>(values: readonly (T | null)[], compare: ((a: T, b: T) => number) | undefined): Omit<Categories, 'isFree'> {
  const distinct = [...new Set(values.filter((value) => value !== null))].sort(compare);
  const codeOf = new Map(distinct.map((value, code) => [value, code]));
  return { categories: distinct.map(String), codes: Int32Array.from(values, (value) => (value === null ? -1 : codeOf.get(value)!)) };
}

/**
 * Takes the label from classes with fewer than `minCells` cells and forgets those classes.
 * @param isExcluded rows that are not in the corpus
 * @param unlabelled classes whose name means that a cell has none
 */
export function dropSmallClasses(
  label: DictionaryColumn,
  minCells: number,
  isExcluded: (row: number) => boolean,
  unlabelled: readonly string[] = [],
): { label: DictionaryColumn; unlabelledClasses: Record<string, number> } {
  const sizes = classSizes(label, isExcluded);
  const kept = label.categories.flatMap((name, code) => (sizes[code]! >= minCells && !unlabelled.includes(name) ? [code] : []));
  const newCode = new Map(kept.map((code, i) => [code, i]));
  const codes = newCodes(kept.length, label.codes.length);
  label.codes.forEach((code: number, row: number) => (codes[row] = newCode.get(code) ?? -1));
  const lost = label.categories.flatMap((name, code) => (newCode.has(code) || sizes[code] === 0 ? [] : [[name, sizes[code]!] as const]));
  return {
    label: { key: label.key, categories: kept.map((code) => label.categories[code]!), codes },
    unlabelledClasses: Object.fromEntries(lost),
  };
}

/** @throws DataError naming a class with a single cell, which can be in one part of the split alone */
export function refuseSingletons(label: DictionaryColumn, isExcluded: (row: number) => boolean, file: string): void {
  const sizes = classSizes(label, isExcluded);
  const single = sizes.flatMap((size, code) => (size === 1 ? [label.categories[code]!] : []));
  if (sizes.every((size) => size === 0))
    throw new DataError({ file, key: `obs['${label.key}']`, found: 'no cell has a label', hint: 'name another field with --label' });
  if (single.length === 0) return;
  const others = single.length > 1 ? ` (and ${single.length - 1} more such classes)` : '';
  throw new DataError({
    file,
    key: `obs['${label.key}']`,
    found: `class '${single[0]}' has one cell${others}`,
    expected: 'at least 2 cells a class',
    hint: 'pass --min-class-cells 2 to keep such cells without a label',
  });
}

/** @throws ConfigError for a name that no cell has: a slip would leave the class in */
export function refuseUnknownNames(unlabelled: readonly string[], label: DictionaryColumn | undefined): void {
  const [first] = unlabelled;
  if (first !== undefined && !label)
    throw new ConfigError({ key: '--unlabelled', found: `'${first}' without --label`, expected: 'the obs field it is a value of' });
  const slip = unlabelled.find((name) => !label!.categories.includes(name));
  if (slip !== undefined)
    throw new ConfigError({ key: '--unlabelled', found: `'${slip}', which no cell is`, expected: `some of ${label!.categories.slice(0, 12).join(', ')}` });
}

function classSizes(label: DictionaryColumn, isExcluded: (row: number) => boolean): number[] {
  const sizes = label.categories.map(() => 0);
  label.codes.forEach((code: number, row: number) => {
    if (code >= 0 && !isExcluded(row)) sizes[code]!++;
  });
  return sizes;
}
