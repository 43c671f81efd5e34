import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { STORED_BYTES, type DatasetStorage, type StoredFilter, type StoredType } from './dataset-storage.js';

/**
 * Finds where an HDF5 file keeps the numbers of a dataset, so that they can be read past the library (docs/adr/0009). Knows what h5py and
 * PyTables write unless told otherwise: contiguous or chunked layouts of version 3, chunks under a B-tree of version 1, shuffle and gzip. Whatever else it meets, or whatever does not add up, is the library's: the answer is undefined, never a guess.
 * Names and numbers are those of the HDF5 File Format Specification, version 3.0.
 */

const UNDEFINED_ADDRESS = 0xffff_ffff_ffff_ffffn;
const MESSAGE = { dataspace: 0x01, datatype: 0x03, externalFiles: 0x07, layout: 0x08, filters: 0x0b, continuation: 0x10 };
const SHARED = 0b10;
const FILTER_ID = { gzip: 1, shuffle: 2, lzf: 32000 };
const TYPE = { variableLength: 9 };
/** A text of variable length as it lies in a file: its length, and where its bytes are. */
export const TEXT_REFERENCE_BYTES = 16;
const LARGEST_HEADER = 1 << 20;
/** A node of 64 entries, as the library makes them by default; larger ones are read in a second step. */
const USUAL_NODE = 24 + 64 * 32 + 24;
/** Packed chunks are held in memory as a whole. */
const LARGEST_CHUNK = 1 << 28;

/** Something is not as expected: the library may know better. */
class Unknown extends Error {}

function expect(isAsExpected: boolean): void {
  if (!isAsExpected) throw new Unknown();
}

/**
 * @param address of the dataset's object header
 * @param numElements as the library counts them
 */
export function findStorage(path: string, address: number, numElements: number): DatasetStorage | undefined {
  return findIn(path, (file) => storageAt(path, file, address, numElements));
}

