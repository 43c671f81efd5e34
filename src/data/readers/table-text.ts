import { DataError } from '../../errors.js';
import { lines } from './text-stream.js';

/** How a table of text is laid out, told from its first lines. */
export interface TableLayout {
  readonly delimiter: string;
  /** Names of the columns of numbers. */
  readonly columnNames: readonly string[];
}

const DELIMITERS = ['\t', ',', ';', ' '];

/** The header of a table whose lines begin with a name. @throws DataError where there is no such header */
export async function readTableHeader(path: string): Promise<TableLayout> {
  const head: string[] = [];
  for await (const line of lines(path)) {
    if (line.trim() === '') continue;
    head.push(line);
    if (head.length === 2) break;
  }
  const [first, second] = head;
  if (first === undefined || second === undefined)
    throw new DataError({
      file: path,
      found: head.length === 0 ? 'is empty' : 'has one line only',
      expected: 'a header and one line of numbers for each cell or gene',
    });
  for (const delimiter of DELIMITERS) {
    const [names, fields] = [splitLine(first, delimiter), splitLine(second, delimiter)];
    if (!names || !fields || fields.length < 2) continue;
    // R leaves the corner above the row names out.
    if (names.length === fields.length) return checked(path, delimiter, names.slice(1));
    if (names.length === fields.length - 1) return checked(path, delimiter, names);
  }
  throw new DataError({
    file: path,
    found: `the header does not fit the line below it ('${first.slice(0, 40)}')`,
    expected: 'as many names as there are numbers, parted by comma or tabulator',
  });
}

function checked(path: string, delimiter: string, columnNames: readonly string[]): TableLayout {
  if (columnNames.every((name) => name.trim() !== '' && Number.isFinite(Number(name)))) {
    throw new DataError({
      file: path,
      found: `the first line holds numbers ('${columnNames.slice(0, 3).join(', ')}'), no names`,
      expected: 'a header with the names of genes or cells',
      hint: 'write the table with its column names',
    });
  }
  return { delimiter, columnNames };
}

/** Fields of a line; a field in double quotes may hold the delimiter, and "" for a quote. Undefined where a quote does not end. */
export function splitLine(line: string, delimiter: string): string[] | undefined {
  if (!line.includes('"')) return line.split(delimiter);
  const fields: string[] = [];
  for (let at = 0; at <= line.length;) {
    if (line[at] !== '"') {
      const end = line.indexOf(delimiter, at);
      fields.push(line.slice(at, end < 0 ? undefined : end));
      if (end < 0) return fields;
      at = end + 1;
      continue;
    }
    let text = '';
    for (at++; ; at++) {
      const end = line.indexOf('"', at);
      if (end < 0) return undefined;
      text += line.slice(at, end);
      at = end + 1;
      if (line[at] !== '"') break;
      text += '"';
    }
    if (at < line.length && line[at] !== delimiter) return undefined;
    fields.push(text);
    if (at === line.length) return fields;
    at++;
  }
  fields.push('');
  return fields;
}

const MISSING = /^(na|nan|n\/a|null|none)?$/i;

/**
 * Reads the numbers of a table line by line; zeros are left out, missing values are NaN.
 * @param onLine hears each line's name before its numbers
 * @param onOpenEnd hears that the last line has no end
 * @throws DataError naming line and column of what is no number, and a line of another length
 */
export async function parseTable(
  path: string,
  { delimiter, columnNames }: TableLayout,
  onLine: (name: string) => void,
  onEntry: (line: number, column: number, value: number) => void,
  onOpenEnd: () => void,
): Promise<void> {
  let number = 0;
  let row = -1;
  for await (const line of lines(path, onOpenEnd)) {
    number++;
    if (line.trim() === '') continue;
    if (row++ < 0) continue; // the header
    const fields = splitLine(line, delimiter);
    const damaged = (found: string, expected: string) => new DataError({ file: path, key: `line ${number}`, found, expected });
    if (!fields) throw damaged('a quote does not end', 'a pair of quotes within one line');
    if (fields.length !== columnNames.length + 1) throw damaged(`${fields.length} fields`, `${columnNames.length + 1}, as the header has`);
    onLine(fields[0]!);
    for (let column = 0; column < columnNames.length; column++) {
      const text = fields[column + 1]!;
      if (text === '0') continue;
      const trimmed = text.trim();
      const value = MISSING.test(trimmed) ? NaN : Number(trimmed);
      if (Number.isNaN(value) && !MISSING.test(trimmed))
        throw damaged(
          `'${trimmed.slice(0, 30)}' in column '${columnNames[column]}' is no number`,
          'numbers only beside the names: keep annotation in another file',
        );
      if (value !== 0) onEntry(row - 1, column, value);
    }
  }
}
