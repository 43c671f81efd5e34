import { DataError } from '../../errors.js';
import type { StoredArray } from './array-store.js';
import type { CellMatrix, CsrStorage, GeneNames, MatrixKey, RowBlock, RowBlockOptions } from './reader.js';
import { MAX_BLOCK_ENTRIES, rowRange, tidyRows, type MatrixPlace } from './row-block.js';
import { RowWindow } from './row-window.js';

/** The three arrays of a compressed sparse matrix: by rows (cells) or by columns (genes). */
export interface SparseArrays {
  readonly data: StoredArray;
  readonly indices: StoredArray;
  readonly indptr: StoredArray;
}

/** Compressed sparse rows: the cells lie one after the other. */
export class CsrMatrix implements CellMatrix {
  readonly encoding = 'csr';
  readonly key: MatrixKey;
  readonly dtype: string;
  readonly numGenes: number;
  readonly genes: GeneNames;
  private offsets: ArrayLike<number> | undefined;

  constructor(
    private readonly arrays: SparseArrays,
    private readonly place: MatrixPlace,
    readonly numCells: number,
  ) {
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
    for (let row = start; row < end;) {
      const last = lastRowWithin(offsets, row, Math.min(end, row + blockRows), MAX_BLOCK_ENTRIES);
      const [from, to] = [offsets[row]!, offsets[last]!];
      // One row of more values than a block holds, and than there are genes: each of them would be repeated.
      if (to - from > Math.max(MAX_BLOCK_ENTRIES, this.numGenes))
        throw new DataError({
          file: this.place.file,
          key: `${this.key}/indptr`,
          found: `${to - from} values in row ${row}`,
          expected: `at most ${this.numGenes}, one a gene`,
          hint: 'the sparse matrix is damaged: write the file again',
        });
      const local = Float64Array.from({ length: last - row + 1 }, (_, i) => offsets[row + i]! - from);
      yield tidyRows(
        { firstRow: row, offsets: local, columns: columns.take(from, to), values: values.take(from, to), isFinal: true },
        this.place,
        options.allowNonFinite ?? false,
      );
      row = last;
    }
  }

  async storedRows(): Promise<CsrStorage | undefined> {
    const { data, indices: columns, indptr: offsets } = this.arrays;
    if (columns.length !== data.length || offsets.length !== this.numCells + 1) return undefined; // reading says so
    const [values, indices, indptr] = [data, columns, offsets].map((array) => array.storage?.());
    return values && indices && indptr ? { indptr, indices, values, geneOfColumn: this.place.geneOfColumn } : undefined;
  }
}

/** The largest end ≤ `end` such that rows [row, end) hold at most `maxEntries`, but at least one row. */
export function lastRowWithin(offsets: ArrayLike<number>, row: number, end: number, maxEntries: number): number {
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
export function readOffsets({ data, indices, indptr }: SparseArrays, numMajor: number, { file, key }: MatrixPlace): ArrayLike<number> {
  const offsets = indptr.numbers();
  const damaged = (found: string, expected: string) =>
    new DataError({ file, key: `${key}/indptr`, found, expected, hint: 'the sparse matrix is damaged: write the file again' });
  if (offsets.length !== numMajor + 1) throw damaged(`${offsets.length} entries`, `${numMajor + 1}`);
  if (indices.length !== data.length) throw damaged(`${indices.length} indices but ${data.length} values`, 'as many of one as of the other');
  if (offsets[0] !== 0) throw damaged(`starts at ${offsets[0]}`, '0');
  for (let i = 1; i < offsets.length; i++) {
    if (offsets[i]! < offsets[i - 1]!) throw damaged(`decreases from ${offsets[i - 1]} to ${offsets[i]} at entry ${i}`, 'never decreasing');
  }
  if (offsets[numMajor] !== data.length) throw damaged(`ends at ${offsets[numMajor]}`, `${data.length}, the number of stored values`);
  return offsets;
}
