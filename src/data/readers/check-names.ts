import { DataError } from '../../errors.js';
import type { CellFile } from './reader.js';

/** No name is written with control characters, or with the sign for bytes that are no UTF-8; a damaged one often has them. */
const DAMAGE = /[\p{Cc}\uFFFD]/u;

/** @throws DataError for a name of a cell or gene that is not text */
export function checkNames(file: CellFile): void {
  checkEach(file, 'cell', file.cellIds);
  for (const genes of new Set(file.matrices.map(({ key }) => file.matrix(key).genes))) {
    checkEach(file, 'gene', genes.names);
    checkEach(file, 'symbol of gene', genes.symbols ?? []);
    checkEach(file, 'Ensembl id of gene', genes.ensemblIds ?? []);
  }
}

function checkEach({ path }: CellFile, what: string, names: readonly string[]): void {
  const wrong = names.findIndex((name) => DAMAGE.test(name));
  if (wrong < 0) return;
  throw new DataError({ file: path, key: `${what} ${wrong}`, found: `${JSON.stringify(names[wrong]!.slice(0, 40))} is its name`, expected: 'text without control characters, in UTF-8', hint: 'the file is damaged: copy or write it again' });
}
