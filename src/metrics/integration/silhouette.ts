import { meanOfNumbers } from '../correlation.js';
import { forEachPair } from '../pairs.js';
import { takePoints, type Points } from '../points.js';
import { cellsByCode, countCodes, numKindsPresent } from './labels.js';

/**
 * Silhouette width of every cell, Euclidean: (b - a) / max(a, b), a the mean distance to its own group's other cells, b the smallest mean distance to
 * another group (Rousseeuw 1987; scikit-learn's silhouette_samples). A cell alone in its group has 0.
 * @throws RangeError unless there are at least 2 groups
 */
export function silhouetteWidths(points: Points, labels: ArrayLike<number>): Float64Array {
  const n = points.numRows;
  const counts = countCodes(labels, n);
  if (numKindsPresent(counts) < 2) throw new RangeError('silhouette widths need at least 2 groups');
  const numGroups = counts.length;
  const sums = new Float64Array(n * numGroups); // distance of each cell to each group, summed
  forEachPair(points, (i, j, squared) => {
    const distance = Math.sqrt(squared);
    sums[i * numGroups + labels[j]!]! += distance;
    sums[j * numGroups + labels[i]!]! += distance;
  });
  return Float64Array.from({ length: n }, (_, i) => {
    const own = labels[i]!;
    if (counts[own] === 1) return 0;
    const within = sums[i * numGroups + own]! / (counts[own]! - 1);
    let between = Infinity;
    for (let group = 0; group < numGroups; group++) {
      if (group !== own && counts[group]! > 0) between = Math.min(between, sums[i * numGroups + group]! / counts[group]!);
    }
    const widest = Math.max(within, between);
    return widest > 0 ? (between - within) / widest : 0;
  });
}

/** (mean silhouette width of the labels + 1) / 2: 0 … 1, higher is better. */
export function aswLabel(points: Points, labels: ArrayLike<number>): number {
  return (meanOfNumbers(silhouetteWidths(points, labels)) + 1) / 2;
}

/**
 * Within each label, 1 - |silhouette width of the batches|, averaged over its cells, then over labels: 0 … 1, higher is better mixed. Labels with one
 * batch, or with every cell in a batch of its own, have nothing to mix and are left out.
 * @returns NaN when no label is left
 */
export function aswBatch(points: Points, labels: ArrayLike<number>, batches: ArrayLike<number>): number {
  countCodes(batches, points.numRows);
  const means = cellsByCode(labels, countCodes(labels, points.numRows)).map((cells) => {
    const within = Int32Array.from(cells, (cell) => batches[cell]!);
    const numBatches = new Set(within).size;
    if (numBatches < 2 || numBatches === cells.length) return NaN;
    return meanOfNumbers(silhouetteWidths(takePoints(points, cells), within).map((width) => 1 - Math.abs(width)));
  });
  return meanOfNumbers(means);
}
