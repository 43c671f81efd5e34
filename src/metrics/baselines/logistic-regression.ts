import { minimise } from './lbfgs.js';
import type { DenseMatrix } from './sparse-matrix.js';

/** Multinomial logistic regression. K features, C classes. */
export interface LogisticRegression {
  readonly numClasses: number;
  /** [C, K] */
  readonly weights: Float64Array;
  /** [C] */
  readonly intercepts: Float64Array;
  readonly hasConverged: boolean;
}

/**
 * Fits by full-batch L-BFGS the objective of scikit-learn's LogisticRegression: sum of cross-entropies + |weights|² / (2 inverseRegularisation),
 * the intercepts not penalised.
 * @param labels class code of every row
 * @param inverseRegularisation scikit-learn's C; default 1
 */
export function fitLogisticRegression(
  x: DenseMatrix,
  labels: ArrayLike<number>,
  numClasses: number,
  { inverseRegularisation = 1, tolerance = 1e-4, maxIterations = 1000 } = {},
): LogisticRegression {
  const { numRows: n, numColumns: K, data } = x;
  const width = K + 1; // each class: K weights, then its intercept
  const logits = new Float64Array(numClasses);
  const { x: solution, hasConverged } = minimise(
    (parameters, gradient) => {
      let loss = 0;
      gradient.fill(0);
      for (let row = 0; row < n; row++) {
        classLogits(parameters, data, row, K, logits);
        loss -= logits[labels[row]!]! - softmaxInPlace(logits);
        for (let c = 0; c < numClasses; c++) {
          const residual = logits[c]! - (labels[row] === c ? 1 : 0);
          const to = c * width;
          for (let j = 0; j < K; j++) gradient[to + j]! += residual * data[row * K + j]!;
          gradient[to + K]! += residual;
        }
      }
      for (let c = 0; c < numClasses; c++) {
        for (let j = 0; j < K; j++) {
          const weight = parameters[c * width + j]!;
          loss += weight ** 2 / (2 * inverseRegularisation);
          gradient[c * width + j]! += weight / inverseRegularisation;
        }
      }
      return loss;
    },
    new Float64Array(numClasses * width),
    { tolerance, maxIterations },
  );
  const weights = new Float64Array(numClasses * K);
  for (let c = 0; c < numClasses; c++) weights.set(solution.subarray(c * width, c * width + K), c * K);
  return { numClasses, weights, intercepts: Float64Array.from({ length: numClasses }, (_, c) => solution[c * width + K]!), hasConverged };
}

/** @returns [rows, C] class probabilities */
export function logisticProbabilities({ numClasses, weights, intercepts }: LogisticRegression, x: DenseMatrix): Float64Array {
  const K = x.numColumns;
  const out = new Float64Array(x.numRows * numClasses);
  for (let row = 0; row < x.numRows; row++) {
    const logits = out.subarray(row * numClasses, (row + 1) * numClasses);
    for (let c = 0; c < numClasses; c++) {
      let sum = intercepts[c]!;
      for (let j = 0; j < K; j++) sum += weights[c * K + j]! * x.data[row * K + j]!;
      logits[c] = sum;
    }
    softmaxInPlace(logits);
  }
  return out;
}

function classLogits(parameters: Float64Array, data: Float64Array, row: number, K: number, logits: Float64Array): void {
  for (let c = 0; c < logits.length; c++) {
    const from = c * (K + 1);
    let sum = parameters[from + K]!;
    for (let j = 0; j < K; j++) sum += parameters[from + j]! * data[row * K + j]!;
    logits[c] = sum;
  }
}

/** Turns logits into probabilities. @returns log of the sum of their exponentials */
function softmaxInPlace(logits: Float64Array): number {
  let max = -Infinity;
  for (const v of logits) max = Math.max(max, v);
  let sum = 0;
  for (let c = 0; c < logits.length; c++) sum += logits[c] = Math.exp(logits[c]! - max);
  for (let c = 0; c < logits.length; c++) logits[c]! /= sum;
  return max + Math.log(sum);
}
