// n cells, G decoded genes
import type { SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';

/**
 * Share of the variance around the genes' means that is explained, over all cells and genes at once: 0 for who knows the means of the training
 * cells and nothing of the cell.
 * @param truth [n, G] @param expected [n, G] @param means [G] of training cells
 */
export function reconstructionR2(truth: SparseMatrix, expected: Float32Array, means: ArrayLike<number>): number {
  const { numRows: n, numColumns: G } = truth;
  const row = new Float64Array(G);
  let residual = 0;
  let total = 0;
  for (let i = 0; i < n; i++) {
    row.fill(0);
    for (let at = truth.indptr[i]!; at < truth.indptr[i + 1]!; at++) row[truth.indices[at]!] = truth.values[at]!;
    for (let g = 0; g < G; g++) {
      residual += (row[g]! - expected[i * G + g]!) ** 2;
      total += (row[g]! - means[g]!) ** 2;
    }
  }
  return 1 - residual / total;
}
