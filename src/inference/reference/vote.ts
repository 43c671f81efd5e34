// n cells, k neighbours, C classes
import type { Neighbours } from '../../metrics/neighbours.js';

/** What the neighbours of n cells say. */
export interface Votes {
  /** [n] class of the largest weight; of equal ones the first. */
  readonly predicted: Int32Array;
  /** [n] its share of the weight. */
  readonly agreement: Float64Array;
  /** [n] mean distance to the k neighbours. */
  readonly distance: Float64Array;
}

/**
 * Each neighbour votes for its own class with the weight exp(-(d / d_k)²), d_k the distance of the farthest of the k: the scale is each
 * cell's own, whatever the density where it lies.
 * @param labels class code of every cell of the reference
 */
export function weightedVotes({ numCells: n, k, indices, distances }: Neighbours, labels: ArrayLike<number>, numClasses: number): Votes {
  const predicted = new Int32Array(n);
  const agreement = new Float64Array(n);
  const distance = new Float64Array(n);
  const weights = new Float64Array(numClasses);
  for (let i = 0; i < n; i++) {
    weights.fill(0);
    const farthest = distances[(i + 1) * k - 1]! || 1;
    let total = 0;
    for (let at = i * k; at < (i + 1) * k; at++) {
      const weight = Math.exp(-((distances[at]! / farthest) ** 2));
      weights[labels[indices[at]!]!]! += weight;
      total += weight;
      distance[i]! += distances[at]! / k;
    }
    let best = 0;
    for (let c = 1; c < numClasses; c++) if (weights[c]! > weights[best]!) best = c;
    predicted[i] = best;
    agreement[i] = weights[best]! / total;
  }
  return { predicted, agreement, distance };
}
