import { open, type FileHandle } from 'node:fs/promises';
import { DataError } from '../../errors.js';

const SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Where an HDF5 file keeps its table of contents. */
export interface Superblock {
  /** Byte offset of the signature: 0, or 512, 1024 … behind a user block. */
  readonly offset: number;
  readonly version: number;
  /** Size the file had when it was closed; undefined where the version is unknown to us and the library must judge. */
  readonly endOfFile?: number;
}

/**
 * Says why a file is not one HDF5 can open, before the library tries: its own refusal names no reason.
 * @throws DataError for a missing, unreadable, empty, foreign, compressed or truncated file
 */
export async function diagnoseHdf5(path: string): Promise<Superblock> {
  const handle = await openForReading(path);
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new DataError({ file: path, found: 'is a folder', expected: 'an .h5ad or 10x .h5 file' });
    if (stat.size === 0) throw new DataError({ file: path, found: 'is empty (0 bytes)', expected: 'an HDF5 file', hint: 'copy or download it again' });
    const offset = await findSignature(handle, stat.size);
    if (offset === undefined) throw await foreignFile(handle, path);
    const superblock = await readSuperblock(handle, offset);
    if (superblock.endOfFile !== undefined && stat.size < superblock.endOfFile) {
      throw new DataError({
        file: path,
        found: `is truncated: ${stat.size} of ${superblock.endOfFile} bytes are there, not a complete HDF5 file`,
        hint: 'copy or download it again',
      });
    }
    return superblock;
  } finally {
    await handle.close();
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new DataError({ file: path, found: 'no such file', cause });
    if (code === 'EACCES' || code === 'EPERM') throw new DataError({ file: path, found: 'cannot be read: permission denied', cause });
    throw new DataError({ file: path, found: `cannot be read (${code})`, cause });
  }
}

async function findSignature(handle: FileHandle, size: number): Promise<number | undefined> {
  for (let offset = 0; offset + SIGNATURE.length <= size; offset = offset === 0 ? 512 : offset * 2) {
    if (SIGNATURE.equals(await readBytes(handle, offset, SIGNATURE.length))) return offset;
  }
  return undefined;
}

async function foreignFile(handle: FileHandle, path: string): Promise<DataError> {
  const head = await readBytes(handle, 0, 16);
  const expected = 'an .h5ad or 10x .h5 file';
  if (head[0] === 0x1f && head[1] === 0x8b)
    return new DataError({ file: path, found: 'is compressed with gzip, not an HDF5 file as it stands', hint: 'unpack it first: gunzip -k FILE' });
  if (head[0] === 0x50 && head[1] === 0x4b) return new DataError({ file: path, found: 'is a zip archive, not an HDF5 file', hint: 'unpack it first' });
  if (SIGNATURE.subarray(0, head.length).equals(head))
    return new DataError({ file: path, found: `is truncated: ${head.length} bytes, not a complete HDF5 file`, hint: 'copy or download it again' });
  const shown = head.toString('latin1').replace(/[^\x20-\x7e]/g, '.');
  return new DataError({ file: path, found: `is not an HDF5 file (it starts with '${shown}')`, expected });
}

async function readSuperblock(handle: FileHandle, offset: number): Promise<Superblock> {
  const head = await readBytes(handle, offset, 64);
  const version = head[8] ?? -1;
  // Layouts of the HDF5 file format specification, III: the end-of-file address is the third address field in every version.
  const addresses = { 0: 24, 1: 28, 2: 12, 3: 12 }[version];
  const addressSize = version < 2 ? head[13] : head[9];
  if (addresses === undefined || addressSize !== 8 || head.length < addresses + 24) return { offset, version };
  return { offset, version, endOfFile: Number(head.readBigUInt64LE(addresses + 16)) };
}

async function readBytes(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