function findIn<T>(path: string, find: (file: Bytes) => T): T | undefined {
  const fd = openSync(path, 'r');
  try {
    return find(new Bytes(fd));
  } catch (error) {
    if (error instanceof Unknown || error instanceof RangeError) return undefined;
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Chunks of references to texts of variable length, packed with lzf where that makes them smaller. */
export interface PackedTexts {
  readonly path: string;
  readonly numElements: number;
  readonly pieceElements: number;
  /** [P] from the start of the file, and bytes as stored. */
  readonly offsets: Float64Array;
  readonly bytes: Float64Array;
}

/** As findStorage, for texts of variable length behind lzf, which the library's plugin cannot unpack. */
export function findPackedTexts(path: string, address: number, numElements: number): PackedTexts | undefined {
  return findIn(path, (file) => {
    const only = onlyMessages(file, address, numElements);
    const type = only(MESSAGE.datatype);
    expect((type[0]! & 0x0f) === TYPE.variableLength && (type[1]! & 0x0f) === 1 && type.readUInt32LE(4) === TEXT_REFERENCE_BYTES);
    const filters = only(MESSAGE.filters);
    expect(filters[1] === 1 && filters.readUInt16LE(filters[0] === 1 ? 8 : 2) === FILTER_ID.lzf);
    const { pieceElements, root } = chunkedLayout(only(MESSAGE.layout), TEXT_REFERENCE_BYTES);
    const chunks = new ChunkTable(file, numElements, pieceElements, undefined, pieceElements * TEXT_REFERENCE_BYTES);
    chunks.addNode(root, undefined);
    return { path, numElements, pieceElements, ...chunks.whole() };
  });
}

/** Bytes of a file. */
export function fileSize(path: string): number {
  const fd = openSync(path, 'r');
  try {
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}

/** Whether the bytes of a dataset are said to be in files beside this one; false where its header is none this code can read. */
export function isStoredElsewhere(path: string, address: number): boolean {
  return (
    findIn(path, (file) => {
      checkSuperblock(file);
      return readMessages(file, address).some(({ type }) => type === MESSAGE.externalFiles);
    }) ?? false
  );
}

/** Ranges of a file. */
class Bytes {
  readonly size: number;

  constructor(private readonly fd: number) {
    this.size = fstatSync(fd).size;
  }

  /** Exactly these bytes, or `atLeast` of them where the file ends. */
  read(offset: number, length: number, atLeast = length): Buffer {
    expect(Number.isSafeInteger(offset) && offset >= 0 && offset + atLeast <= this.size && length <= LARGEST_HEADER);
    const buffer = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const n = readSync(this.fd, buffer, done, length - done, offset + done);
      if (n === 0) break;
      done += n;
    }
    expect(done >= atLeast);
    return buffer.subarray(0, done);
  }
}

/** The messages of a dataset of one dimension, each of which it has once. */
function onlyMessages(file: Bytes, address: number, numElements: number): { (type: number): Buffer; has(type: number): boolean } {
  checkSuperblock(file);
  const messages = readMessages(file, address);
  const only = (type: number): Buffer => {
    const found = messages.filter((message) => message.type === type);
    expect(found.length === 1 && (found[0]!.flags & SHARED) === 0);
    return found[0]!.data;
  };
  const has = (type: number): boolean => messages.some((message) => message.type === type);
  expect(!has(MESSAGE.externalFiles));
  checkDataspace(only(MESSAGE.dataspace), numElements);
  return Object.assign(only, { has });
}

function chunkedLayout(layout: Buffer, elementBytes: number): { pieceElements: number; root: number } {
  expect(layout[0] === 3 && layout[1] === 2 && layout[2] === 2); // chunked; one dimension and, as the format counts, the element
  const pieceElements = layout.readUInt32LE(11);
  expect(pieceElements > 0 && layout.readUInt32LE(15) === elementBytes && pieceElements * elementBytes <= LARGEST_CHUNK);
  return { pieceElements, root: safe(layout.readBigUInt64LE(3)) };
}

function storageAt(path: string, file: Bytes, address: number, numElements: number): DatasetStorage {
  const only = onlyMessages(file, address, numElements);
  const type = parseType(only(MESSAGE.datatype));
  const filters = only.has(MESSAGE.filters) ? parseFilters(only(MESSAGE.filters), STORED_BYTES[type]) : [];
  const layout = only(MESSAGE.layout);
  expect(layout[0] === 3);
  if (layout[1] === 1) {
    const [offset, bytes] = [safe(layout.readBigUInt64LE(2)), safe(layout.readBigUInt64LE(10))];
    expect(filters.length === 0 && bytes === numElements * STORED_BYTES[type] && offset + bytes <= file.size);
    return { path, type, numElements, pieceElements: Math.max(1, numElements), filters, offsets: shared([offset]), bytes: shared([bytes]) };
  }
  const { pieceElements, root } = chunkedLayout(layout, STORED_BYTES[type]);
  const chunks = new ChunkTable(file, numElements, pieceElements, filters.length > 0 ? undefined : pieceElements * STORED_BYTES[type]);
  chunks.addNode(root, undefined);
  return { path, type, numElements, pieceElements, filters, ...chunks.whole() };
}

function checkSuperblock(file: Bytes): void {
  const head = file.read(0, 16);
  expect(head.toString('latin1', 1, 4) === 'HDF'); // a user block before it would shift every address
  const version = head[8]!;
  const sizes = version < 2 ? [head[13], head[14]] : [head[9], head[10]];
  expect(version <= 3 && sizes.every((size) => size === 8));
}

interface HeaderMessage {
  readonly type: number;
  readonly flags: number;
  readonly data: Buffer;
}

/** All messages of an object header, in its first block and those it goes on in. The library has read it before: its checksums hold. */
function readMessages(file: Bytes, address: number): HeaderMessage[] {
  const prefix = file.read(address, 64, 16);
  return prefix.toString('latin1', 0, 4) === 'OHDR' ? readLateHeader(file, address, prefix) : readEarlyHeader(file, address, prefix);
}

/** Version 1. */
function readEarlyHeader(file: Bytes, address: number, prefix: Buffer): HeaderMessage[] {
  expect(prefix[0] === 1);
  const numMessages = prefix.readUInt16LE(2);
  const messages: HeaderMessage[] = [];
  const blocks: [offset: number, length: number][] = [[address + 16, prefix.readUInt32LE(8)]];
  for (let block = blocks.shift(); block && messages.length < numMessages; block = blocks.shift()) {
    const bytes = file.read(...block);
    for (let at = 0; at + 8 <= bytes.length && messages.length < numMessages;) {
      const [type, size, flags] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2), bytes[at + 4]!];
      expect(at + 8 + size <= bytes.length);
      const data = bytes.subarray(at + 8, at + 8 + size);
      messages.push({ type, flags, data });
      if (type === MESSAGE.continuation) blocks.push(blockOf(data));
      at += 8 + size;
    }
  }
  expect(messages.length === numMessages);
  return messages;
}

