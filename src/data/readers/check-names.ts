import { DataError } from '../../errors.js';
import type { CellFile } from './reader.js';

/** No name is written with control characters, or with the sign for bytes that are no UTF-8; a damaged one often has them. */
const DAMAGE = /[\p{Cc}\uFFFD]/u;
const ENSEMBL_ID = /^ENS[A-Z]*G\d{11}(\.\d+)?$/;
/** A cell barcode, wherever in a name. */
const BARCODE = /(?<![A-Za-z])[ACGTN]{8,}(?![A-Za-z])/;
/** Where nearly all of enough names are alike, those that are not are worth a word. */
const FEW = { share: 0.05, count: 2 };
const ENOUGH_NAMES = 10;

/**
 * @returns notes on names that are unlike the others of the file
 * @throws DataError for a name of a cell or gene that is not text
 */
export function checkNames(file: CellFile): string[] {
  checkEach(file, 'cell', file.cellIds);
  const barcodeLength = commonBarcodeLength(file.cellIds);
  const notes = [
    ...unnamed('cell', file.cellIds),
    ...unlike('cell name', file.cellIds, `has a barcode of ${barcodeLength} letters`, (name) => BARCODE.exec(name)?.[0].length === barcodeLength),
  ];
  for (const genes of new Set(file.matrices.map(({ key }) => file.matrix(key).genes))) {
    checkEach(file, 'gene', genes.names);
    checkEach(file, 'symbol of gene', genes.symbols ?? []);
    checkEach(file, 'Ensembl id of gene', genes.ensemblIds ?? []);
    notes.push(...unnamed('gene', genes.names));
    for (const ids of [genes.names, genes.ensemblIds ?? []]) notes.push(...unlike('gene id', ids, 'is an Ensembl id', (id) => ENSEMBL_ID.test(id)));
  }
  return [...new Set(notes)];
}

function checkEach({ path }: CellFile, what: string, names: readonly string[]): void {
  const wrong = names.findIndex((name) => DAMAGE.test(name));
  if (wrong < 0) return;
  throw new DataError({
    file: path,
    key: `${what} ${wrong}`,
    found: `${JSON.stringify(names[wrong]!.slice(0, 40))} is its name`,
    expected: 'text without control characters, in UTF-8',
    hint: 'the file is damaged: copy or write it again',
  });
}

function unnamed(what: string, names: readonly string[]): string[] {
  const count = names.filter((name) => name === '').length;
  return count === 0 ? [] : [`${count} of ${names.length} ${what}s ${count === 1 ? 'has' : 'have'} no name`];
}

function unlike(what: string, names: readonly string[], likeness: string, isLike: (name: string) => boolean): string[] {
  const others = names.filter((name) => name !== '' && !isLike(name));
  if (names.length < ENOUGH_NAMES || others.length === 0 || others.length > Math.max(FEW.count, FEW.share * names.length)) return [];
  return [
    `nearly every ${what} ${likeness}, but not ${others
      .slice(0, 3)
      .map((name) => `'${name}'`)
      .join(', ')}${others.length > 3 ? ` and ${others.length - 3} more` : ''}`,
  ];
}

/** Letters of the barcode in the first names; of no consequence where names have none. */
function commonBarcodeLength(names: readonly string[]): number {
  const lengths = names
    .slice(0, 5)
    .map((name) => BARCODE.exec(name)?.[0].length ?? 0)
    .sort((a, b) => a - b);
  return lengths[lengths.length >> 1] ?? 0;
}
