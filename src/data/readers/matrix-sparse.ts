import { DataError } from '../../errors.js';
import type { Hdf5Dataset } from './hdf5.js';
import type { CellMatrix, GeneNames, MatrixKey, RowBlock, RowBlockOptions } from './reader.js';
import { MAX_BLOCK_ENTRIES, rowRange, tidyRows, type MatrixPlace } from './row-block.js';
import { RowWindow } from './row-window.js';

/** The three arrays of a compressed sparse matrix: by rows (cells) or by columns (genes). */
export interface SparseArrays {
  readonly data: Hdf5Dataset;
  readonly indices: Hdf5Dataset;
  readonly indptr: Hdf5Dataset;
}

/** Compressed sparse rows: the cells lie one after the other. */
export class CsrMatrix implements CellMatrix {
  readonly encoding = 'csr';
  readonly key: MatrixKey;
  readonly dtype: string;
  readonly numGenes: number;
  readonly genes: GeneNames;
  private offsets: ArrayLike<number> | undefined;

  constructor(private readonly arrays: SparseArrays, private readonly place: MatrixPlace, readonly numCells: number) {
    this.key = place.key;
    this.dtype = arrays.data.dtype;
    this.genes = place.genes;
    this.numGenes = place.genes.names.length;
  }

  async *rowBlocks(options: RowBlockOptions = {}): AsyncGenerator<RowBlock> {
    const { start, end, blockRows } = rowRange(this.numCells, options);
    const offsets = (this.offsets ??= readOffsets(this.arrays, this.numCells, this.place));
    const columns = new RowWindow(this.arrays.indices);
    const values = new RowWindow(this.arrays.data);
    for (let row = start; row < end; ) {
      const last = lastRowWithin(offsets, row, Math.min(end, row + blockRows), MAX_BLOCK_ENTRIES);
      const [from, to] = [offsets[row]!, offsets[last]!];
      const local = Float64Array.from({ length: last - row + 1 }, (_, i) => offsets[row + i]! - from);
      yield tidyRows({ firstRow: row, offsets: local, columns: columns.take(from, to), values: values.take(from, to) }, this.place, options.allowNonFinite ?? false);
      row = last;
    }
  }
}

/** Entries of a compressed-column matrix turned into rows at a time: 128 MiB. */
const TURNED_ENTRIES = 1 << 24;
const ENTRIES_PER_READ = 1 << 20;

/**
 * Compressed sparse columns: the entries of one cell lie all over the file. Rows are gathered by passes over the whole
 * matrix, each for as many rows as fit into a fixed budget, so memory stays bounded and time grows with the square of the
 * size once a matrix has more than TURNED_ENTRIES entries.
 */
export class CscMatrix implements CellMatrix {
  readonly encoding = 'csc';
  readonly key: MatrixKey;
  readonly dtype: string;
  readonly numGenes: number;
  readonly genes: GeneNames;
  private columnOffsets: ArrayLike<number> | undefined;
  private rowOffsets: Float64Array | undefined;

  /** @param turnedEntries the budget; tests lower it */
  constructor(private readonly arrays: SparseArrays, private readonly place: MatrixPlace, readonly numCells: number, private readonly turnedEntries = TURNED_ENTRIES) {
    this.key = place.key;
    this.dtype = arrays.data.dtype;
    this.genes = place.genes;
    this.numGenes = place.genes.names.length;
  }

  async *rowBlocks(options: RowBlockOptions = {}): AsyncGenerator<RowBlock> {
    const { start, end, blockRows } = rowRange(this.numCells, options);
    if (start === end) return;
    const columnOffsets = (this.columnOffsets ??= readOffsets(this.arrays, this.numGenes, this.place));
    const offsets = (this.rowOffsets ??= this.countRows());
    for (let first = start; first < end; ) {
      const last = lastRowWithin(offsets, first, end, this.turnedEntries);
      const { columns, values } = this.turn(first, last, columnOffsets, offsets);
      for (let row = first; row < last; ) {
        const next = lastRowWithin(offsets, row, Math.min(last, row + blockRows), MAX_BLOCK_ENTRIES);
        const [from, to] = [offsets[row]! - offsets[first]!, offsets[next]! - offsets[first]!];
        const local = Float64Array.from({ length: next - row + 1 }, (_, i) => offsets[row + i]! - offsets[row]!);
        yield tidyRows({ firstRow: row, offsets: local, columns: columns.subarray(from, to), values: values.subarray(from, to) }, this.place, options.allowNonFinite ?? false);
        row = next;
      }
      first = last;
    }
  }

