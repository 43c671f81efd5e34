import { DataError } from '../../errors.js';
import { lines, unpackedBytes } from './text-stream.js';

/** What the head of a MatrixMarket file says. */
export interface MtxHeader {
  readonly numRows: number;
  readonly numColumns: number;
  readonly numEntries: number;
  readonly isInteger: boolean;
  /** Entries are places without a value: each counts as 1. */
  readonly isPattern: boolean;
}

const BANNER = /^%%MatrixMarket\s+matrix\s+(\S+)\s+(\S+)\s+(\S+)\s*$/i;

/** @throws DataError when it is no sparse matrix of plain numbers */
export async function readMtxHeader(path: string): Promise<MtxHeader> {
  let banner: RegExpExecArray | null | undefined;
  for await (const line of lines(path)) {
    if (banner === undefined) {
      banner = BANNER.exec(line);
      if (!banner)
        throw new DataError({
          file: path,
          found: `is no MatrixMarket file (it starts with '${line.slice(0, 40)}')`,
          expected: '%%MatrixMarket matrix coordinate …',
        });
      const [, layout, field, symmetry] = banner.map((word) => word.toLowerCase());
      if (layout !== 'coordinate' || !['integer', 'real', 'double', 'pattern'].includes(field!) || symmetry !== 'general')
        throw new DataError({ file: path, found: `a matrix of the kind '${layout} ${field} ${symmetry}'`, expected: 'coordinate integer general, or real' });
      continue;
    }
    if (line.startsWith('%') || line.trim() === '') continue;
    const sizes = line.trim().split(/\s+/).map(Number);
    if (sizes.length !== 3 || !sizes.every((size) => Number.isSafeInteger(size) && size >= 0))
      throw new DataError({ file: path, found: `sizes '${line.slice(0, 60)}'`, expected: 'rows, columns and number of entries' });
    const field = banner![2]!.toLowerCase();
    return {
      numRows: sizes[0]!,
      numColumns: sizes[1]!,
      numEntries: sizes[2]!,
      isInteger: field === 'integer' || field === 'pattern',
      isPattern: field === 'pattern',
    };
  }
  throw new DataError({ file: path, found: 'ends before its sizes are told', hint: 'copy or download it again' });
}

const CODE = { tab: 9, newline: 10, carriageReturn: 13, blank: 32, percent: 37, plus: 43, minus: 45, zero: 48, nine: 57 };

/**
 * Reads the entries of a MatrixMarket file, indices from 0. @throws DataError naming the line of an entry that is none or lies outside the
 * matrix, and when there are more or fewer than the header says
 */
export async function parseTriplets(path: string, header: MtxHeader, onEntry: (row: number, column: number, value: number) => void): Promise<void> {
  const numFields = header.isPattern ? 2 : 3;
  const numbers = [0, 0, 1];
  let hasSizes = false;
  let numEntries = 0;
  let line = 1;
  // One field at a time: its digits as a number while it is a plain one, its text once it is not (1.5, 2e-3).
  let field = 0;
  let plain = 0;
  let text = '';
  let hasDigits = false;
  let isComment = false;

  const damaged = (found: string, expected: string) =>
    new DataError({ file: path, key: `line ${line}`, found, expected, hint: 'the file is damaged: copy or download it again' });
  const endField = (): void => {
    if (!hasDigits && text === '') return;
    if (field >= 3) throw damaged('more than three fields', 'row, column, value');
    numbers[field] = text === '' ? plain : Number(text);
    if (text !== '' && Number.isNaN(numbers[field]) && !/^[+-]?nan$/i.test(text)) throw damaged(`'${text}'`, 'a number');
    field++;
    plain = 0;
    text = '';
    hasDigits = false;
  };
  const endLine = (): void => {
    endField();
    if (field > 0 && !hasSizes) hasSizes = true;
    else if (field > 0) {
      const [row, column, value] = numbers as [number, number, number];
      if (field !== numFields) throw damaged(`${field} fields`, `${numFields}`);
      if (!(Number.isInteger(row) && row >= 1 && row <= header.numRows)) throw damaged(`row ${row}`, `1 to ${header.numRows}`);
      if (!(Number.isInteger(column) && column >= 1 && column <= header.numColumns)) throw damaged(`column ${column}`, `1 to ${header.numColumns}`);
      if (header.isInteger && !Number.isInteger(value)) throw damaged(`value ${value}`, 'an integer, as the head of the file says');
      if (++numEntries > header.numEntries) throw damaged('one entry too many', `${header.numEntries}, as the head of the file says`);
      onEntry(row - 1, column - 1, header.isPattern ? 1 : value);
    }
    field = 0;
    isComment = false;
    line++;
  };

  for await (const chunk of unpackedBytes(path)) {
    for (let i = 0; i < chunk.length; i++) {
      const code = chunk[i]!;
      if (code === CODE.newline) endLine();
      else if (isComment) continue;
      else if (code === CODE.blank || code === CODE.tab || code === CODE.carriageReturn) endField();
      else if (code === CODE.percent && field === 0 && !hasDigits && text === '') isComment = true;
      else if (code >= CODE.zero && code <= CODE.nine && text === '') {
        plain = plain * 10 + code - CODE.zero;
        hasDigits = true;
      } else {
        if (hasDigits && text === '') text = String(plain);
        text += String.fromCharCode(code);
        if (text.length > 64) throw damaged(`'${text.slice(0, 20)}…'`, 'a number');
      }
    }
  }
  endLine();
  if (numEntries !== header.numEntries)
    throw new DataError({
      file: path,
      found: `ends after ${numEntries} entries`,
      expected: `${header.numEntries}, as its head says`,
      hint: 'the file is cut: copy or download it again',
    });
}
