import { stat } from 'node:fs/promises';
import { DataError } from '../../errors.js';
import { AnnDataFile } from './anndata.js';
import { Subtree } from './array-store.js';
import { checkNames } from './check-names.js';
import { IsolatedStore, type IsolationOptions } from './isolated-store.js';
import { LoomFile } from './loom.js';
import { MtxFolder } from './mtx.js';
import type { CellFile } from './reader.js';
import { parseReference } from './reference.js';
import { TableFile } from './table.js';
import { TenxFile, tenxLayout } from './tenx.js';
import { firstBytes } from './text-stream.js';
import { isZarrFolder } from './zarr-folder.js';

const HDF5_SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46]);
const MTX = /\.mtx(\.gz)?$/i;
const TABLE = /\.(csv|tsv|txt|tab)(\.gz)?$/i;
/** The modality of a MuData file that holds expression, as muon and scanpy call it. */
const EXPRESSION_MODALITY = 'rna';

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
  const isHdf5 = found !== undefined && HDF5_SIGNATURE.equals(await firstBytes(path, HDF5_SIGNATURE.length));
  if (found !== undefined && found.size > 0 && !isHdf5 && TABLE.test(path)) return TableFile.open(text, path, part);
  if (found !== undefined && found.size > 0 && !isHdf5 && MTX.test(path)) {
    refusePart(text, part);
    return MtxFolder.open(path);
  }
  return openTree(text, IsolatedStore.open(text, 'hdf5', options), part, 'h5ad');
}

/** What is in a tree of arrays, by the names at its root. */
function openTree(text: string, store: IsolatedStore, part: string | undefined, format: 'h5ad' | 'zarr'): CellFile {
  try {
    // MuData has obs and var of its own above those of its modalities.
    if (store.kind('mod') === 'group') return openModality(store, part, format);
    const layout = tenxLayout(store, part);
    if (layout) return new TenxFile(store, layout);
    refusePart(text, part);
    if (store.kind('obs') && store.kind('var')) return new AnnDataFile(store, format);
    if (store.kind('matrix') === 'dataset' && store.kind('row_attrs') === 'group' && store.kind('col_attrs') === 'group') return new LoomFile(store);
    throw foreignLayout(store);
  } catch (error) {
    store.close();
    throw error;
  }
}

function openModality(store: IsolatedStore, part: string | undefined, format: 'h5ad' | 'zarr'): CellFile {
  const modalities = store.keys('mod');
  const name = part ?? EXPRESSION_MODALITY;
  if (!modalities.includes(name)) {
    throw new DataError({ file: store.path, found: `is a MuData file without a modality '${name}'`, expected: `one of ${modalities.join(', ') || '(it has none)'}`, hint: `name the one that holds expression: '${parseReference(store.path).path}#${modalities[0] ?? 'rna'}'` });
  }
  const others = modalities.filter((modality) => modality !== name);
  return new AnnDataFile(new Subtree(store, `mod/${name}`), format === 'h5ad' ? 'h5mu' : 'zarr', others.length > 0 ? [`reads the modality ${name}; left out: ${others.join(', ')}`] : [], others);
}

function refusePart(text: string, part: string | undefined): void {
  if (part !== undefined) throw new DataError({ file: text, found: `has no parts, so none '${part}'`, expected: 'a path without #' });
}

function foreignLayout(store: IsolatedStore): DataError {
  const parts = store.keys('/');
  const missing = ['obs', 'var'].filter((part) => !parts.includes(part));
  return new DataError({ file: store.path, found: `is neither AnnData, MuData, loom nor 10x: it holds ${parts.slice(0, 8).join(', ') || 'nothing'} and has no ${missing.join(' and no ')}`, expected: 'one of the formats of docs/formats.md' });
}
