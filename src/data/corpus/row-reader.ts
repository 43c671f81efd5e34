import { closeSync, openSync, readSync } from 'node:fs';
import { DataError } from '../../errors.js';
import type { CellValues, GeneIds, RawCell } from '../loader/depth.js';
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
  private ids = new RowBuffer(4096);
  private values = new RowBuffer(4096);

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
    const index = this.indexOf(row);
    const layout = this.layouts[index]!;
    const local = row - this.firstRow[index]!;
    try {
      const shard = this.openShard(index, layout);
      const start = this.rowStart(layout, shard, local);
      const n = this.bounds[1]! - start;
      const geneIds = this.ids.read(shard.fd, layout.idType, layout.geneIds.offset, start, n) as GeneIds;
      const values = this.values.read(shard.fd, layout.valueType, layout.values.offset, start, n) as CellValues;
      if (shard.total) return { geneIds, values, total: shard.total[local]! };
      readInto(shard.fd, bytesOf(this.total), layout.total.offset + local * 8);
      return { geneIds, values, total: this.total[0]! };
    } catch (cause) {
      throw unreadable(layout, local, cause);
    }
  }

  /** Stored genes of a row, without reading them. */
  numGenes(row: number): number {
    const index = this.indexOf(row);
    const layout = this.layouts[index]!;
    const local = row - this.firstRow[index]!;
    try {
      const start = this.rowStart(layout, this.openShard(index, layout), local);
      return this.bounds[1]! - start;
    } catch (cause) {
      throw unreadable(layout, local, cause);
    }
  }

  close(): void {
    for (const { fd } of this.open.values()) closeSync(fd);
    this.open.clear();
  }

  /** Fills `bounds` with the places of the row's first value and of the next row's. @returns the first */
  private rowStart(layout: ShardLayout, { fd, indptr }: OpenShard, local: number): number {
    const { bounds } = this;
    if (indptr) {
      bounds[0] = indptr[local]!;
      bounds[1] = indptr[local + 1]!;
    } else {
      readInto(fd, bytesOf(bounds), layout.indptr.offset + local * 4);
    }
    return bounds[0]!;
  }

  private indexOf(row: number): number {
    if (!(row >= 0 && row < this.numCells)) throw new RangeError(`row ${row} of a corpus of ${this.numCells} cells`);
    let low = 0;
    let high = this.layouts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.firstRow[middle]! <= row) low = middle;
      else high = middle;
    }
    return low;
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
}

/** A buffer that one column of one row after the other is read into, whatever the type of its elements. */
class RowBuffer {
  private bytes!: Uint8Array;
  private wide!: Int32Array;
  private narrow!: Uint16Array;
  private floats!: Float32Array;

  constructor(capacity: number) {
    this.allocate(capacity);
  }

  /** Elements [start, start + n) of the column whose first element lies at `offset`. */
  read(fd: number, type: 'uint16' | 'int32' | 'float32', offset: number, start: number, n: number): Uint16Array | Int32Array | Float32Array {
    if (n > this.wide.length) this.allocate(n * 2);
    const size = type === 'uint16' ? 2 : 4;
    const length = n * size;
    const position = offset + start * size;
    for (let done = 0; done < length;) {
      const got = readSync(fd, this.bytes, done, length - done, position + done);
      if (got === 0) throw new RangeError(`the file ends at byte ${position + done}`);
      done += got;
    }
    return type === 'uint16' ? this.narrow.subarray(0, n) : type === 'int32' ? this.wide.subarray(0, n) : this.floats.subarray(0, n);
  }

  private allocate(capacity: number): void {
    const buffer = new ArrayBuffer(capacity * 4);
    this.bytes = new Uint8Array(buffer);
    this.wide = new Int32Array(buffer);
    this.narrow = new Uint16Array(buffer);
    this.floats = new Float32Array(buffer);
  }
}

function openShardFile(layout: ShardLayout, withIndex: boolean): OpenShard {
  const fd = openSync(layout.file, 'r');
  if (!withIndex) return { fd };
  try {
    const indptr = readRegion(fd, { offset: layout.indptr.offset, bytes: (layout.numCells + 1) * 4 });
    const total = readRegion(fd, { offset: layout.total.offset, bytes: layout.numCells * 8 });
    return { fd, indptr: new Int32Array(indptr.buffer), total: new Float64Array(total.buffer) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function unreadable(layout: ShardLayout, cell: number | undefined, cause: unknown): DataError {
  const found = `cannot be read: ${(cause as NodeJS.ErrnoException).code ?? (cause as Error).message}`;
  return new DataError({
    file: layout.file,
    key: cell === undefined ? undefined : `cell ${cell}`,
    found,
    hint: 'the shard is damaged or gone: build the corpus again',
    cause,
  });
}

function bytesOf(array: Int32Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
