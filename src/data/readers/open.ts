import { DataError } from '../../errors.js';
import { H5adFile } from './h5ad.js';
import { Hdf5File } from './hdf5.js';
import type { CellFile } from './reader.js';
import { TenxFile, tenxLayout } from './tenx.js';

/**
 * Opens a file of cells: AnnData (.h5ad) or 10x (.h5), told apart by what is in it, not by its name. Nothing but names
 * and the table of contents is read yet. The caller closes it.
 * @throws DataError for a file that is missing, damaged or of another kind
 */
export async function openCellFile(path: string): Promise<CellFile> {
  const file = await Hdf5File.open(path);
  try {
    const layout = tenxLayout(file);
    if (layout) return new TenxFile(file, layout);
    // MuData has obs and var of its own above those of its modalities.
    if (file.kind('obs') && file.kind('var') && !file.kind('mod')) return new H5adFile(file);
    throw foreignLayout(file);
  } catch (error) {
    file.close();
    throw error;
  }
}

function foreignLayout(file: Hdf5File): DataError {
  const parts = file.keys('/');
  const holds = `holds ${parts.slice(0, 8).join(', ') || 'nothing'}`;
  if (parts.includes('mod')) return new DataError({ file: file.path, found: `is a MuData file of ${file.keys('mod').join(', ')}`, expected: 'one modality', hint: "in Python: mudata.read(FILE)['rna'].write_h5ad(NEW)" });
  if (parts.includes('row_attrs') && parts.includes('col_attrs')) return new DataError({ file: file.path, found: 'is a loom file', expected: '.h5ad or 10x .h5', hint: 'in Python: anndata.io.read_loom(FILE).write_h5ad(NEW)' });
  const missing = ['obs', 'var'].filter((part) => !parts.includes(part));
  return new DataError({ file: file.path, found: `is HDF5 but neither AnnData nor 10x: it ${holds} and has no ${missing.join(' and no ')}`, expected: 'an .h5ad or 10x .h5 file' });
}
