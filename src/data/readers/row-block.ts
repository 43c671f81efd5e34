import { DataError } from '../../errors.js';
import type { NumberArray } from './hdf5-decode.js';
import type { GeneNames, RowBlock } from './reader.js';

export const DEFAULT_BLOCK_ROWS = 1024;
/** Entries a block holds at most, whatever the number of rows asked for; a single row may hold more. */
export const MAX_BLOCK_ENTRIES = 1 << 22;

/**
 * What counting and normalising give is 0 or lies between (sums that rounding takes past 0 end near 1e-17). The bytes of anything else, and
 * those of most damage, read as numbers beyond.
 */
const SMALLEST_VALUE = 1e-20;
const LARGEST_VALUE = 1e15;

/** What messages about one matrix need, and how its stored columns become genes. */
export interface MatrixPlace {
  readonly file: string;
  /** The matrix, as in CellFile.matrix. */
  readonly key: string;
  readonly cellIds: readonly string[];
  readonly genes: GeneNames;
  /** Stored column → gene, -1 for columns left out; absent where they are the same. */
  readonly geneOfColumn?: Int32Array;
  /** Columns of the stored matrix. */
  readonly numColumns: number;
}

/** Rows as they lie in the file: any order, repeats and zeros included. */
export interface StoredRows {
  readonly firstRow: number;
  /** numRows + 1 offsets into `columns` and `values`, from 0. */
  readonly offsets: ArrayLike<number>;
  readonly columns: NumberArray;
  readonly values: NumberArray;
  /** Whether nobody writes to the arrays any more: rows that are tidy already are then handed on as they lie. */
  readonly isFinal?: boolean;
}

/**
 * Stored rows as the contract wants them: genes ascending and unique (repeats are summed), zeros dropped.
 * @throws DataError for a column that is not in the matrix and, unless allowed, for NaN, infinite values and others that nothing measures
 */
export function tidyRows({ firstRow, offsets, columns, values, isFinal = false }: StoredRows, place: MatrixPlace, allowNonFinite: boolean): RowBlock {
  const numRows = offsets.length - 1;
  if (isFinal && !place.geneOfColumn && columns instanceof Int32Array && values instanceof Float32Array && isTidy(offsets, columns, values, place.numColumns)) {
    return { firstRow, numRows, indptr: Int32Array.from(offsets), indices: columns, values };
  }
  const indptr = new Int32Array(numRows + 1);
  const indices = new Int32Array(columns.length);
  const kept = new Float32Array(columns.length);
  const { geneOfColumn, numColumns } = place;
  let filled = 0;
  for (let row = 0; row < numRows; row++) {
    const rowStart = filled;
    let isAscending = true;
    for (let i = offsets[row]!; i < offsets[row + 1]!; i++) {
      const column = columns[i]!;
      if (!(column >= 0 && column < numColumns)) throw columnOutOfRange(place, firstRow + row, column);
      const gene = geneOfColumn ? geneOfColumn[column]! : column;
      if (gene < 0) continue;
      const value = Math.fround(values[i]!);
      if (!isValue(values[i]!) && !allowNonFinite) throw noValue(place, firstRow + row, gene, values[i]!);
      if (value === 0) continue;
      if (filled > rowStart && gene <= indices[filled - 1]!) isAscending = false;
      indices[filled] = gene;
      kept[filled] = value;
      filled++;
    }
    if (!isAscending) filled = sortAndSum(indices, kept, rowStart, filled);
    indptr[row + 1] = filled;
  }
  return { firstRow, numRows, indptr, indices: indices.subarray(0, filled), values: kept.subarray(0, filled) };
}

/** Whether rows are as the contract wants them already: most files are written so, and need no copy. */
function isTidy(offsets: ArrayLike<number>, columns: Int32Array, values: Float32Array, numColumns: number): boolean {
  for (let row = 0; row + 1 < offsets.length; row++) {
    let last = -1;
    for (let i = offsets[row]!, end = offsets[row + 1]!; i < end; i++) {
      const column = columns[i]!;
      const value = values[i]!;
      const size = Math.abs(value);
      if (column <= last || !(size >= SMALLEST_VALUE && size <= LARGEST_VALUE)) return false;
      last = column;
    }
    if (last >= numColumns) return false;
  }
  return true;
}

