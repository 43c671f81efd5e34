import { open, type FileHandle } from 'node:fs/promises';
import type { Superblock } from '../readers/hdf5-diagnosis.js';

/**
 * Two things the HDF5 library can do and its WebAssembly port cannot, done on the closed file: taking names away, and
 * booleans. Byte layouts follow the HDF5 file format specification, version 3.0 (sections II, III and IV).
 */

/** Addresses of objects, as the 8 bytes of an object reference hold them: relative to the superblock. */
export interface Hdf5Patch {
  /** The group that becomes the root: what only the old root leads to is no longer part of the file. Undefined: it stays. */
  readonly root?: number;
  /** Datasets of records of one signed byte named `boolean`, which become booleans as Python's h5py stores them. */
  readonly booleans: readonly number[];
}

/** The record type that `restateAsBoolean` expects: its description is longer than that of an enumeration, so there is room. */
export const BOOLEAN_RECORD: [string, string][] = [['boolean', '<b']];

export async function patchHdf5(path: string, superblock: Superblock, { root, booleans }: Hdf5Patch): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    for (const address of booleans) await restateAsBoolean(handle, superblock.offset + address);
    if (root !== undefined) await setRoot(handle, superblock, root);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function setRoot(handle: FileHandle, { offset, version }: Superblock, root: number): Promise<void> {
  const block = await readBytes(handle, offset, 100);
  if (version <= 1) {
    // Symbol table entry of the root: name offset (8), header address (8), cache type (4), reserved (4), scratch (16).
    const entry = version === 0 ? 56 : 60;
    block.writeBigUInt64LE(BigInt(root), entry + 8);
    // Nothing cached: the scratch space describes the old root's table.
    block.fill(0, entry + 16, entry + 40);
    await handle.write(block, 0, entry + 40, offset);
    return;
  }
  block.writeBigUInt64LE(BigInt(root), 36);
  block.writeUInt32LE(lookup3(block.subarray(0, 44)), 44);
  await handle.write(block, 0, 48, offset);
}

/** Message types of object headers. */
const DATATYPE = 3;

/** An enumeration of FALSE = 0 and TRUE = 1 over signed bytes, as a datatype message of version 1. */
const BOOLEAN_TYPE = Buffer.from([
  ...[0x18, 2, 0, 0, 1, 0, 0, 0], // class 8, version 1; two members; one byte
  ...[0x10, 0x08, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0], // base type: signed integer of 8 bits
  ...Buffer.from('FALSE\0\0\0TRUE\0\0\0\0'),
  ...[0, 1],
]);

/** Overwrites the datatype in the (version 1) object header at `address`. */
async function restateAsBoolean(handle: FileHandle, address: number): Promise<void> {
  const header = await readBytes(handle, address, 512);
  const end = 16 + header.readUInt32LE(8);
  for (let at = 16; header[0] === 1 && at + 8 <= Math.min(end, header.length);) {
    const size = header.readUInt16LE(at + 2);
    if (header.readUInt16LE(at) === DATATYPE && size >= BOOLEAN_TYPE.length) {
      const message = Buffer.alloc(size);
      BOOLEAN_TYPE.copy(message);
      await handle.write(message, 0, size, address + at + 8);
      return;
    }
    at += 8 + size;
  }
  throw new Error(`no datatype message of version 1 in the object header at ${address}`);
}

async function readBytes(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** Bob Jenkins' lookup3 (hashlittle, initial value 0), the checksum of HDF5 metadata. */
export function lookup3(bytes: Uint8Array): number {
  let a = (0xdeadbeef + bytes.length) | 0;
  let [b, c] = [a, a];
  const rotate = (x: number, k: number) => (x << k) | (x >>> (32 - k));
  const word = (at: number) => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
  let at = 0;
  for (; bytes.length - at > 12; at += 12) {
    a = (a + word(at)) | 0;
    b = (b + word(at + 4)) | 0;
    c = (c + word(at + 8)) | 0;
    a = ((a - c) | 0) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (bytes.length === 0) return c >>> 0;
  a = (a + word(at)) | 0;
  b = (b + word(at + 4)) | 0;
  c = (c + word(at + 8)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}
