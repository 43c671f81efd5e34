import type { EntrySpool } from './entry-spool.js';
import { lastRowWithin } from './matrix-csr.js';
import { TurnedMatrix } from './matrix-turned.js';
import type { CellMatrix, GeneNames, MatrixInfo, MatrixKey, RowBlock, RowBlockOptions } from './reader.js';
import { MAX_BLOCK_ENTRIES, rowRange, tidyRows, type MatrixPlace } from './row-block.js';

/** A matrix of text, parsed. */
export interface SpooledEntries {
  readonly spool: EntrySpool;
  /** Which of the two indices of an entry is the cell. */
  readonly cellIs: 'major' | 'minor';
  /** Whether the entries came cell by cell, in the order of the cells. */
  readonly areByCell: boolean;
  /** [numCells + 1] offsets of each cell among entries in the order of the cells. */
  readonly offsets: Float64Array;
}

/** Offsets from the number of entries of each. */
export function offsetsOf(counts: ArrayLike<number>): Float64Array {
  const offsets = new Float64Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) offsets[i + 1] = offsets[i]! + counts[i]!;
  return offsets;
}

/** A matrix of text. It is parsed once, at first use; its blocks come from the spool. */
export class SpooledMatrix implements CellMatrix {
  readonly key: MatrixKey;
  readonly numGenes: number;
  readonly genes: GeneNames;

  constructor(
    private readonly parsed: () => Promise<SpooledEntries>,
    private readonly place: MatrixPlace,
    readonly numCells: number,
    readonly encoding: MatrixInfo['encoding'],
    readonly dtype: string,
  ) {
    this.key = place.key;
    this.genes = place.genes;
    this.numGenes = place.genes.names.length;
  }

  async *rowBlocks(options: RowBlockOptions = {}): AsyncGenerator<RowBlock> {
    const entries = await this.parsed();
    if (entries.areByCell) yield* this.consecutive(entries, options);
    else yield* this.turned(entries).rowBlocks(options);
  }

  private *consecutive({ spool, cellIs, offsets }: SpooledEntries, options: RowBlockOptions): Generator<RowBlock> {
    const { start, end, blockRows } = rowRange(this.numCells, options);
    for (let row = start; row < end;) {
      const last = lastRowWithin(offsets, row, Math.min(end, row + blockRows), MAX_BLOCK_ENTRIES);
      const [from, to] = [offsets[row]!, offsets[last]!];
      const columns = new Int32Array(to - from);
      const values = new Float32Array(to - from);
      let filled = 0;
      for (const piece of spool.read(from, to)) {
        columns.set(cellIs === 'major' ? piece.minor : piece.major, filled);
        values.set(piece.values, filled);
        filled += piece.values.length;
      }
      const local = Float64Array.from({ length: last - row + 1 }, (_, i) => offsets[row + i]! - from);
      yield tidyRows({ firstRow: row, offsets: local, columns, values }, this.place, options.allowNonFinite ?? false);
      row = last;
    }
  }

  private turned({ spool, cellIs, offsets }: SpooledEntries): TurnedMatrix {
    const { encoding, dtype } = this;
    function* entries() {
      for (const { major, minor, values } of spool.read())
        yield cellIs === 'major' ? { rows: major, columns: minor, values } : { rows: minor, columns: major, values };
    }
    return new TurnedMatrix({ encoding, dtype, rowOffsets: () => offsets, entries }, this.place, this.numCells);
  }
}
