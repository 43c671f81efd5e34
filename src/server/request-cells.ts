import { DataError } from '../errors.js';
import { CellsInMemory } from '../data/readers/cells-in-memory.js';
import type { CellsRequest } from './schemas.js';

/** Most values in one request: what a body of text can hold of numbers is less than this, what it can hold of zeros is not. */
const MOST_VALUES = 2 ** 27;

/**
 * The cells of a request as a file of them.
 * @throws DataError naming the field whose length or index is wrong
 */
export function cellsOf({ genes, cells, matrix }: CellsRequest): CellsInMemory {
  return cells ? fromSparse(genes, cells) : fromMatrix(genes, matrix!);
}

function fromSparse(genes: readonly string[], cells: NonNullable<CellsRequest['cells']>): CellsInMemory {
  const indptr = new Int32Array(cells.length + 1);
  cells.forEach(({ indices, values }, i) => {
    if (indices.length !== values.length) throw wrong(`cells[${i}].values`, `${values.length} numbers`, `${indices.length}, one for each of indices`);
    indptr[i + 1] = indptr[i]! + values.length;
  });
  const indices = new Int32Array(indptr[cells.length]!);
  const values = new Float32Array(indices.length);
  cells.forEach((cell, i) => {
    const beyond = cell.indices.findIndex((index) => index >= genes.length);
    if (beyond >= 0) throw wrong(`cells[${i}].indices[${beyond}]`, String(cell.indices[beyond]), `0 to ${genes.length - 1}, a place in genes`);
    indices.set(cell.indices, indptr[i]);
    values.set(cell.values, indptr[i]);
  });
  return new CellsInMemory('request', { genes: { names: genes }, cellIds: cells.map(({ id }, i) => id ?? `cell ${i}`), indptr, indices, values });
}

function fromMatrix(genes: readonly string[], matrix: NonNullable<CellsRequest['matrix']>): CellsInMemory {
  if (matrix.length * genes.length > MOST_VALUES) throw wrong('matrix', `${matrix.length} × ${genes.length} values`, `at most ${MOST_VALUES}`);
  const indptr = new Int32Array(matrix.length + 1);
  matrix.forEach((row, i) => {
    if (row.length !== genes.length) throw wrong(`matrix[${i}]`, `${row.length} values`, `${genes.length}, one for each of genes`);
    indptr[i + 1] = indptr[i]! + row.reduce((count, value) => count + (value === 0 ? 0 : 1), 0);
  });
  const indices = new Int32Array(indptr[matrix.length]!);
  const values = new Float32Array(indices.length);
  let at = 0;
  for (const row of matrix) {
    row.forEach((value, gene) => {
      if (value === 0) return;
      indices[at] = gene;
      values[at++] = value;
    });
  }
  return new CellsInMemory('request', { genes: { names: genes }, indptr, indices, values });
}

function wrong(key: string, found: string, expected: string): DataError {
  return new DataError({ file: 'request', key, found, expected });
}
