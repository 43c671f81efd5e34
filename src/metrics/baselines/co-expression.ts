import { pearson } from '../correlation.js';
import type { SparseMatrix } from './sparse-matrix.js';

/**
 * Pearson correlation of every pair of chosen genes over cells: the co-expression network that any inferred one must beat. It has no direction.
 * @param x log-normalised expression, cells × genes
 * @param genes columns of x
 * @returns [genes, genes] row-major; 0 on the diagonal and for genes that do not vary
 */
export function coExpression(x: SparseMatrix, genes: ArrayLike<number>): Float64Array {
  const columns = denseColumns(x, genes);
  const n = genes.length;
  const out = new Float64Array(n * n);
  for (let a = 0; a < n; a++) {
    for (let b = a + 1; b < n; b++) {
      const r = pearson(columns[a]!, columns[b]!);
      out[a * n + b] = out[b * n + a] = Number.isNaN(r) ? 0 : r;
    }
  }
  return out;
}

function denseColumns(x: SparseMatrix, genes: ArrayLike<number>): Float64Array[] {
  const columns = Array.from({ length: genes.length }, () => new Float64Array(x.numRows));
  const at = new Map<number, Float64Array>();
  for (let i = 0; i < genes.length; i++) at.set(genes[i]!, columns[i]!);
  for (let row = 0; row < x.numRows; row++)
    for (let k = x.indptr[row]!; k < x.indptr[row + 1]!; k++) {
      const column = at.get(x.indices[k]!);
      if (column) column[row] = x.values[k]!;
    }
  return columns;
}
