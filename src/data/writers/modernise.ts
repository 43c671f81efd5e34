import { readFrame } from '../readers/anndata-frame.js';
import type { Hdf5File } from '../readers/hdf5.js';
import { TENX_FEATURE_TYPES, type TenxLayout } from '../readers/tenx.js';
import { describeFrame, encode, makeDict, rewriteColumn, writeArray, writeStringArray } from './anndata-elements.js';
import type { Hdf5Tree, Typed } from './hdf5-tree.js';

/** Rewriting of what current readers no longer know, or know badly. Each function returns notes on what could not be kept. */

const INDEX = '_index';

/**
 * A table stored as one compound dataset (anndata before 0.7) as a group of columns.
 * @param replaced columns to leave out, since others of the same name are written
 * @returns the columns written, in order
 */
export function rewriteCompoundFrame(source: Hdf5File, at: string, tree: Hdf5Tree, to: string, replaced: ReadonlySet<string>, notes: string[]): string[] {
  const frame = readFrame(source, at);
  const table = source.dataset(at);
  tree.makeGroup(to);
  writeStringArray(tree, `${to}/${INDEX}`, frame.index);
  const written = frame.keys.filter((key) => {
    if (replaced.has(key)) return false;
    if (!['number', 'string', 'boolean'].includes(table.fieldKind(key))) {
      notes.push(`${at}['${key}'] is of a type that cannot be carried over`);
      return false;
    }
    const column = frame.column(key);
    rewriteColumn(tree, `${to}/${key}`, column, () => asStored(table.fieldNumbers(key), table.fieldDtype(key)));
    return true;
  });
  describeFrame(tree, to, INDEX, written);
  return written;
}

/** Matrices stored as the fields of one compound dataset (obsm and varm before 0.7) as a group of them. */
export function rewriteCompoundMatrices(source: Hdf5File, at: string, tree: Hdf5Tree, to: string, replaced: ReadonlySet<string>, notes: string[]): void {
  const table = source.dataset(at);
  makeDict(tree, to);
  for (const field of table.fields.filter((name) => !replaced.has(name))) {
    const matrix = table.fieldMatrix(field);
    if (matrix) writeArray(tree, `${to}/${field}`, matrix.values, matrix.numColumns);
    else notes.push(`${at}['${field}'] is of a type that cannot be carried over`);
  }
}

/** Adds today's marks to a sparse matrix that carries those of anndata before 0.7. */
export function markSparse(source: Hdf5File, at: string, tree: Hdf5Tree): void {
  const word = source.stringAttribute(at, 'h5sparse_format');
  const shape = source.numbersAttribute(at, 'h5sparse_shape');
  if (source.kind(at) !== 'group' || source.hasAttribute(at, 'encoding-type') || word === undefined || !shape) return;
  encode(tree, `/${at}`, `${word}_matrix`, '0.1.0');
  tree.setAttribute(`/${at}`, 'shape', BigInt64Array.from(shape, BigInt));
}

/** Writes a 10x file's matrix, cells and features as X, obs and var under `root`. Features that are no genes stay in. */
export function rewriteTenx(source: Hdf5File, layout: TenxLayout, tree: Hdf5Tree, root: string, notes: string[]): void {
  const { at } = layout;
  tree.makeGroup(`${root}/X`);
  encode(tree, `${root}/X`, 'csr_matrix', '0.1.0');
  const ids = source.dataset(layout.idsAt).strings();
  const barcodes = source.dataset(`${at}/barcodes`).strings();
  tree.setAttribute(`${root}/X`, 'shape', BigInt64Array.of(BigInt(barcodes.length), BigInt(ids.length)));
  // Genes × cells by columns is cells × genes by rows: the arrays stay where they are.
  for (const part of ['data', 'indices', 'indptr']) tree.link(`/${at}/${part}`, `${root}/X/${part}`);
  tree.makeGroup(`${root}/obs`);
  writeStringArray(tree, `${root}/obs/${INDEX}`, barcodes);
  describeFrame(tree, `${root}/obs`, INDEX, []);
  tree.makeGroup(`${root}/var`);
  writeStringArray(tree, `${root}/var/${INDEX}`, source.dataset(layout.namesAt).strings());
  writeStringArray(tree, `${root}/var/gene_ids`, ids);
  const columns = ['gene_ids', ...featureColumns(source, layout, ids.length, tree, root)];
  describeFrame(tree, `${root}/var`, INDEX, columns);
  for (const group of ['layers', 'obsm', 'varm', 'obsp', 'varp', 'uns']) makeDict(tree, `${root}/${group}`);
  if (
    layout.featureTypesAt !== undefined &&
    source
      .dataset(layout.featureTypesAt)
      .strings()
      .some((type) => type !== TENX_FEATURE_TYPES.gene)
  ) {
    notes.push("X keeps the features that are no genes; var['feature_types'] tells them apart");
  }
  const lost = source.attributeNames('/').filter((name) => !PYTABLES_ATTRIBUTES.has(name));
  if (lost.length > 0) notes.push(`not carried over: the attributes ${lost.join(', ')} of the 10x file`);
}

/** Marks of the program that wrote the file, which say nothing about the cells. */
const PYTABLES_ATTRIBUTES = new Set(['CLASS', 'FILTERS', 'PYTABLES_FORMAT_VERSION', 'TITLE', 'VERSION', 'filetype', 'version']);
/** scanpy's names for the parts of `features`; the others keep theirs. */
const SCANPY_NAMES: Record<string, string> = { feature_type: 'feature_types' };

/** The texts that 10x keeps beside ids and names (version 3 on). */
function featureColumns(source: Hdf5File, { at, idsAt, namesAt }: TenxLayout, numFeatures: number, tree: Hdf5Tree, root: string): string[] {
  return source.keys(`${at}/features`).flatMap((part) => {
    const path = `${at}/features/${part}`;
    if (path === idsAt || path === namesAt || part.startsWith('_') || source.kind(path) !== 'dataset') return [];
    const dataset = source.dataset(path);
    if (dataset.kind !== 'string' || dataset.length !== numFeatures) return [];
    const key = SCANPY_NAMES[part] ?? part;
    writeStringArray(tree, `${root}/var/${key}`, dataset.strings());
    return [key];
  });
}

/** Numbers in the type they are stored in; 64-bit integers were read as doubles. */
function asStored(values: Typed, dtype: string): Typed {
  if (dtype === 'int64') return BigInt64Array.from(values as Float64Array, BigInt);
  if (dtype === 'uint64') return BigUint64Array.from(values as Float64Array, BigInt);
  return values;
}
