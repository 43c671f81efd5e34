import { closeSync, openSync, readSync } from 'node:fs';
import { decodeText } from './hdf5-decode.js';
import { TEXT_REFERENCE_BYTES, type PackedTexts } from './hdf5-storage.js';

/**
 * Texts of variable length whose references h5py packed with lzf, as anndata's `compression='lzf'` does with every name. The library's plugin
 * cannot unpack them: it takes the size of a chunk from where h5py writes it for all other types, and leaves it out for these. So the chunks
 * are unpacked here, and the texts fetched from the heaps that they point to (HDF5 File Format Specification 3.0, III.E).
 */

const LARGEST_HEAP = 1 << 28;

/** A heap of texts by their number. */
type Heap = ReadonlyMap<number, Buffer>;

/** @returns undefined where anything is not as it should be */
export function readPackedTexts(storage: PackedTexts): string[] | undefined {
  const fd = openSync(storage.path, 'r');
  try {
    return textsOf(storage, fd);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  } finally {
    closeSync(fd);
  }
}

function textsOf({ numElements, pieceElements, offsets, bytes }: PackedTexts, fd: number): string[] {
  const heaps = new Map<number, Heap>();
  const texts: string[] = [];
  const chunkBytes = pieceElements * TEXT_REFERENCE_BYTES;
  offsets.forEach((offset, piece) => {
    const stored = read(fd, offset, bytes[piece]!);
    const references = stored.length === chunkBytes ? stored : unpackLzf(stored, chunkBytes);
    for (let at = 0; at < chunkBytes && texts.length < numElements; at += TEXT_REFERENCE_BYTES) texts.push(textAt(references, at, fd, heaps));
  });
  return texts;
}

function textAt(references: Buffer, at: number, fd: number, heaps: Map<number, Heap>): string {
  const length = references.readUInt32LE(at);
  if (length === 0) return '';
  const address = Number(references.readBigUInt64LE(at + 4));
  let heap = heaps.get(address);
  if (!heap) heaps.set(address, (heap = readHeap(fd, address)));
  const object = heap.get(references.readUInt32LE(at + 12));
  if (!object || object.length < length) throw new RangeError('no such text');
  const text = object.subarray(0, length);
  const end = text.indexOf(0);
  return decodeText(end < 0 ? text : text.subarray(0, end));
}

function readHeap(fd: number, address: number): Heap {
  const prefix = 16;
  const head = read(fd, address, prefix);
  const size = Number(head.readBigUInt64LE(8));
  if (head.toString('latin1', 0, 4) !== 'GCOL' || head[4] !== 1 || size > LARGEST_HEAP) throw new RangeError('no heap');
  const bytes = read(fd, address, size);
  const heap = new Map<number, Buffer>();
  for (let at = prefix; at + 16 <= size;) {
    const index = bytes.readUInt16LE(at);
    if (index === 0) break; // the room that is left
    const length = Number(bytes.readBigUInt64LE(at + 8));
    if (at + 16 + length > size) throw new RangeError('a text is longer than its heap');
    heap.set(index, bytes.subarray(at + 16, at + 16 + length));
    at += 16 + Math.ceil(length / 8) * 8;
  }
  return heap;
}

/** LZF: runs of up to 32 bytes as they are, and copies of 3 to 264 bytes from up to 8,192 before. @throws RangeError where that does not give `size` bytes */
export function unpackLzf(packed: Uint8Array, size: number): Buffer {
  const out = Buffer.alloc(size);
  let [from, to] = [0, 0];
  const need = (isThere: boolean): void => {
    if (!isThere) throw new RangeError('damaged');
  };
  while (from < packed.length) {
    const control = packed[from++]!;
    if (control < 32) {
      const length = control + 1;
      need(from + length <= packed.length && to + length <= size);
      out.set(packed.subarray(from, from + length), to);
      from += length;
      to += length;
      continue;
    }
    let length = control >> 5;
    if (length === 7) length += packed[from++] ?? NaN;
    let source = to - ((control & 0x1f) << 8) - 1 - (packed[from++] ?? NaN);
    need(source >= 0 && to + length + 2 <= size);
    for (let left = length + 2; left > 0; left--) out[to++] = out[source++]!;
  }
  need(to === size);
  return out;
}

function read(fd: number, offset: number, length: number): Buffer {
  if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && length <= LARGEST_HEAP)) throw new RangeError('no place in a file');
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const n = readSync(fd, buffer, done, length - done, offset + done);
    if (n === 0) throw new RangeError('the file ends');
    done += n;
  }
  return buffer;
}