/** Sorts the entries [start, end) by gene and sums repeats; a sum of zero leaves no entry. @returns the new end */
function sortAndSum(indices: Int32Array, values: Float32Array, start: number, end: number): number {
  const order = Array.from({ length: end - start }, (_, i) => start + i).sort((a, b) => indices[a]! - indices[b]!);
  const genes = Int32Array.from(order, (i) => indices[i]!);
  const summands = Float32Array.from(order, (i) => values[i]!);
  let filled = start;
  for (let i = 0; i < genes.length;) {
    let sum = 0;
    const gene = genes[i]!;
    for (; i < genes.length && genes[i] === gene; i++) sum += summands[i]!;
    if (sum === 0) continue;
    indices[filled] = gene;
    values[filled] = sum;
    filled++;
  }
  return filled;
}

/** Dense rows, `values` being numRows × numColumns, as a block. @throws DataError as tidyRows does */
export function compressDense(firstRow: number, numRows: number, values: NumberArray, place: MatrixPlace, allowNonFinite: boolean): RowBlock {
  const { numColumns } = place;
  let numEntries = 0;
  for (let i = 0; i < values.length; i++) if (Math.fround(values[i]!) !== 0) numEntries++;
  const indptr = new Int32Array(numRows + 1);
  const indices = new Int32Array(numEntries);
  const kept = new Float32Array(numEntries);
  let filled = 0;
  for (let row = 0; row < numRows; row++) {
    for (let column = 0; column < numColumns; column++) {
      const stored = values[row * numColumns + column]!;
      if (!isValue(stored) && !allowNonFinite) throw noValue(place, firstRow + row, column, stored);
      const value = Math.fround(stored);
      if (value === 0) continue;
      indices[filled] = column;
      kept[filled] = value;
      filled++;
    }
    indptr[row + 1] = filled;
  }
  return { firstRow, numRows, indptr, indices, values: kept };
}

/** Clamps what a caller of rowBlocks asked for. @throws RangeError for a range that is none */
export function rowRange(numCells: number, options: { start?: number; end?: number; blockRows?: number }): { start: number; end: number; blockRows: number } {
  const { start = 0, end = numCells, blockRows = DEFAULT_BLOCK_ROWS } = options;
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end > numCells || start > end)
    throw new RangeError(`rows ${start} to ${end} of ${numCells}`);
  if (!Number.isInteger(blockRows) || blockRows < 1) throw new RangeError(`blocks of ${blockRows} rows`);
  return { start, end, blockRows };
}

function columnOutOfRange({ file, key, numColumns, cellIds }: MatrixPlace, row: number, column: number): DataError {
  return new DataError({
    file,
    key,
    found: `row ${row} (cell '${cellIds[row]}') has a value in column ${column}`,
    expected: `columns 0 to ${numColumns - 1}`,
    hint: 'the sparse matrix is damaged: write the file again',
  });
}

function isValue(value: number): boolean {
  const size = Math.abs(value);
  return value === 0 || (size >= SMALLEST_VALUE && size <= LARGEST_VALUE);
}

function noValue({ file, key, genes, cellIds }: MatrixPlace, row: number, gene: number, value: number): DataError {
  const isFinite = Number.isFinite(value);
  return new DataError({
    file,
    key,
    found: `${isFinite ? value.toPrecision(3) : value} at cell '${cellIds[row]}' (row ${row}), gene '${genes.names[gene]}' (column ${gene})`,
    expected: isFinite ? `0, or ${SMALLEST_VALUE} to ${LARGEST_VALUE}: nothing measures such a value` : 'finite values',
    hint: isFinite
      ? 'the file is damaged, or values next to nothing are to be set to 0: copy or write it again, or choose another matrix'
      : 'replace or drop such values before, or choose another matrix of the file',
  });
}
