import { DataError } from '../../errors.js';
import { judgeMatrices, type JudgedMatrix } from '../../data/inspect/choose-matrix.js';
import { openCellFile } from '../../data/readers/open.js';
import type { CellFile, CellMatrix } from '../../data/readers/reader.js';
import type { SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';

/** Total that counts are brought to before the logarithm, as scanpy's tutorials do. */
const TARGET_SUM = 1e4;

/** A whole matrix in memory, log-normalised. */
export interface Expression {
  readonly x: SparseMatrix;
  readonly geneNames: readonly string[];
  readonly file: CellFile;
  /** What was read and done to it, a sentence for people. */
  readonly note: string;
}

/**
 * Reads a matrix for metrics of expression. Counts and CPM are normalised to 10,000 and log1p-transformed; anything else is taken as it is: a
 * prediction may have values below zero.
 * @param key default X
 * @throws DataError when the file or matrix cannot be read, or its genes repeat
 */
export async function readExpression(path: string, key = 'X'): Promise<Expression> {
  const file = await openCellFile(path);
  try {
    const matrix = file.matrix(key);
    const [judged] = await judgeMatrices(file, [key]);
    if (judged!.refusal) throw judged!.refusal;
    const { indptr, indices, values } = await readWhole(matrix);
    const note = normalise(judged!, indptr, values);
    const { names } = matrix.genes;
    if (new Set(names).size < names.length)
      throw new DataError({ file: path, key: 'var', found: 'a gene name twice', expected: 'unique names', hint: 'in Python: adata.var_names_make_unique()' });
    return { x: { numRows: matrix.numCells, numColumns: matrix.numGenes, indptr, indices, values }, geneNames: names, file, note: `${path}: ${key}, ${note}` };
  } catch (error) {
    file.close();
    throw error;
  }
}

async function readWhole(matrix: CellMatrix): Promise<{ indptr: Int32Array; indices: Int32Array; values: Float32Array }> {
  const blocks: { indices: Int32Array; values: Float32Array }[] = [];
  const indptr = new Int32Array(matrix.numCells + 1);
  let filled = 0;
  for await (const block of matrix.rowBlocks()) {
    for (let row = 0; row < block.numRows; row++) indptr[block.firstRow + row + 1] = filled + block.indptr[row + 1]!;
    filled += block.values.length;
    blocks.push({ indices: block.indices, values: block.values });
  }
  const indices = new Int32Array(filled);
  const values = new Float32Array(filled);
  let at = 0;
  for (const block of blocks) {
    indices.set(block.indices, at);
    values.set(block.values, at);
    at += block.values.length;
  }
  return { indptr, indices, values };
}

/** In place. @returns what was done */
function normalise({ guess }: JudgedMatrix, indptr: Int32Array, values: Float32Array): string {
  if (guess.kind === 'log1p') return 'log-normalised as it is';
  if (guess.kind !== 'counts' && guess.kind !== 'cpm') return 'values taken as they are';
  for (let row = 0; row + 1 < indptr.length; row++) {
    let total = 0;
    for (let at = indptr[row]!; at < indptr[row + 1]!; at++) total += values[at]!;
    for (let at = indptr[row]!; at < indptr[row + 1]!; at++) values[at] = Math.log1p((values[at]! * TARGET_SUM) / total);
  }
  return `${guess.kind === 'counts' ? 'counts' : 'normalised counts'} brought to ${TARGET_SUM} a cell and log1p-transformed`;
}

/** The columns given, in the order given. */
export function takeGenes(x: SparseMatrix, columns: ArrayLike<number>): SparseMatrix {
  const newColumn = new Int32Array(x.numColumns).fill(-1);
  for (let i = 0; i < columns.length; i++) newColumn[columns[i]!] = i;
  const indptr = new Int32Array(x.numRows + 1);
  const indices: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < x.numRows; row++) {
    for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) {
      const column = newColumn[x.indices[at]!]!;
      if (column < 0) continue;
      indices.push(column);
      values.push(x.values[at]!);
    }
    indptr[row + 1] = indices.length;
  }
  return { numRows: x.numRows, numColumns: columns.length, indptr, indices: Int32Array.from(indices), values: Float32Array.from(values) };
}
