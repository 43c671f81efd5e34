import { readSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { STORED_BYTES, type DatasetStorage } from './dataset-storage.js';
import { wideIntegers, type NumberArray } from './hdf5-decode.js';

/** The bytes are not what the table of contents promised: a packed chunk that does not unpack, a file that became shorter. */
export class StorageMismatch extends Error {}

/** Reads ranges of one dataset from where they lie. The chunk that was unpacked last is kept: the next range often begins in it. */
export class StoredElements {
  private readonly elementBytes: number;
  private unpacked: Uint8Array = new Uint8Array();
  private unpackedIndex = -1;
  private packed: Uint8Array = new Uint8Array();

  constructor(
    private readonly storage: DatasetStorage,
    private readonly fd: () => number,
  ) {
    this.elementBytes = STORED_BYTES[storage.type];
  }

  /** Elements [start, end), 64-bit integers as doubles. @throws StorageMismatch, or what the operating system refuses with */
  numbers(start: number, end: number): NumberArray {
    const bytes = new Uint8Array((end - start) * this.elementBytes);
    this.readInto(bytes, start, end);
    return decode(bytes, this.storage);
  }

  /** The same as stored, to the front of `target`. */
  readInto(target: Uint8Array, start: number, end: number): void {
    const { pieceElements, filters, offsets, numElements } = this.storage;
    if (!(start >= 0 && start <= end && end <= numElements)) throw new RangeError(`elements ${start} to ${end} of ${numElements}`);
    for (let from = start; from < end;) {
      const piece = Math.floor(from / pieceElements);
      const within = (from - piece * pieceElements) * this.elementBytes;
      const at = (from - start) * this.elementBytes;
      let to = Math.min(end, (piece + 1) * pieceElements);
      if (filters.length > 0) {
        const chunk = this.unpack(piece);
        target.set(chunk.subarray(within, within + (to - from) * this.elementBytes), at);
      } else {
        // Chunks that were written one after the other mostly lie so: one read takes them all.
        const pieceBytes = pieceElements * this.elementBytes;
        for (let next = piece + 1; to < end && offsets[next] === offsets[next - 1]! + pieceBytes; next++) to = Math.min(end, (next + 1) * pieceElements);
        this.readBytes(target.subarray(at, at + (to - from) * this.elementBytes), offsets[piece]! + within);
      }
      from = to;
    }
  }

  private unpack(piece: number): Uint8Array {
    if (piece === this.unpackedIndex) return this.unpacked;
    const { filters, offsets, bytes, pieceElements } = this.storage;
    const numPacked = bytes[piece]!;
    const numUnpacked = pieceElements * this.elementBytes;
    if (this.packed.length < numPacked) this.packed = new Uint8Array(numPacked * 2);
    const packed = this.packed.subarray(0, numPacked);
    this.readBytes(packed, offsets[piece]!);
    // Room for a little more than there should be: too much is noticed, and what fits needs no second buffer.
    const room = numUnpacked + 64;
    let chunk: Uint8Array;
    try {
      chunk = inflateSync(packed, { chunkSize: room, maxOutputLength: room });
    } catch (cause) {
      throw new StorageMismatch(`chunk ${piece} does not unpack`, { cause });
    }
    if (chunk.length !== numUnpacked) throw new StorageMismatch(`chunk ${piece} unpacks to ${chunk.length} bytes, not ${numUnpacked}`);
    this.unpacked = filters.includes('shuffle') ? unshuffled(chunk, this.elementBytes) : chunk;
    this.unpackedIndex = piece;
    return this.unpacked;
  }

  private readBytes(target: Uint8Array, position: number): void {
    for (let done = 0; done < target.length;) {
      const n = readSync(this.fd(), target, done, target.length - done, position + done);
      if (n === 0) throw new StorageMismatch(`the file ends at byte ${position + done}`);
      done += n;
    }
  }
}

/** Puts the bytes of each number together again: first bytes of all come first in the file, then the second bytes of all. */
function unshuffled(bytes: Uint8Array, elementBytes: number): Uint8Array {
  const numElements = bytes.length / elementBytes;
  const elements = new Uint8Array(bytes.length);
  for (let b = 0; b < elementBytes; b++) {
    const plane = b * numElements;
    for (let i = 0, at = b; i < numElements; i++, at += elementBytes) elements[at] = bytes[plane + i]!;
  }
  return elements;
}

function decode({ buffer }: Uint8Array<ArrayBuffer>, { type }: DatasetStorage): NumberArray {
  switch (type) {
    case 'float32':
      return new Float32Array(buffer);
    case 'float64':
      return new Float64Array(buffer);
    case 'int8':
      return new Int8Array(buffer);
    case 'uint8':
      return new Uint8Array(buffer);
    case 'int16':
      return new Int16Array(buffer);
    case 'uint16':
      return new Uint16Array(buffer);
    case 'int32':
      return new Int32Array(buffer);
    case 'uint32':
      return new Uint32Array(buffer);
    case 'int64':
      return wideIntegers(new Uint32Array(buffer), true);
    case 'uint64':
      return wideIntegers(new Uint32Array(buffer), false);
  }
}
