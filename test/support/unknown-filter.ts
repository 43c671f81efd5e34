import { readFileSync, writeFileSync } from 'node:fs';

const STORAGE = new URL('../fixtures/h5ad-storage/storage.h5ad', import.meta.url).pathname;
/** How the file says that a dataset is packed with lzf: filter 32000, the length of its name, flags, number of parameters, name. */
const LZF = Buffer.from([0x00, 0x7d, 8, 0, 1, 0, 3, 0, ...Buffer.from('lzf\0')]);

/** Behind the name, padded to eight bytes, lie the parameters: two versions and the size of a chunk. */
const CHUNK_SIZE = 24;

/** The fixture of storages with one layer, `layers/lzf`, marked as packed with zfp (32013), which nothing here unpacks. */
export function writeWithUnknownFilter(path: string): void {
  writeChanged(path, (bytes, at) => bytes.writeUInt16LE(32013, at));
}

/** The same fixture, with a size for `layers/lzf` that is too small to unpack it into: what unpacks it ends the library. */
export function writeWithSmallBuffer(path: string): void {
  writeChanged(path, (bytes, at) => bytes.writeUInt32LE(4, at + CHUNK_SIZE));
}

function writeChanged(path: string, change: (bytes: Buffer, at: number) => void): void {
  const bytes = readFileSync(STORAGE);
  const at = bytes.indexOf(LZF);
  if (at < 0) throw new Error('the fixture holds no dataset packed with lzf');
  change(bytes, at);
  writeFileSync(path, bytes);
}
