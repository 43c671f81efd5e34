import { checkNames } from '../data/readers/check-names.js';
import { Hdf5File } from '../data/readers/hdf5.js';
import { openTree } from '../data/readers/open-tree.js';
import type { CellFile } from '../data/readers/reader.js';
import { parseReference } from '../data/readers/reference.js';

/** Takes the place of the module of this name in src/data/readers: HDF5 files alone, and in the thread that asks, which is a worker already. */
export async function openCellFile(text: string): Promise<CellFile> {
  const { path, part } = parseReference(text);
  const file = openTree(text, await Hdf5File.open(path), part, 'h5ad');
  try {
    checkNames(file);
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}
