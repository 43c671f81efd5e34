import { lastRowWithin } from './matrix-csr.js';
import type { CellMatrix, GeneNames, MatrixInfo, MatrixKey, RowBlock, RowBlockOptions } from './reader.js';
import { MAX_BLOCK_ENTRIES, rowRange, tidyRows, type MatrixPlace } from './row-block.js';
import { ScratchFile } from './scratch-file.js';

/** Entries turned into rows at a time: 64 MiB. */
const TURNED_ENTRIES = 1 << 23;
/** Passes over the file that are cheaper than writing its entries to a scratch file once. */
const MOST_PASSES = 3;

/** Entries of a matrix that do not lie cell by cell. */
export interface EntrySource {
  readonly encoding: MatrixInfo['encoding'];
  readonly dtype: string;
  /** [numCells + 1] where the entries of each cell would begin if they lay cell by cell. @throws DataError for a cell out of range */
  rowOffsets(): Float64Array;
  /** All of them in the order of the file, each cell's in the order in which its genes are to come. */
  entries(): Iterable<{ readonly rows: ArrayLike<number>; readonly columns: ArrayLike<number>; readonly values: ArrayLike<number> }>;
}

/**
 * A matrix whose entries of one cell lie all over the file. Rows are gathered for as many cells at a time as fit into a fixed
 * budget: by one pass over the matrix each while these are few, else from a scratch file in the folder for temporary files,
 * into which one pass has sorted the entries by cell range (12 bytes an entry). Memory stays bounded either way.
 */
export class TurnedMatrix implements CellMatrix {
  readonly encoding: MatrixInfo['encoding'];
  readonly key: MatrixKey;
  readonly dtype: string;
  readonly numGenes: number;
  readonly genes: GeneNames;
  private rowOffsets: Float64Array | undefined;

  /** @param turnedEntries the budget; tests lower it */
  constructor(
    private readonly source: EntrySource,
    private readonly place: MatrixPlace,
    readonly numCells: number,
    private readonly turnedEntries = TURNED_ENTRIES,
  ) {
    this.key = place.key;
    this.encoding = source.encoding;
    this.dtype = source.dtype;
    this.genes = place.genes;
    this.numGenes = place.genes.names.length;
  }

  async *rowBlocks(options: RowBlockOptions = {}): AsyncGenerator<RowBlock> {
    const { start, end, blockRows } = rowRange(this.numCells, options);
    if (start === end) return;
    const offsets = (this.rowOffsets ??= this.source.rowOffsets());
    const ranges: CellRange[] = [];
    for (let first = start; first < end; first = ranges.at(-1)!.last) {
      const last = lastRowWithin(offsets, first, end, this.turnedEntries);
      ranges.push({ first, last, numEntries: offsets[last]! - offsets[first]! });
    }
    const scratch = ranges.length > MOST_PASSES ? await this.sortIntoScratch(ranges) : undefined;
    try {
      const rows = new TurnedRows(Math.max(...ranges.map(({ numEntries }) => numEntries)), offsets);
      for (const [part, range] of ranges.entries()) {
        rows.begin(range);
        if (scratch) for await (const { rows: cells, columns, values } of scratch.read(part)) rows.add(cells, columns, values);
        else for (const { rows: cells, columns, values } of this.source.entries()) rows.add(cells, columns, values);
        for (let row = range.first; row < range.last;) {
          const next = lastRowWithin(offsets, row, Math.min(range.last, row + blockRows), MAX_BLOCK_ENTRIES);
          yield tidyRows({ firstRow: row, ...rows.take(row, next) }, this.place, options.allowNonFinite ?? false);
          row = next;
        }
      }
    } finally {
      await scratch?.close();
    }
  }

  private async sortIntoScratch(ranges: readonly CellRange[]): Promise<ScratchFile> {
    const partOfRow = new Int32Array(this.numCells).fill(-1);
    ranges.forEach(({ first, last }, part) => partOfRow.fill(part, first, last));
    const scratch = await ScratchFile.create(ranges.map(({ numEntries }) => numEntries));
    try {
      for (const { rows, columns, values } of this.source.entries()) {
        for (let i = 0; i < columns.length; i++) {
          const part = partOfRow[rows[i]!]!;
          if (part >= 0 && scratch.add(part, rows[i]!, columns[i]!, values[i]!)) await scratch.flush(part);
        }
      }
      await scratch.finish();
      return scratch;
    } catch (error) {
      await scratch.close();
      throw error;
    }
  }
}

interface CellRange {
  readonly first: number;
  readonly last: number;
  readonly numEntries: number;
}

/** Entries of a range of cells in row order. The memory is used again for every range. */
class TurnedRows {
  private readonly columns: Int32Array;
  private readonly values: Float32Array;
  private range: CellRange = { first: 0, last: 0, numEntries: 0 };
  private next = new Float64Array();

  constructor(
    mostEntries: number,
    private readonly offsets: Float64Array,
  ) {
    this.columns = new Int32Array(mostEntries);
    this.values = new Float32Array(mostEntries);
  }

  begin(range: CellRange): void {
    this.range = range;
    this.next = Float64Array.from({ length: range.last - range.first }, (_, i) => this.at(range.first + i));
  }

  /** Takes the entries of this range from among others. */
  add(rows: ArrayLike<number>, columns: ArrayLike<number>, values: ArrayLike<number>): void {
    const { first } = this.range;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]! - first;
      if (row < 0 || row >= this.next.length) continue;
      const slot = this.next[row]!++;
      this.columns[slot] = columns[i]!;
      this.values[slot] = values[i]!;
    }
  }

  take(row: number, end: number): { offsets: Float64Array; columns: Int32Array; values: Float32Array } {
    const [from, to] = [this.at(row), this.at(end)];
    return {
      offsets: Float64Array.from({ length: end - row + 1 }, (_, i) => this.at(row + i) - from),
      columns: this.columns.subarray(from, to),
      values: this.values.subarray(from, to),
    };
  }

  /** Where the entries of a row begin. */
  private at(row: number): number {
    return this.offsets[row]! - this.offsets[this.range.first]!;
  }
}
