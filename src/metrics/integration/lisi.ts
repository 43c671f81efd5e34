import { median } from '../correlation.js';
import type { Neighbours } from '../neighbours.js';
import { countCodes, numKindsPresent } from './labels.js';

/** The bandwidth's binary search, as in the published code. */
const TOLERANCE = 1e-5;
const MAX_TRIES = 50;

/**
 * Local inverse Simpson's index of every cell (Korsunsky et al. 2019): the effective number of kinds among its neighbours, weighted by
 * exp(-β · distance) with the β that gives the perplexity. Distances are not squared, as in the published code and scib-metrics.
 * @param perplexity default ⌊k / 3⌋: 30 for k = 90
 * @returns 1 … number of kinds a cell; -1 for a cell whose neighbours are all too far to have a weight
 */
export function lisi({ numCells, k, indices, distances }: Neighbours, codes: ArrayLike<number>, perplexity = Math.floor(k / 3)): Float64Array {
  const numKinds = countCodes(codes, numCells).length;
  const target = Math.log(perplexity);
  const weights = new Float64Array(k);
  const shares = new Float64Array(numKinds);
  return Float64Array.from({ length: numCells }, (_, cell) => {
    const from = cell * k;
    let beta = 1;
    let low = -Infinity;
    let high = Infinity;
    let entropy = neighbourWeights(indices, distances, from, k, cell, beta, weights);
    for (let tries = 0; tries < MAX_TRIES && Math.abs(entropy - target) >= TOLERANCE; tries++) {
      if (entropy > target) {
        low = beta;
        beta = high === Infinity ? beta * 2 : (beta + high) / 2;
      } else {
        high = beta;
        beta = low === -Infinity ? beta / 2 : (beta + low) / 2;
      }
      entropy = neighbourWeights(indices, distances, from, k, cell, beta, weights);
    }
    if (entropy === 0) return -1;
    shares.fill(0);
    for (let j = 0; j < k; j++) shares[codes[indices[from + j]!]!]! += weights[j]!;
    return 1 / shares.reduce((sum, share) => sum + share * share, 0);
  });
}

/** (median LISI of the batches - 1) / (number of batches - 1): 0 unmixed … 1 mixed. */
export function ilisi(neighbours: Neighbours, batches: ArrayLike<number>, perplexity?: number): number {
  const numBatches = numKindsPresent(countCodes(batches, neighbours.numCells));
  return (median(lisi(neighbours, batches, perplexity)) - 1) / (numBatches - 1);
}

/** (number of labels - median LISI of the labels) / (number of labels - 1): 0 mixed … 1 pure. */
export function clisi(neighbours: Neighbours, labels: ArrayLike<number>, perplexity?: number): number {
  const numLabels = numKindsPresent(countCodes(labels, neighbours.numCells));
  return (numLabels - median(lisi(neighbours, labels, perplexity))) / (numLabels - 1);
}

/** Fills the neighbours' weights at a bandwidth, the cell itself at 0. @returns their entropy; 0 when all are too far */
function neighbourWeights(indices: Int32Array, distances: Float64Array, from: number, k: number, cell: number, beta: number, weights: Float64Array): number {
  let sum = 0;
  let weighted = 0;
  for (let j = 0; j < k; j++) {
    const weight = indices[from + j] === cell ? 0 : Math.exp(-distances[from + j]! * beta);
    weights[j] = weight;
    sum += weight;
    weighted += distances[from + j]! * weight;
  }
  if (sum === 0) return 0;
  for (let j = 0; j < k; j++) weights[j]! /= sum;
  return Math.log(sum) + (beta * weighted) / sum;
}
