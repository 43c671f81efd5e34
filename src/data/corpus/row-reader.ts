import { closeSync, openSync } from 'node:fs';
import { DataError } from '../../errors.js';
import type { CellValues, RawCell } from '../loader/depth.js';
import { readInto, readRegion } from './file-region.js';
import type { ShardLayout } from './shard-layout.js';

/** Files kept open by one reader, a few of which fit under the usual limit of 1,024; the one unused for longest is closed. */
const MAX_OPEN_SHARDS = 128;

interface OpenShard {
  readonly fd: number;
  /** [R + 1], and [R]; only where all shards of the corpus stay open. Otherwise the two numbers a row needs are read with it. */
  readonly indptr?: Int32Array;
  readonly total?: Float64Array;
}

/**
 * Random access to the cells of a corpus. A row is read from its place in the file into a buffer that the next row reuses:
 * memory does not grow with the corpus, the operating system's page cache keeps what is hot, and a cell costs two to four
 * reads of a few microseconds. Knows shard layouts only, so that a worker thread starts without the Arrow library.
 */
export class RowReader {
  private readonly layouts: readonly ShardLayout[];
  /** [S + 1] first row of each shard, then the number of cells. */
  private readonly firstRow: Int32Array;
  private readonly open = new Map<number, OpenShard>();
  private readonly bounds = new Int32Array(2);
  private readonly total = new Float64Array(1);
  private geneIds = new Int32Array(4096);
  private counts = new Uint16Array(4096);
  private floats = new Float32Array(4096);

  constructor(layouts: readonly ShardLayout[]) {
    this.layouts = layouts;
    this.firstRow = new Int32Array(layouts.length + 1);
    layouts.forEach((layout, i) => (this.firstRow[i + 1] = this.firstRow[i]! + layout.numCells));
  }

  get numCells(): number {
    return this.firstRow[this.layouts.length]!;
  }

  /** @returns views into buffers of this reader, valid until the next call @throws RangeError for a row out of range */
  read(row: number): RawCell {
    const { layout, shard, local } = this.locate(row);
    return guard(layout, local, () => {
      const [start, end] = this.rowBounds(layout, shard, local);
      const n = end - start;
      this.reserve(n);
      const geneIds = this.geneIds.subarray(0, n);
      const values: CellValues = layout.valueType === 'uint16' ? this.counts.subarray(0, n) : this.floats.subarray(0, n);
      readInto(shard.fd, bytesOf(geneIds), layout.geneIds.offset + start * geneIds.BYTES_PER_ELEMENT);
      readInto(shard.fd, bytesOf(values), layout.values.offset + start * values.BYTES_PER_ELEMENT);
      if (shard.total) return { geneIds, values, total: shard.total[local]! };
      readInto(shard.fd, bytesOf(this.total), layout.total.offset + local * 8);
      return { geneIds, values, total: this.total[0]! };
    });
  }

  /** Stored genes of a row, without reading them. */
  numGenes(row: number): number {
    const { layout, shard, local } = this.locate(row);
    return guard(layout, local, () => {
      const [start, end] = this.rowBounds(layout, shard, local);
      return end - start;
    });
  }

  close(): void {
    for (const { fd } of this.open.values()) closeSync(fd);
    this.open.clear();
  }

  private rowBounds(layout: ShardLayout, shard: OpenShard, local: number): [start: number, end: number] {
    if (shard.indptr) return [shard.indptr[local]!, shard.indptr[local + 1]!];
    readInto(shard.fd, bytesOf(this.bounds), layout.indptr.offset + local * 4);
    return [this.bounds[0]!, this.bounds[1]!];
  }

  private locate(row: number): { layout: ShardLayout; shard: OpenShard; local: number } {
    if (!(row >= 0 && row < this.numCells)) throw new RangeError(`row ${row} of a corpus of ${this.numCells} cells`);
    let low = 0;
    let high = this.layouts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.firstRow[middle]! <= row) low = middle;
      else high = middle;
    }
    const layout = this.layouts[low]!;
    return { layout, shard: this.openShard(low, layout), local: row - this.firstRow[low]! };
  }

  private openShard(index: number, layout: ShardLayout): OpenShard {
    const staysOpen = this.layouts.length <= MAX_OPEN_SHARDS;
    const found = this.open.get(index);
    if (found) {
      if (!staysOpen) {
        this.open.delete(index);
        this.open.set(index, found);
      }
      return found;
    }
    if (this.open.size >= MAX_OPEN_SHARDS) {
      const [oldest, shard] = this.open.entries().next().value!;
      closeSync(shard.fd);
      this.open.delete(oldest);
    }
    const shard = openShardFile(layout, staysOpen);
    this.open.set(index, shard);
    return shard;
  }

  private reserve(n: number): void {
    if (n <= this.geneIds.length) return;
    this.geneIds = new Int32Array(n * 2);
    this.counts = new Uint16Array(n * 2);
    this.floats = new Float32Array(n * 2);
  }
}

function openShardFile(layout: ShardLayout, withIndex: boolean): OpenShard {
  const fd = guard(layout, undefined, () => openSync(layout.file, 'r'));
  if (!withIndex) return { fd };
  try {
    const indptr = readRegion(fd, { offset: layout.indptr.offset, bytes: (layout.numCells + 1) * 4 });
    const total = readRegion(fd, { offset: layout.total.offset, bytes: layout.numCells * 8 });
    return { fd, indptr: new Int32Array(indptr.buffer), total: new Float64Array(total.buffer) };
  } catch (error) {
    closeSync(fd);
    throw unreadable(layout, undefined, error);
  }
}

function guard<T>(layout: ShardLayout, cell: number | undefined, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw unreadable(layout, cell, cause);
  }
}

function unreadable(layout: ShardLayout, cell: number | undefined, cause: unknown): DataError {
  const found = `cannot be read: ${(cause as NodeJS.ErrnoException).code ?? (cause as Error).message}`;
  return new DataError({ file: layout.file, key: cell === undefined ? undefined : `cell ${cell}`, found, hint: 'the shard is damaged or gone: build the corpus again', cause });
}

function bytesOf(array: Int32Array | Float64Array | CellValues): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
