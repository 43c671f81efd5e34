import type { Rng } from '../../rng.js';
import { countCodes } from '../integration/labels.js';
import { kMeans } from '../integration/kmeans.js';
import type { Points } from '../points.js';
import type { DenseMatrix } from './sparse-matrix.js';

export interface HarmonyOptions {
  /** Soft clusters; default a thirtieth of the cells, at most 100. */
  readonly numClusters?: number;
  /** How hard clusters of few batches are fined. Default 2. */
  readonly diversity?: number;
  /** Softness of the clusters. Default 0.1. */
  readonly softness?: number;
  /** Ridge on a batch's shift. Default 1. */
  readonly ridge?: number;
  readonly maxRounds?: number;
}

const MAX_CLUSTER_ROUNDS = 20;
const CLUSTER_TOLERANCE = 1e-5;
const TOLERANCE = 1e-4;
/** Share of the cells whose clusters are updated at once. */
const BLOCK_SHARE = 0.05;

/**
 * Harmony (Korsunsky et al. 2019), the integration baseline: soft clusters that are fined for holding few batches, then, cluster by cluster, the
 * batches' shifts by ridge regression taken out; again and again until the clusters stay.
 * @param points principal components [cells, K]
 * @param techBatches code of each cell's sequencing batch, from 0
 * @returns corrected coordinates, same shape
 */
export function harmony(points: Points, techBatches: ArrayLike<number>, rng: Rng, options: HarmonyOptions = {}): DenseMatrix {
  const { numRows: n, numColumns: d } = points;
  const { diversity = 2, softness = 0.1, ridge = 1, maxRounds = 10, numClusters: K = Math.max(1, Math.min(100, Math.round(n / 30))) } = options;
  const batchSizes = countCodes(techBatches, n);
  const B = batchSizes.length;
  const original = Float64Array.from(points.data);
  let unit: Float64Array = unitRows(original, n, d);
  const first = kMeans({ numRows: n, numColumns: d, data: unit }, K, rng.fork('kmeans')).clusters;
  const memberships = new Float64Array(n * K); // [cells, K], rows sum to 1
  let centres: Float64Array = new Float64Array(K * d);
  for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) centres[first[i]! * d + j]! += unit[i * d + j]!;
  centres = unitRows(centres, K, d);
  const expected = new Float64Array(K * B); // cluster × batch, if batches were spread alike
  const observed = new Float64Array(K * B);
  const tally = (i: number, sign: 1 | -1): void => {
    for (let k = 0; k < K; k++) {
      const share = sign * memberships[i * K + k]!;
      observed[k * B + techBatches[i]!]! += share;
      for (let b = 0; b < B; b++) expected[k * B + b]! += (share * batchSizes[b]!) / n;
    }
  };
  const assign = (i: number, isFined: boolean): void => {
    let total = 0;
    for (let k = 0; k < K; k++) {
      const at = k * B + techBatches[i]!;
      const fine = isFined ? ((expected[at]! + 1) / (observed[at]! + 1)) ** diversity : 1;
      const weight = Math.exp((-2 * (1 - rowDot(unit, i, centres, k, d))) / softness) * fine;
      memberships[i * K + k] = weight;
      total += weight;
    }
    for (let k = 0; k < K; k++) memberships[i * K + k]! /= total;
  };
  for (let i = 0; i < n; i++) {
    assign(i, false);
    tally(i, 1);
  }

  let corrected: Float64Array = original;
  let before = Infinity;
  const blockSize = Math.max(1, Math.ceil(n * BLOCK_SHARE));
  for (let round = 0; round < maxRounds; round++) {
    let last = Infinity;
    for (let step = 0; step < MAX_CLUSTER_ROUNDS; step++) {
      centres = unitRows(weightedSums(unit, memberships, n, d, K), K, d);
      const order = rng.fork(`round/${round}/${step}`).permutation(n);
      for (let start = 0; start < n; start += blockSize) {
        const block = order.subarray(start, start + blockSize);
        for (const i of block) tally(i, -1);
        for (const i of block) assign(i, true);
        for (const i of block) tally(i, 1);
      }
      const value = objective();
      const isSettled = Math.abs(last - value) < CLUSTER_TOLERANCE * Math.abs(last);
      last = value;
      if (isSettled) break;
    }
    corrected = withoutShifts(original, memberships, techBatches, observed, n, d, K, B, ridge);
    unit = unitRows(corrected, n, d);
    if (Math.abs(before - last) < TOLERANCE * Math.abs(before)) break;
    before = last;
  }
  return { numRows: n, numColumns: d, data: corrected };

  /** Distance to the centres, entropy of the memberships and the fine for clusters of few batches. */
  function objective(): number {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < K; k++) {
        const share = memberships[i * K + k]!;
        if (share <= 0) continue;
        const at = k * B + techBatches[i]!;
        sum +=
          share *
          (2 * (1 - rowDot(unit, i, centres, k, d)) + softness * Math.log(share) + softness * diversity * Math.log((observed[at]! + 1) / (expected[at]! + 1)));
      }
    }
    return sum;
  }
}

