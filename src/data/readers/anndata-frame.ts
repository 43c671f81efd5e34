import { DataError } from '../../errors.js';
import { isCompound, type ArrayStore } from './array-store.js';
import type { NumberArray } from './hdf5-decode.js';
import type { ObsColumn } from './reader.js';

/** An obs or var table: names of its rows and its columns, read when asked for. */
export interface Frame {
  readonly index: readonly string[];
  /** Columns in file order, index excluded. */
  readonly keys: readonly string[];
  /** @throws DataError naming the columns there are, or for a damaged column */
  column(key: string): ObsColumn;
}

/**
 * A table as AnnData has stored it over the years: a group of columns (0.7 on; categories beside their codes, or under
 * `__categories` in 0.7), or one compound dataset (before; categories under `uns/<column>_categories`).
 * @param at `obs`, `var`, `raw/var` or the old `raw.var`
 */
export function readFrame(file: ArrayStore, at: string): Frame {
  switch (file.kind(at)) {
    case 'group':
      return readGroupFrame(file, at);
    case 'dataset':
      return readCompoundFrame(file, at);
    case undefined:
      throw new DataError({
        file: file.path,
        key: at,
        found: 'no such table',
        expected: 'an AnnData file has obs and var',
        hint: `it holds ${file.keys('/').join(', ') || 'nothing'}`,
      });
  }
}

function readGroupFrame(file: ArrayStore, at: string): Frame {
  const members = file.keys(at);
  const indexKey = file.stringAttribute(at, '_index') ?? ['_index', 'index'].find((key) => members.includes(key));
  if (indexKey === undefined || !members.includes(indexKey))
    throw new DataError({
      file: file.path,
      key: at,
      found: indexKey === undefined ? 'no index' : `the index column '${indexKey}' is missing`,
      hint: 'write the file again with a current anndata',
    });
  const index = texts(readColumn(file, at, indexKey));
  const ordered = file.stringsAttribute(at, 'column-order') ?? [];
  // A column called a/b is written as b in a group a, which is no column itself.
  const nested = ordered.filter((key) => key.includes('/') && file.kind(`${at}/${key}`) !== undefined);
  const groups = new Set(nested.map((key) => key.split('/')[0]!));
  const others = members.filter((key) => key !== indexKey && key !== '__categories' && (!groups.has(key) || ordered.includes(key)));
  const missing = ordered.find((key) => !others.includes(key) && !nested.includes(key));
  if (missing !== undefined)
    throw new DataError({
      file: file.path,
      key: `${at}['${missing}']`,
      found: 'no such column, though column-order names it',
      hint: 'the table is damaged: write the file again',
    });
  const keys = [...ordered, ...others.filter((key) => !ordered.includes(key))];
  return frame(file, at, index, keys, (key) => readColumn(file, at, key));
}

function readCompoundFrame(file: ArrayStore, at: string): Frame {
  const table = file.dataset(at);
  if (!isCompound(table)) throw new DataError({ file: file.path, key: at, found: `an array of ${table.dtype}`, expected: 'a table' });
  const indexKey = table.fields.includes('index') ? 'index' : table.fields.find((field) => table.fieldKind(field) === 'string');
  if (indexKey === undefined)
    throw new DataError({ file: file.path, key: at, found: 'no index column', expected: `one of ${table.fields.join(', ')} to hold names` });
  const place = (key: string) => ({ file: file.path, key: `${at}['${key}']` });
  return frame(
    file,
    at,
    table.fieldKind(indexKey) === 'string' ? table.fieldStrings(indexKey) : Array.from(table.fieldNumbers(indexKey), String),
    table.fields.filter((field) => field !== indexKey),
    (key) => {
      const categories = `uns/${key}_categories`;
      switch (table.fieldKind(key)) {
        case 'number':
          if (file.kind(categories) === 'dataset' && /int/.test(table.fieldDtype(key)))
            return categorical(table.fieldNumbers(key), readCategories(file, categories), false, place(key));
          return { kind: 'numeric', values: Float64Array.from(table.fieldNumbers(key)), dtype: table.fieldDtype(key) };
        case 'boolean':
          return { kind: 'boolean', values: table.fieldBooleans(key) };
        case 'string':
          return { kind: 'string', values: table.fieldStrings(key) };
        case 'compound':
        case 'reference':
        case 'other':
          throw unreadable(place(key), table.fieldDtype(key));
      }
    },
  );
}

function frame(file: ArrayStore, at: string, index: readonly string[], keys: readonly string[], read: (key: string) => ObsColumn): Frame {
  return {
    index,
    keys,
    column(key) {
      if (!keys.includes(key))
        throw new DataError({
          file: file.path,
          key: `${at}['${key}']`,
          found: 'no such column',
          expected: `one of ${keys.join(', ') || '(no columns at all)'}`,
        });
      const column = read(key);
      const length = column.kind === 'categorical' ? column.codes.length : column.values.length;
      if (length !== index.length)
        throw new DataError({ file: file.path, key: `${at}['${key}']`, found: `${length} entries`, expected: `${index.length}, one a row of ${at}` });
      return column;
    },
  };
}

