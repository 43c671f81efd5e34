import type { ObsColumn } from '../readers/reader.js';
import type { Hdf5Tree, Typed } from './hdf5-tree.js';

/**
 * Parts of an AnnData file as its format, version 0.1.0 of the whole, writes them. Each carries its encoding type and
 * version as attributes, by which readers in Python and R know what it is.
 */

/** A column to add to obs: one entry a cell. Missing: code -1, NaN. */
export type NewColumn =
  | { readonly kind: 'categorical'; readonly categories: readonly string[]; readonly codes: ArrayLike<number>; readonly isOrdered?: boolean }
  | { readonly kind: 'numeric'; readonly values: Float32Array | Float64Array | Int32Array }
  | { readonly kind: 'string'; readonly values: readonly string[] };

/** What uns holds: text, numbers, lists of either, and groups of such. */
export type UnsValue = string | number | readonly string[] | Float32Array | Float64Array | Int32Array | { readonly [key: string]: UnsValue };

export function encode(tree: Hdf5Tree, path: string, type: string, version: string): void {
  tree.setAttribute(path, 'encoding-type', type);
  tree.setAttribute(path, 'encoding-version', version);
}

export function makeDict(tree: Hdf5Tree, path: string): void {
  tree.makeGroup(path);
  encode(tree, path, 'dict', '0.1.0');
}

export function writeArray(tree: Hdf5Tree, path: string, values: Typed, numColumns?: number): void {
  if (numColumns === undefined) tree.writeNumbers(path, values);
  else tree.writeMatrix(path, values, numColumns);
  encode(tree, path, 'array', '0.2.0');
}

export function writeStringArray(tree: Hdf5Tree, path: string, values: readonly string[]): void {
  tree.writeStrings(path, values);
  encode(tree, path, 'string-array', '0.2.0');
}

export function writeBooleanArray(tree: Hdf5Tree, path: string, values: readonly boolean[]): void {
  tree.writeBooleans(path, values);
  encode(tree, path, 'array', '0.2.0');
}

export function writeCategorical(tree: Hdf5Tree, path: string, categories: readonly string[], codes: ArrayLike<number>, isOrdered: boolean): void {
  tree.makeGroup(path);
  encode(tree, path, 'categorical', '0.2.0');
  tree.setAttribute(path, 'ordered', isOrdered ? 1 : 0);
  writeStringArray(tree, `${path}/categories`, categories);
  const Codes = categories.length <= 127 ? Int8Array : categories.length <= 32767 ? Int16Array : Int32Array;
  writeArray(tree, `${path}/codes`, Codes.from(codes));
}

export function writeColumn(tree: Hdf5Tree, path: string, column: NewColumn): void {
  switch (column.kind) {
    case 'categorical':
      return writeCategorical(tree, path, column.categories, column.codes, column.isOrdered ?? false);
    case 'numeric':
      return writeArray(tree, path, column.values);
    case 'string':
      return writeStringArray(tree, path, column.values);
  }
}

/** A column read from an older file, as it is written today. `numbers` keeps the stored type of a numeric one. */
export function rewriteColumn(tree: Hdf5Tree, path: string, column: ObsColumn, numbers: () => Typed): void {
  switch (column.kind) {
    case 'categorical':
      return writeCategorical(tree, path, column.categories, column.codes, column.isOrdered);
    case 'numeric':
      return writeArray(tree, path, numbers());
    case 'boolean':
      return writeBooleanArray(
        tree,
        path,
        column.values.map((value) => value ?? false),
      );
    case 'string':
      return writeStringArray(
        tree,
        path,
        column.values.map((value) => value ?? ''),
      );
  }
}

export function writeUns(tree: Hdf5Tree, path: string, value: UnsValue): void {
  if (typeof value === 'string') {
    tree.writeStrings(path, value);
    encode(tree, path, 'string', '0.2.0');
  } else if (typeof value === 'number') {
    tree.writeNumber(path, value);
    encode(tree, path, 'numeric-scalar', '0.2.0');
  } else if (ArrayBuffer.isView(value)) {
    writeArray(tree, path, value as Typed);
  } else if (Array.isArray(value)) {
    writeStringArray(tree, path, value as readonly string[]);
  } else {
    makeDict(tree, path);
    for (const [key, entry] of Object.entries(value)) writeUns(tree, `${path}/${key}`, entry);
  }
}

/** Marks a group as a table. `columns` in the order in which they are shown. */
export function describeFrame(tree: Hdf5Tree, path: string, indexKey: string, columns: readonly string[]): void {
  if (!tree.hasAttribute(path, 'encoding-type')) encode(tree, path, 'dataframe', '0.2.0');
  tree.setAttribute(path, '_index', indexKey);
  tree.setAttribute(path, 'column-order', columns);
}
