import { readFileSync, writeFileSync } from 'node:fs';

const STORAGE = new URL('../fixtures/h5ad-storage/storage.h5ad', import.meta.url).pathname;
/** How the file says that a dataset is packed with lzf: filter 32000, the length of its name, flags, number of parameters, name. */
const LZF = Buffer.from([0x00, 0x7d, 8, 0, 1, 0, 3, 0, ...Buffer.from('lzf\0')]);

/** The fixture of storages with one layer, `layers/lzf`, marked as packed with zfp (32013), which nothing here unpacks. */
export function writeWithUnknownFilter(path: string): void {
  const bytes = readFileSync(STORAGE);
  const at = bytes.indexOf(LZF);
  if (at < 0) throw new Error('the fixture holds no dataset packed with lzf');
  bytes.writeUInt16LE(32013, at);
  writeFileSync(path, bytes);
}
