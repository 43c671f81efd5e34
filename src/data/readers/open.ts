import { stat } from 'node:fs/promises';
import { DataError } from '../../errors.js';
import { checkNames } from './check-names.js';
import { IsolatedStore, type IsolationOptions } from './isolated-store.js';
import { MtxFolder } from './mtx.js';
import { openTree, refusePart } from './open-tree.js';
import type { CellFile } from './reader.js';
import { parseReference } from './reference.js';
import { TableFile } from './table.js';
import { firstBytes } from './text-stream.js';
import { isZarrFolder } from './zarr-folder.js';

const HDF5_SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46]);
const MTX = /\.mtx(\.gz)?$/i;
const TABLE = /\.(csv|tsv|txt|tab)(\.gz)?$/i;

/**
 * Opens cells in any of the formats of docs/formats.md, told apart by what is in the file; only text needs its ending (.mtx, .csv, .tsv).
 * Nothing but names and tables of contents is read yet, save for tables of text. The caller closes it.
 * @param text a path, perhaps with # and a part: see parseReference
 * @throws DataError for a file that is missing, damaged or of another kind
 */
export async function openCellFile(text: string, options: IsolationOptions = {}): Promise<CellFile> {
  const file = await openAny(text, options);
  try {
    const notes = checkNames(file);
    return notes.length > 0 ? (Object.create(file, { notes: { get: () => [...file.notes, ...notes] } }) as CellFile) : file;
  } catch (error) {
    file.close();
    throw error;
  }
}

async function openAny(text: string, options: IsolationOptions): Promise<CellFile> {
  const { path, part } = parseReference(text);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) {
    if (isZarrFolder(path)) return openTree(text, IsolatedStore.open(text, 'zarr', options), part, 'zarr');
    refusePart(text, part);
    return MtxFolder.open(path);
  }
  // Opening a pipe would wait for ever, and a device may have no end.
  if (found && !found.isFile())
    throw new DataError({ file: path, found: 'is neither a file nor a folder', expected: 'an .h5ad file or another of docs/formats.md' });
  const isHdf5 = found !== undefined && HDF5_SIGNATURE.equals(await firstBytes(path, HDF5_SIGNATURE.length));
  if (found !== undefined && found.size > 0 && !isHdf5 && TABLE.test(path)) return TableFile.open(text, path, part);
  if (found !== undefined && found.size > 0 && !isHdf5 && MTX.test(path)) {
    refusePart(text, part);
    return MtxFolder.open(path);
  }
  return openTree(text, IsolatedStore.open(text, 'hdf5', options), part, 'h5ad');
}