/** Version 2: no count; each block ends with a checksum, and may have a gap before it that holds no message. */
function readLateHeader(file: Bytes, address: number, prefix: Buffer): HeaderMessage[] {
  expect(prefix[4] === 2);
  const flags = prefix[5]!;
  const sizeAt = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
  const sizeBytes = 1 << (flags & 3);
  expect(sizeBytes <= 4);
  const headBytes = 4 + (flags & 0x04 ? 2 : 0);
  const messages: HeaderMessage[] = [];
  const blocks: [offset: number, length: number][] = [[address + sizeAt + sizeBytes, prefix.readUIntLE(sizeAt, sizeBytes)]];
  let numBlocks = 0;
  for (let block = blocks.shift(); block; block = blocks.shift()) {
    expect(++numBlocks < 64);
    const bytes = file.read(...block);
    for (let at = 0; at + headBytes <= bytes.length;) {
      const [type, size] = [bytes[at]!, bytes.readUInt16LE(at + 1)];
      expect(at + headBytes + size <= bytes.length);
      const data = bytes.subarray(at + headBytes, at + headBytes + size);
      messages.push({ type, flags: bytes[at + 3]!, data });
      if (type === MESSAGE.continuation) {
        const [offset, length] = blockOf(data);
        blocks.push([offset + 4, length - 8]); // between its signature and its checksum
      }
      at += headBytes + size;
    }
  }
  return messages;
}

function blockOf(continuation: Buffer): [offset: number, length: number] {
  return [safe(continuation.readBigUInt64LE(0)), safe(continuation.readBigUInt64LE(8))];
}

function checkDataspace(message: Buffer, numElements: number): void {
  const [version, rank] = [message[0], message[1]];
  expect((version === 1 || version === 2) && rank === 1 && safe(message.readBigUInt64LE(version === 1 ? 8 : 4)) === numElements && numElements > 0);
}

/** Floats of IEEE 754 and integers without padding, both little-endian. */
function parseType(message: Buffer): StoredType {
  const kind = message[0]! & 0x0f;
  const [bits0, bits1] = [message[1]!, message[2]!];
  const size = message.readUInt32LE(4);
  const bits = size * 8;
  expect((bits0 & 1) === 0 && message.readUInt16LE(8) === 0 && message.readUInt16LE(10) === bits);
  if (kind === 0) {
    expect([1, 2, 4, 8].includes(size));
    return `${(bits0 & 0b1000) === 0 ? 'u' : ''}int${bits}` as StoredType;
  }
  const [exponentAt, exponentBits, mantissaAt, mantissaBits] = message.subarray(12, 16) as unknown as [number, number, number, number];
  const bias = message.readUInt32LE(16);
  const isIeee = (bits0 & 0x40) === 0 && (bits0 & 0x30) === 0x20 && bits1 === bits - 1 && mantissaAt === 0 && exponentAt === mantissaBits;
  expect(kind === 1 && isIeee);
  if (size === 4 && exponentBits === 8 && mantissaBits === 23 && bias === 127) return 'float32';
  expect(size === 8 && exponentBits === 11 && mantissaBits === 52 && bias === 1023);
  return 'float64';
}

