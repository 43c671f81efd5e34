import type { SparseMatrix } from '../baselines/sparse-matrix.js';
import type { Points } from '../points.js';
import { countCodes } from './labels.js';

/**
 * Share of all variance that the batch explains. Principal component regression weighs the R² of every component by its variance; over all
 * components that is the variance between batches over the whole, which needs no components: rotations change neither.
 * @returns 0 … 1; NaN when nothing varies
 */
export function batchVarianceShare(x: Points | SparseMatrix, batches: ArrayLike<number>): number {
  const counts = countCodes(batches, x.numRows);
  const d = x.numColumns;
  const sums = new Float64Array(counts.length * d);
  let squares = 0;
  const add = (row: number, column: number, value: number) => {
    sums[batches[row]! * d + column]! += value;
    squares += value * value;
  };
  if ('data' in x) for (let row = 0; row < x.numRows; row++) for (let j = 0; j < d; j++) add(row, j, x.data[row * d + j]!);
  else for (let row = 0; row < x.numRows; row++) for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) add(row, x.indices[at]!, x.values[at]!);
  let between = 0;
  let centre = 0;
  for (let j = 0; j < d; j++) {
    let total = 0;
    for (let batch = 0; batch < counts.length; batch++) {
      if (counts[batch] === 0) continue;
      total += sums[batch * d + j]!;
      between += sums[batch * d + j]! ** 2 / counts[batch]!;
    }
    centre += total ** 2 / x.numRows;
  }
  return squares - centre > 1e-12 * squares ? (between - centre) / (squares - centre) : NaN;
}

/** max(0, (before - after) / before) of the batch's share of variance: 0 … 1, higher means more of the batch's share is gone (scib, scib-metrics). */
export function pcrComparison(before: Points | SparseMatrix, after: Points | SparseMatrix, batches: ArrayLike<number>): number {
  const pre = batchVarianceShare(before, batches);
  return Math.max(0, (pre - batchVarianceShare(after, batches)) / pre);
}
