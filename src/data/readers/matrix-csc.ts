import { DataError } from '../../errors.js';
import { readOffsets, type SparseArrays } from './matrix-csr.js';
import { TurnedMatrix, type EntrySource } from './matrix-turned.js';
import type { MatrixPlace } from './row-block.js';

const ENTRIES_PER_READ = 1 << 18;

/** Compressed sparse columns: the genes lie one after the other. */
export class CscMatrix extends TurnedMatrix {
  /** @param turnedEntries see TurnedMatrix */
  constructor(arrays: SparseArrays, place: MatrixPlace, numCells: number, turnedEntries?: number) {
    super(new CscEntries(arrays, place, numCells), place, numCells, turnedEntries);
  }
}

class CscEntries implements EntrySource {
  readonly encoding = 'csc';
  readonly dtype: string;
  private columnOffsets: ArrayLike<number> | undefined;

  constructor(
    private readonly arrays: SparseArrays,
    private readonly place: MatrixPlace,
    private readonly numCells: number,
  ) {
    this.dtype = arrays.data.dtype;
  }

  rowOffsets(): Float64Array {
    this.checkedColumns();
    const { indices } = this.arrays;
    const counts = new Float64Array(this.numCells + 1);
    const numEntries = indices.length;
    for (let from = 0; from < numEntries; from += ENTRIES_PER_READ) {
      const rows = indices.numbers(from, Math.min(numEntries, from + ENTRIES_PER_READ));
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        if (!(row >= 0 && row < this.numCells)) {
          throw new DataError({
            file: this.place.file,
            key: this.place.key,
            found: `a value in row ${row}`,
            expected: `rows 0 to ${this.numCells - 1}`,
            hint: 'the sparse matrix is damaged: write the file again',
          });
        }
        counts[row + 1]!++;
      }
    }
    for (let row = 0; row < this.numCells; row++) counts[row + 1]! += counts[row]!;
    return counts;
  }

  *entries(): Generator<{ rows: ArrayLike<number>; columns: Int32Array; values: ArrayLike<number> }> {
    const { indices, data } = this.arrays;
    const columnOffsets = this.checkedColumns();
    let column = 0;
    for (let from = 0; from < indices.length; from += ENTRIES_PER_READ) {
      const to = Math.min(indices.length, from + ENTRIES_PER_READ);
      const columns = new Int32Array(to - from);
      for (let i = 0; i < columns.length; i++) {
        while (from + i >= columnOffsets[column + 1]!) column++;
        columns[i] = column;
      }
      yield { rows: indices.numbers(from, to), columns, values: data.numbers(from, to) };
    }
  }

  private checkedColumns(): ArrayLike<number> {
    return (this.columnOffsets ??= readOffsets(this.arrays, this.place.numColumns, this.place));
  }
}
