import type { Rng } from '../../rng.js';
import { centredPoints, type Points } from '../points.js';

export interface KMeans {
  /** [numRows] cluster of every row. */
  readonly clusters: Int32Array;
  /** Sum of squared distances to the own centre. */
  readonly inertia: number;
}

/** Lloyd's iteration stops when the centres moved by less than this share of the mean variance of a coordinate (scikit-learn's tol). */
const TOLERANCE = 1e-4;

/**
 * k-means with greedy k-means++ seeding (Arthur & Vassilvitskii 2007), one start unless asked for more, as scikit-learn's KMeans.
 * @throws RangeError when there are fewer rows than clusters
 */
export function kMeans(points: Points, numClusters: number, rng: Rng, { numStarts = 1, maxIterations = 300 } = {}): KMeans {
  if (points.numRows < numClusters || numClusters < 1) throw new RangeError(`${numClusters} clusters of ${points.numRows} points`);
  const centred = centredPoints(points);
  let best: KMeans | undefined;
  for (let start = 0; start < numStarts; start++) {
    const found = lloyd(centred, seedCentres(centred, numClusters, rng.fork(`start/${start}`)), numClusters, maxIterations);
    if (!best || found.inertia < best.inertia) best = found;
  }
  return best!;
}

interface Centred {
  readonly numRows: number;
  readonly numColumns: number;
  readonly data: Float64Array;
}

/** Of a few candidates drawn in proportion to their squared distance, the one that lowers the total most. */
function seedCentres({ numRows: n, numColumns: d, data }: Centred, numClusters: number, rng: Rng): Float64Array {
  const centres = new Float64Array(numClusters * d);
  const numTrials = 2 + Math.floor(Math.log(numClusters));
  const first = rng.int(n);
  centres.set(data.subarray(first * d, (first + 1) * d));
  let nearest = squaredDistancesTo(data, n, d, first);
  for (let c = 1; c < numClusters; c++) {
    const total = sum(nearest);
    let chosen: { row: number; distances: Float64Array; total: number } | undefined;
    for (let trial = 0; trial < numTrials; trial++) {
      const row = drawRow(nearest, rng.uniform() * total);
      const distances = squaredDistancesTo(data, n, d, row);
      for (let i = 0; i < n; i++) distances[i] = Math.min(distances[i]!, nearest[i]!);
      const candidate = { row, distances, total: sum(distances) };
      if (!chosen || candidate.total < chosen.total) chosen = candidate;
    }
    nearest = chosen!.distances;
    centres.set(data.subarray(chosen!.row * d, (chosen!.row + 1) * d), c * d);
  }
  return centres;
}

function lloyd({ numRows: n, numColumns: d, data }: Centred, centres: Float64Array, numClusters: number, maxIterations: number): KMeans {
  const tolerance = (TOLERANCE * data.reduce((total, v) => total + v * v, 0)) / n / d;
  const clusters = new Int32Array(n);
  let inertia = assign(data, n, d, centres, numClusters, clusters);
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    const next = new Float64Array(centres.length);
    const counts = new Int32Array(numClusters);
    for (let i = 0; i < n; i++) {
      counts[clusters[i]!]!++;
      for (let j = 0; j < d; j++) next[clusters[i]! * d + j]! += data[i * d + j]!;
    }
    let moved = 0;
    for (let c = 0; c < numClusters; c++) {
      for (let j = 0; j < d; j++) {
        // A centre that lost its last point stays where it is.
        const to = counts[c] ? next[c * d + j]! / counts[c]! : centres[c * d + j]!;
        moved += (to - centres[c * d + j]!) ** 2;
        centres[c * d + j] = to;
      }
    }
    inertia = assign(data, n, d, centres, numClusters, clusters);
    if (moved <= tolerance) break;
  }
  return { clusters, inertia };
}

/** Gives every row its nearest centre. @returns the sum of squared distances */
function assign(data: Float64Array, n: number, d: number, centres: Float64Array, numClusters: number, clusters: Int32Array): number {
  let inertia = 0;
  for (let i = 0; i < n; i++) {
    let nearest = Infinity;
    for (let c = 0; c < numClusters; c++) {
      const squared = squaredDistance(data, i * d, centres, c * d, d);
      if (squared < nearest) {
        nearest = squared;
        clusters[i] = c;
      }
    }
    inertia += nearest;
  }
  return inertia;
}

function squaredDistancesTo(data: Float64Array, n: number, d: number, row: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => squaredDistance(data, i * d, data, row * d, d));
}

/** Four sums at once, which the processor works on in parallel. */
function squaredDistance(a: Float64Array, fromA: number, b: Float64Array, fromB: number, d: number): number {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  let j = 0;
  for (; j + 3 < d; j += 4) {
    const e0 = a[fromA + j]! - b[fromB + j]!, e1 = a[fromA + j + 1]! - b[fromB + j + 1]!;
    const e2 = a[fromA + j + 2]! - b[fromB + j + 2]!, e3 = a[fromA + j + 3]! - b[fromB + j + 3]!;
    s0 += e0 * e0; s1 += e1 * e1; s2 += e2 * e2; s3 += e3 * e3;
  }
  for (; j < d; j++) s0 += (a[fromA + j]! - b[fromB + j]!) ** 2;
  return s0 + s1 + s2 + s3;
}

function drawRow(weights: Float64Array, target: number): number {
  let passed = 0;
  for (let i = 0; i < weights.length; i++) if ((passed += weights[i]!) > target) return i;
  return weights.length - 1;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const v of values) total += v;
  return total;
}
