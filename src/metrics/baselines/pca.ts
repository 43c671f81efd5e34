import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Rng } from '../../rng.js';
import { centredTimes, centredTransposeTimes, columnMeans, type DenseMatrix, type SparseMatrix } from './sparse-matrix.js';

/** Principal components of one set of cells, to be applied to others. K components, G genes. */
export interface Pca {
  readonly numComponents: number;
  /** [G] */
  readonly means: Float64Array;
  /** [G, K] orthonormal columns, largest variance first. */
  readonly components: Float64Array;
  /** [K] variances with denominator n - 1. */
  readonly variances: Float64Array;
}

/**
 * Leading principal components by randomised subspace iteration (Halko, Martinsson & Tropp 2011): products with the sparse
 * matrix only, so 50,000 cells × 20,000 genes need no dense copy, which the library decompositions at hand would make.
 * @param numComponents asked for; fewer come back when the matrix has fewer rows or columns
 * @param rng start vectors; the result does not depend on them beyond rounding
 */
export function fitPca(x: SparseMatrix, numComponents: number, rng: Rng, numIterations = 12): Pca {
  const numKept = Math.min(numComponents, x.numRows - 1, x.numColumns);
  if (numKept < 1) throw new RangeError(`principal components need at least 2 cells and 1 gene, found ${x.numRows} × ${x.numColumns}`);
  const K = Math.min(numKept + 20, x.numRows, x.numColumns); // some more than asked for: the last ones converge slowest
  const means = columnMeans(x);
  let basis = orthonormalise(Float64Array.from({ length: x.numColumns * K }, () => rng.normal()), x.numColumns, K);
  for (let i = 0; i < numIterations; i++) {
    basis = orthonormalise(centredTransposeTimes(x, means, centredTimes(x, means, basis, K), K), x.numColumns, K);
  }
  // Inside the subspace the problem is small and exact: eigenvectors of the K × K covariance of the projected cells.
  const projected = centredTimes(x, means, basis, K);
  const covariance = gram(projected, x.numRows, K).div(x.numRows - 1);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  const order = realEigenvalues.map((_, k) => k).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!).slice(0, numKept);
  const components = new Float64Array(x.numColumns * numKept);
  for (let g = 0; g < x.numColumns; g++) {
    order.forEach((from, k) => {
      let sum = 0;
      for (let j = 0; j < K; j++) sum += basis[g * K + j]! * eigenvectorMatrix.get(j, from);
      components[g * numKept + k] = sum;
    });
  }
  return { numComponents: numKept, means, components, variances: Float64Array.from(order, (k) => Math.max(0, realEigenvalues[k]!)) };
}

/** Coordinates of cells on fitted components: [rows, K]. The cells must have the genes the fit had, in the same columns. */
export function applyPca(pca: Pca, x: SparseMatrix): DenseMatrix {
  if (x.numColumns !== pca.means.length) throw new RangeError(`components of ${pca.means.length} genes applied to ${x.numColumns}`);
  return { numRows: x.numRows, numColumns: pca.numComponents, data: centredTimes(x, pca.means, pca.components, pca.numComponents) };
}

function gram(a: Float64Array, numRows: number, K: number): Matrix {
  const out = Matrix.zeros(K, K);
  for (let i = 0; i < K; i++) {
    for (let j = i; j < K; j++) {
      let sum = 0;
      for (let row = 0; row < numRows; row++) sum += a[row * K + i]! * a[row * K + j]!;
      out.set(i, j, sum).set(j, i, sum);
    }
  }
  return out;
}

/** Gram-Schmidt on the columns of a [n, K] matrix, each column swept twice so that rounding does not tilt them; in place. */
function orthonormalise(a: Float64Array, n: number, K: number): Float64Array {
  for (let k = 0; k < K; k++) {
    for (let sweep = 0; sweep < 2; sweep++) {
      for (let j = 0; j < k; j++) {
        let dot = 0;
        for (let i = 0; i < n; i++) dot += a[i * K + j]! * a[i * K + k]!;
        for (let i = 0; i < n; i++) a[i * K + k]! -= dot * a[i * K + j]!;
      }
    }
    let norm = 0;
    for (let i = 0; i < n; i++) norm += a[i * K + k]! ** 2;
    norm = Math.sqrt(norm);
    // A column inside the span of the others (data of lower rank) is left at zero: it adds nothing and harms nothing.
    for (let i = 0; i < n; i++) a[i * K + k] = norm > 1e-12 ? a[i * K + k]! / norm : 0;
  }
  return a;
}