  /** Offsets of each row among the entries in row order. @throws DataError for a row index out of range */
  private countRows(): Float64Array {
    const { indices } = this.arrays;
    const counts = new Float64Array(this.numCells + 1);
    const numEntries = indices.length;
    for (let from = 0; from < numEntries; from += ENTRIES_PER_READ) {
      const rows = indices.numbers(from, Math.min(numEntries, from + ENTRIES_PER_READ));
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        if (!(row >= 0 && row < this.numCells)) {
          throw new DataError({ file: this.place.file, key: this.key, found: `a value in row ${row}`, expected: `rows 0 to ${this.numCells - 1}`, hint: 'the sparse matrix is damaged: write the file again' });
        }
        counts[row + 1]!++;
      }
    }
    for (let row = 0; row < this.numCells; row++) counts[row + 1]! += counts[row]!;
    return counts;
  }

  /** One pass over the matrix, gathering the entries of rows [first, last) in row order, columns ascending. */
  private turn(first: number, last: number, columnOffsets: ArrayLike<number>, rowOffsets: Float64Array): { columns: Int32Array; values: Float32Array } {
    const base = rowOffsets[first]!;
    const size = rowOffsets[last]! - base;
    const columns = new Int32Array(size);
    const values = new Float32Array(size);
    const next = Float64Array.from({ length: last - first }, (_, i) => rowOffsets[first + i]! - base);
    const numEntries = this.arrays.indices.length;
    let column = 0;
    for (let from = 0; from < numEntries; from += ENTRIES_PER_READ) {
      const to = Math.min(numEntries, from + ENTRIES_PER_READ);
      const rows = this.arrays.indices.numbers(from, to);
      const stored = this.arrays.data.numbers(from, to);
      for (let i = 0; i < rows.length; i++) {
        while (from + i >= columnOffsets[column + 1]!) column++;
        const row = rows[i]! - first;
        if (row < 0 || row >= next.length) continue;
        const slot = next[row]!++;
        columns[slot] = column;
        values[slot] = stored[i]!;
      }
    }
    return { columns, values };
  }
}

/** The largest end ≤ `end` such that rows [row, end) hold at most `maxEntries`, but at least one row. */
function lastRowWithin(offsets: ArrayLike<number>, row: number, end: number, maxEntries: number): number {
  const limit = offsets[row]! + maxEntries;
  if (offsets[end]! <= limit) return end;
  let [low, high] = [row + 1, end];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle]! <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** indptr, checked: from 0, never decreasing, ending where the data end. @throws DataError saying where it goes wrong */
function readOffsets({ data, indices, indptr }: SparseArrays, numMajor: number, { file, key }: MatrixPlace): ArrayLike<number> {
  const offsets = indptr.numbers();
  const damaged = (found: string, expected: string) => new DataError({ file, key: `${key}/indptr`, found, expected, hint: 'the sparse matrix is damaged: write the file again' });
  if (offsets.length !== numMajor + 1) throw damaged(`${offsets.length} entries`, `${numMajor + 1}`);
  if (indices.length !== data.length) throw damaged(`${indices.length} indices but ${data.length} values`, 'as many of one as of the other');
  if (offsets[0] !== 0) throw damaged(`starts at ${offsets[0]}`, '0');
  for (let i = 1; i < offsets.length; i++) {
    if (offsets[i]! < offsets[i - 1]!) throw damaged(`decreases from ${offsets[i - 1]} to ${offsets[i]} at entry ${i}`, 'never decreasing');
  }
  if (offsets[numMajor] !== data.length) throw damaged(`ends at ${offsets[numMajor]}`, `${data.length}, the number of stored values`);
  return offsets;
}
