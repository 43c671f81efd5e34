import { DataError } from '../../errors.js';
import { AnnDataFile } from './anndata.js';
import { Subtree, type ArrayStore } from './array-store.js';
import { LoomFile } from './loom.js';
import type { CellFile } from './reader.js';
import { parseReference } from './reference.js';
import { TenxFile, tenxLayout } from './tenx.js';

/** The modality of a MuData file that holds expression, as muon and scanpy call it. */
const EXPRESSION_MODALITY = 'rna';

/** What is in a tree of arrays, by the names at its root. */
export function openTree(text: string, store: ArrayStore, part: string | undefined, format: 'h5ad' | 'zarr'): CellFile {
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

function openModality(store: ArrayStore, part: string | undefined, format: 'h5ad' | 'zarr'): CellFile {
  const modalities = store.keys('mod');
  const name = part ?? EXPRESSION_MODALITY;
  if (!modalities.includes(name)) {
    throw new DataError({
      file: store.path,
      found: `is a MuData file without a modality '${name}'`,
      expected: `one of ${modalities.join(', ') || '(it has none)'}`,
      hint: `name the one that holds expression: '${parseReference(store.path).path}#${modalities[0] ?? 'rna'}'`,
    });
  }
  const others = modalities.filter((modality) => modality !== name);
  return new AnnDataFile(
    new Subtree(store, `mod/${name}`),
    format === 'h5ad' ? 'h5mu' : 'zarr',
    others.length > 0 ? [`reads the modality ${name}; left out: ${others.join(', ')}`] : [],
    others,
  );
}

export function refusePart(text: string, part: string | undefined): void {
  if (part !== undefined) throw new DataError({ file: text, found: `has no parts, so none '${part}'`, expected: 'a path without #' });
}

function foreignLayout(store: ArrayStore): DataError {
  const parts = store.keys('/');
  const missing = ['obs', 'var'].filter((part) => !parts.includes(part));
  return new DataError({
    file: store.path,
    found: `is neither AnnData, MuData, loom nor 10x: it holds ${parts.slice(0, 8).join(', ') || 'nothing'} and has no ${missing.join(' and no ')}`,
    expected: 'one of the formats of docs/formats.md',
  });
}