function parseFilters(message: Buffer, elementBytes: number): StoredFilter[] {
  const [version, count] = [message[0]!, message[1]!];
  expect(version === 1 || version === 2);
  const filters: StoredFilter[] = [];
  let at = version === 1 ? 8 : 2;
  for (let i = 0; i < count; i++) {
    const id = message.readUInt16LE(at);
    expect(id === FILTER_ID.gzip || id === FILTER_ID.shuffle);
    // Version 2 leaves the name of such well-known filters out.
    const nameBytes = version === 1 ? message.readUInt16LE(at + 2) : 0;
    at += version === 1 ? 4 : 2;
    const numValues = message.readUInt16LE(at + 2);
    at += 4 + Math.ceil(nameBytes / 8) * 8;
    if (id === FILTER_ID.shuffle) expect(numValues === 1 && message.readUInt32LE(at) === elementBytes);
    at += 4 * numValues + (version === 1 && numValues % 2 === 1 ? 4 : 0);
    filters.push(id === FILTER_ID.gzip ? 'gzip' : 'shuffle');
  }
  expect(['', 'gzip', 'shuffle,gzip'].includes(filters.join()));
  return filters;
}

/** Where each chunk lies, collected from the leaves of the tree in their order. */
class ChunkTable {
  private readonly offsets: Float64Array;
  private readonly bytes: Float64Array;
  private count = 0;

  /**
   * @param chunkBytes what every chunk takes; undefined where they are packed
   * @param bareBytes what a chunk takes that was not packed among others that are; undefined where there is to be none
   */
  constructor(
    private readonly file: Bytes,
    numElements: number,
    private readonly pieceElements: number,
    private readonly chunkBytes: number | undefined,
    private readonly bareBytes?: number,
  ) {
    const numPieces = Math.ceil(numElements / pieceElements);
    expect(numPieces * 24 <= file.size); // a leaf entry takes more
    this.offsets = new Float64Array(new SharedArrayBuffer(numPieces * 8));
    this.bytes = new Float64Array(new SharedArrayBuffer(numPieces * 8));
  }

  /** @param level it must have; undefined for the root, which tells its own */
  addNode(address: number, level: number | undefined): void {
    let node = this.file.read(address, USUAL_NODE, 24);
    expect(node.toString('latin1', 0, 4) === 'TREE' && node[4] === 1 && (level === undefined || node[5] === level));
    const its = node[5]!;
    const numEntries = node.readUInt16LE(6);
    const needed = 24 + numEntries * 32;
    if (node.length < needed) node = this.file.read(address, needed);
    expect(numEntries > 0);
    for (let at = 24; at < needed; at += 32) {
      const child = safe(node.readBigUInt64LE(at + 24));
      if (its > 0) this.addNode(child, its - 1);
      else this.addChunk(node, at, child);
    }
  }

  private addChunk(node: Buffer, at: number, address: number): void {
    const bytes = node.readUInt32LE(at);
    const isUnfiltered = node.readUInt32LE(at + 4) !== 0; // a bit for each filter that was left out for this chunk
    // Every chunk must be there: what is missing reads as the fill value, which the library knows.
    expect(
      (!isUnfiltered || bytes === this.bareBytes) &&
        this.count < this.offsets.length &&
        safe(node.readBigUInt64LE(at + 8)) === this.count * this.pieceElements &&
        node.readBigUInt64LE(at + 16) === 0n,
    );
    expect((this.chunkBytes === undefined ? bytes > 0 && bytes <= LARGEST_CHUNK : bytes === this.chunkBytes) && address + bytes <= this.file.size);
    this.offsets[this.count] = address;
    this.bytes[this.count++] = bytes;
  }

  whole(): Pick<DatasetStorage, 'offsets' | 'bytes'> {
    expect(this.count === this.offsets.length);
    return { offsets: this.offsets, bytes: this.bytes };
  }
}

function shared(values: readonly number[]): Float64Array {
  const array = new Float64Array(new SharedArrayBuffer(values.length * 8));
  array.set(values);
  return array;
}

/** An address or size. */
function safe(value: bigint): number {
  expect(value !== UNDEFINED_ADDRESS && value <= BigInt(Number.MAX_SAFE_INTEGER));
  return Number(value);
}
