import { DataError } from '../../errors.js';
import type { ObsColumn } from '../../data/readers/reader.js';
import type { Points } from '../../metrics/points.js';
import { columnAt, isTextTable, readTextTable } from './text-table.js';

/** Columns and coordinates of cells, from a file of cells or a table of text with one line a cell. */
export interface CellTable {
  readonly file: string;
  readonly numCells: number;
  /** One text a cell, null where it is missing. @throws DataError naming the columns there are */
  column(name: string): readonly (string | null)[];
  /** @throws DataError for a column that holds no numbers */
  numbers(name: string): Float64Array;
  /** An obsm entry; of a table of text, all columns whose name begins so. @throws DataError naming those there are */
  embedding(name: string): Points;
  close(): void;
}

const MISSING = /^(na|nan|n\/a|null|none)?$/i;

/** @throws DataError when the file cannot be read */
export async function openCellTable(file: string): Promise<CellTable> {
  if (isTextTable(file)) return openText(file);
  const { openCellFile } = await import('../../data/readers/open.js');
  const cells = await openCellFile(file);
  return {
    file,
    numCells: cells.numCells,
    column: (name) => columnTexts(cells.obs(name)),
    numbers(name) {
      const column = cells.obs(name);
      if (column.kind !== 'numeric') throw new DataError({ file, key: `obs['${name}']`, found: `a column of ${column.kind} values`, expected: 'numbers' });
      return column.values;
    },
    embedding(name) {
      if (!cells.embedding) throw new DataError({ file, key: name, found: `${cells.format} files have no embeddings`, expected: 'an AnnData file' });
      return cells.embedding(name);
    },
    close: () => cells.close(),
  };
}

async function openText(file: string): Promise<CellTable> {
  const table = await readTextTable(file);
  const texts = (at: number) => table.rows.map((row) => (MISSING.test(row[at]!) ? null : row[at]!));
  const numbers = (at: number) =>
    Float64Array.from(table.rows, (row, i) => {
      const value = MISSING.test(row[at]!) ? NaN : Number(row[at]);
      if (Number.isNaN(value) && !MISSING.test(row[at]!))
        throw new DataError({ file, key: table.header![at]!, found: `'${row[at]!.slice(0, 30)}' in data line ${i + 1}`, expected: 'numbers' });
      return value;
    });
  return {
    file,
    numCells: table.rows.length,
    column: (name) => texts(columnAt(table, name)),
    numbers: (name) => numbers(columnAt(table, name)),
    embedding(name) {
      const columns = table.header!.flatMap((key, at) => (key.startsWith(name) ? [at] : []));
      if (columns.length === 0)
        throw new DataError({ file, key: name, found: 'no column begins so', expected: `one of ${table.header!.filter(Boolean).join(', ')}` });
      const data = new Float64Array(table.rows.length * columns.length);
      columns.forEach((at, j) => numbers(at).forEach((value, row) => (data[row * columns.length + j] = value)));
      return { numRows: table.rows.length, numColumns: columns.length, data };
    },
    close() {},
  };
}

/** Texts of a column, null where missing. */
export function columnTexts(column: ObsColumn): (string | null)[] {
  switch (column.kind) {
    case 'categorical':
      return Array.from(column.codes, (code) => column.categories[code] ?? null);
    case 'numeric':
      return Array.from(column.values, (value) => (Number.isNaN(value) ? null : String(value)));
    case 'boolean':
      return column.values.map((value) => (value === null ? null : value ? 'True' : 'False'));
    case 'string':
      return [...column.values];
  }
}

/** Codes 0 … of texts, in sorted order of the names, so that they do not depend on the order of cells. */
export function encode(texts: readonly string[]): { codes: Int32Array; names: string[] } {
  const names = [...new Set(texts)].sort();
  const codeOf = new Map(names.map((name, code) => [name, code]));
  return { codes: Int32Array.from(texts, (text) => codeOf.get(text)!), names };
}
