import type { Rng } from '../../rng.js';
import { leadingEigenpairs } from './lanczos.js';
import { centredTimes, centredTransposeTimes, columnMeans, type DenseMatrix, type SparseMatrix } from './sparse-matrix.js';
import { dot, scale } from './vector.js';

/** Principal components of one set of cells, to be applied to others. K components, G genes. */
export interface Pca {
  /** [G] */
  readonly means: Float64Array;
  /** K unit vectors of G entries, largest variance first. */
  readonly components: readonly Float64Array[];
  /** [K] variances with denominator n - 1. */
  readonly variances: readonly number[];
}

/**
 * Leading principal components of a sparse matrix, never centred in memory: 50,000 cells × 20,000 genes need no dense copy, which
 * the library decompositions at hand would make.
 * @param numComponents asked for; fewer come back when the cells span fewer directions
 * @param rng start vector; the result does not depend on it beyond rounding and the sign of a component
 */
export function fitPca(x: SparseMatrix, numComponents: number, rng: Rng): Pca {
  const numKept = Math.min(numComponents, x.numRows - 1, x.numColumns);
  if (numKept < 1) throw new RangeError(`principal components need at least 2 cells and 1 gene, found ${x.numRows} × ${x.numColumns}`);
  const means = columnMeans(x);
  const forward = (v: Float64Array) => centredTimes(x, means, v);
  const backward = (v: Float64Array) => centredTransposeTimes(x, means, v);
  // XᵀX and XXᵀ share their eigenvalues: work on the smaller, turn cell vectors into gene vectors afterwards.
  const hasFewerCells = x.numRows < x.numColumns;
  const { values, vectors } = hasFewerCells
    ? leadingEigenpairs((v) => forward(backward(v)), x.numRows, numKept, rng)
    : leadingEigenpairs((v) => backward(forward(v)), x.numColumns, numKept, rng);
  const numReal = values.filter((value) => value > 1e-10 * values[0]!).length; // the rest is rounding: data of lower rank
  const components = vectors.slice(0, numReal).map((v) => (hasFewerCells ? unit(backward(v)) : v));
  return { means, components, variances: values.slice(0, numReal).map((value) => value / (x.numRows - 1)) };
}

/** Coordinates of cells on fitted components: [rows, K]. The cells must have the genes the fit had, in the same columns. */
export function applyPca({ means, components }: Pca, x: SparseMatrix): DenseMatrix {
  if (x.numColumns !== means.length) throw new RangeError(`components of ${means.length} genes applied to ${x.numColumns}`);
  const K = components.length;
  const data = new Float64Array(x.numRows * K);
  components.forEach((component, k) => centredTimes(x, means, component).forEach((value, row) => (data[row * K + k] = value)));
  return { numRows: x.numRows, numColumns: K, data };
}

function unit(v: Float64Array): Float64Array {
  return scale(v, 1 / Math.sqrt(dot(v, v)));
}