/**
 * Takes each cluster's batch shifts out. The ridge regression of a cluster (an intercept, not ridged, and a shift for every batch) has a closed form:
 * its normal equations meet in the intercept alone.
 */
function withoutShifts(
  original: Float64Array,
  memberships: Float64Array,
  techBatches: ArrayLike<number>,
  observed: Float64Array,
  n: number,
  d: number,
  K: number,
  B: number,
  ridge: number,
): Float64Array {
  const out = original.slice();
  const sums = new Float64Array(B * d);
  for (let k = 0; k < K; k++) {
    sums.fill(0);
    for (let i = 0; i < n; i++) {
      const share = memberships[i * K + k]!;
      const to = techBatches[i]! * d;
      for (let j = 0; j < d; j++) sums[to + j]! += share * original[i * d + j]!;
    }
    let weight = 0;
    for (let b = 0; b < B; b++) weight += (observed[k * B + b]! * ridge) / (observed[k * B + b]! + ridge);
    if (weight <= 0) continue; // nobody is in it
    for (let j = 0; j < d; j++) {
      let intercept = 0;
      for (let b = 0; b < B; b++) intercept += (sums[b * d + j]! * ridge) / (observed[k * B + b]! + ridge);
      intercept /= weight;
      for (let b = 0; b < B; b++) sums[b * d + j] = (sums[b * d + j]! - observed[k * B + b]! * intercept) / (observed[k * B + b]! + ridge);
    }
    for (let i = 0; i < n; i++) {
      const share = memberships[i * K + k]!;
      const from = techBatches[i]! * d;
      for (let j = 0; j < d; j++) out[i * d + j]! -= share * sums[from + j]!;
    }
  }
  return out;
}

/** [K, d] sums of rows, each by its membership. */
function weightedSums(rows: Float64Array, memberships: Float64Array, n: number, d: number, K: number): Float64Array {
  const out = new Float64Array(K * d);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < K; k++) {
      const share = memberships[i * K + k]!;
      if (share < 1e-12) continue;
      for (let j = 0; j < d; j++) out[k * d + j]! += share * rows[i * d + j]!;
    }
  }
  return out;
}

function unitRows(data: Float64Array, n: number, d: number): Float64Array {
  const out = new Float64Array(data);
  for (let i = 0; i < n; i++) {
    let squares = 0;
    for (let j = i * d; j < (i + 1) * d; j++) squares += out[j]! * out[j]!;
    if (squares > 0) for (let j = i * d; j < (i + 1) * d; j++) out[j]! /= Math.sqrt(squares);
  }
  return out;
}

function rowDot(a: Float64Array, i: number, b: Float64Array, k: number, d: number): number {
  let sum = 0;
  for (let j = 0; j < d; j++) sum += a[i * d + j]! * b[k * d + j]!;
  return sum;
}
