import { DataError } from '../../errors.js';
import { splitLine } from '../../data/readers/table-text.js';
import { lines } from '../../data/readers/text-stream.js';

/** A table of text, all of it in memory: labels, edges, names. */
export interface TextTable {
  readonly file: string;
  /** Names of the columns; undefined where the first line is data. */
  readonly header: readonly string[] | undefined;
  readonly rows: readonly (readonly string[])[];
}

const DELIMITERS = ['\t', ',', ';'];
const TEXT_FILE = /\.(csv|tsv|txt|tab)(\.gz)?$/i;

/** Whether a path names a table of text, by its ending. */
export function isTextTable(path: string): boolean {
  return TEXT_FILE.test(path);
}

/**
 * Reads a table parted by tabulator, comma or semicolon, quotes and gzip understood.
 * @param isHeader says of the first line's fields whether they are names
 * @throws DataError for an empty file and lines of different lengths
 */
export async function readTextTable(file: string, isHeader: (fields: readonly string[]) => boolean = () => true): Promise<TextTable> {
  let delimiter: string | undefined;
  let header: readonly string[] | undefined;
  const rows: string[][] = [];
  let width = 0;
  let number = 0;
  for await (const line of lines(file)) {
    number++;
    if (line.trim() === '') continue;
    delimiter ??= DELIMITERS.find((candidate) => line.includes(candidate)) ?? ',';
    const fields = splitLine(line, delimiter);
    if (!fields) throw new DataError({ file, key: `line ${number}`, found: 'a quote does not end', expected: 'a pair of quotes within one line' });
    const trimmed = fields.map((field) => field.trim());
    if (width === 0) {
      width = trimmed.length;
      if (isHeader(trimmed)) {
        header = trimmed;
        continue;
      }
    }
    if (trimmed.length !== width)
      throw new DataError({ file, key: `line ${number}`, found: `${trimmed.length} fields`, expected: `${width}, as the first line has` });
    rows.push(trimmed);
  }
  if (rows.length === 0) throw new DataError({ file, found: number === 0 ? 'is empty' : 'has no line of data', expected: 'a table' });
  return { file, header, rows };
}

/** Position of a column. @throws DataError naming the columns there are */
export function columnAt(table: TextTable, name: string): number {
  const at = table.header?.indexOf(name) ?? -1;
  if (at < 0)
    throw new DataError({
      file: table.file,
      key: name,
      found: 'no such column',
      expected: `one of ${table.header?.filter(Boolean).join(', ') ?? '(no header)'}`,
    });
  return at;
}
