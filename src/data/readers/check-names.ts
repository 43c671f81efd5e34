import { DataError } from '../../errors.js';
import type { CellFile } from './reader.js';

/** No name is written with such characters; a damaged one often has them. */
const CONTROL_CHARACTER = /\p{Cc}/u;

/** @throws DataError for a name of a cell or gene with a control character in it */
export function checkNames(file: CellFile): void {
  checkEach(file, 'cell', file.cellIds);
  for (const genes of new Set(file.matrices.map(({ key }) => file.matrix(key).genes))) {
    checkEach(file, 'gene', genes.names);
    checkEach(file, 'symbol of gene', genes.symbols ?? []);
    checkEach(file, 'Ensembl id of gene', genes.ensemblIds ?? []);
  }
}

function checkEach({ path }: CellFile, what: string, names: readonly string[]): void {
  const wrong = names.findIndex((name) => CONTROL_CHARACTER.test(name));
  if (wrong < 0) return;
  throw new DataError({ file: path, key: `${what} ${wrong}`, found: `${JSON.stringify(names[wrong]!.slice(0, 40))} is its name`, expected: 'a name without control characters', hint: 'the file is damaged: copy or write it again' });
}