/** One column of a group table, in any of its encodings. */
function readColumn(file: ArrayStore, at: string, key: string): ObsColumn {
  const path = `${at}/${key}`;
  const place = { file: file.path, key: `${at}['${key}']` };
  if (file.kind(path) === 'group') {
    const parts = file.keys(path);
    if (parts.includes('codes') && parts.includes('categories'))
      return categorical(file.dataset(`${path}/codes`).numbers(), readCategories(file, `${path}/categories`), isTrue(file.attribute(path, 'ordered')), place);
    if (parts.includes('values') && parts.includes('mask')) return nullable(file, path);
    throw unreadable(place, file.stringAttribute(path, 'encoding-type') ?? 'group');
  }
  const dataset = file.dataset(path);
  const categories = file.referenced(path, 'categories') ?? (file.kind(`${at}/__categories/${key}`) === 'dataset' ? `${at}/__categories/${key}` : undefined);
  if (categories !== undefined && dataset.kind === 'number')
    return categorical(dataset.numbers(), readCategories(file, categories), isTrue(file.attribute(categories, 'ordered')), place);
  switch (dataset.kind) {
    case 'number':
      return { kind: 'numeric', values: Float64Array.from(dataset.numbers()), dtype: dataset.dtype };
    case 'boolean':
      return { kind: 'boolean', values: dataset.booleans() };
    case 'string':
      return { kind: 'string', values: dataset.strings() };
    case 'compound':
    case 'reference':
    case 'other':
      throw unreadable(place, dataset.dtype);
  }
}

/** pandas' nullable arrays: `values` beside `mask`, in which true means missing. */
function nullable(file: ArrayStore, path: string): ObsColumn {
  const values = file.dataset(`${path}/values`);
  const isMissing = file.dataset(`${path}/mask`).booleans();
  switch (values.kind) {
    case 'string':
      return { kind: 'string', values: values.strings().map((value, i) => (isMissing[i] ? null : value)) };
    case 'boolean':
      return { kind: 'boolean', values: values.booleans().map((value, i) => (isMissing[i] ? null : value)) };
    case 'number':
      return { kind: 'numeric', values: Float64Array.from(values.numbers(), (value, i) => (isMissing[i] ? NaN : value)), dtype: values.dtype };
    case 'compound':
    case 'reference':
    case 'other':
      throw unreadable({ file: file.path, key: path }, values.dtype);
  }
}

/** Categories as text, numbers and booleans written as Python prints them. */
function readCategories(file: ArrayStore, path: string): string[] {
  if (file.kind(path) === 'group') return texts(nullable(file, path));
  const dataset = file.dataset(path);
  if (dataset.kind === 'string') return dataset.strings();
  if (dataset.kind === 'boolean') return dataset.booleans().map(booleanText);
  return Array.from(dataset.numbers(), (value) => numberText(value, dataset.dtype));
}

function categorical(stored: NumberArray, categories: readonly string[], isOrdered: boolean, place: { file: string; key: string }): ObsColumn {
  if (new Set(categories).size < categories.length) {
    const twice = categories.find((name, i) => categories.indexOf(name) < i);
    throw new DataError({ ...place, found: `the category '${twice}' twice`, expected: 'each once', hint: 'the column is damaged: write the file again' });
  }
  const codes = Int32Array.from(stored);
  const wrong = codes.find((code) => code < -1 || code >= categories.length);
  if (wrong !== undefined)
    throw new DataError({
      ...place,
      found: `category code ${wrong}`,
      expected: `-1 to ${categories.length - 1}`,
      hint: 'the column is damaged: write the file again',
    });
  return { kind: 'categorical', categories, codes, isOrdered };
}

/** Any column as text, as an index must be. */
export function texts(column: ObsColumn): string[] {
  switch (column.kind) {
    case 'categorical':
      return Array.from(column.codes, (code) => column.categories[code] ?? '');
    case 'numeric':
      return Array.from(column.values, (value) => numberText(value, column.dtype));
    case 'boolean':
      return column.values.map((value) => (value === null ? '' : booleanText(value)));
    case 'string':
      return column.values.map((value) => value ?? '');
  }
}

function numberText(value: number, dtype: string): string {
  return dtype.startsWith('float') && Number.isInteger(value) ? `${value}.0` : String(value);
}

function booleanText(value: boolean): string {
  return value ? 'True' : 'False';
}

/** `ordered` is stored as a boolean, a number or not at all. */
function isTrue(value: unknown): boolean {
  return value === true || value === 1;
}

function unreadable(place: { file: string; key: string }, what: string): DataError {
  return new DataError({ ...place, found: `a column of type ${what}, which cannot be read here`, expected: 'categories, text, numbers or booleans' });
}
