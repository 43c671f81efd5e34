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

/**
 * Lloyd's iteration. Most rows are not compared with every centre: each keeps the least its distance to any other centre can be, and the most that to
 * its own, both moved with the centres (Hamerly 2010); while the second is the smaller, its centre is the nearest one. The clusters are those of
 * comparing all.
 */
function lloyd({ numRows: n, numColumns: d, data }: Centred, centres: Float64Array, numClusters: number, maxIterations: number): KMeans {
  const tolerance = (TOLERANCE * data.reduce((total, v) => total + v * v, 0)) / n / d;
  const clusters = new Int32Array(n);
  const most = new Float64Array(n).fill(Infinity); // to the own centre
  const least = new Float64Array(n); // to any other
  assign(data, n, d, centres, numClusters, clusters, most, least);
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    const moves = moveCentres(data, n, d, centres, numClusters, clusters);
    const [first, second] = twoLargest(moves);
    for (let i = 0; i < n; i++) {
      most[i]! += moves[clusters[i]!]!;
      least[i]! -= clusters[i] === first ? moves[second]! : moves[first]!;
    }
    assign(data, n, d, centres, numClusters, clusters, most, least);
    if (moves.reduce((total, move) => total + move * move, 0) <= tolerance) break;
  }
  let inertia = 0;
  for (let i = 0; i < n; i++) inertia += squaredDistance(data, i * d, centres, clusters[i]! * d, d);
  return { clusters, inertia };
}

/** Every centre goes to the mean of its rows. @returns how far each went */
function moveCentres(data: Float64Array, n: number, d: number, centres: Float64Array, numClusters: number, clusters: Int32Array): Float64Array {
  const sums = new Float64Array(centres.length);
  const counts = new Int32Array(numClusters);
  for (let i = 0; i < n; i++) {
    const to = clusters[i]! * d;
    counts[clusters[i]!]!++;
    for (let j = 0; j < d; j++) sums[to + j]! += data[i * d + j]!;
  }
  return Float64Array.from(counts, (count, c) => {
    // A centre that lost its last point stays where it is.
    if (count === 0) return 0;
    let moved = 0;
    for (let j = c * d; j < (c + 1) * d; j++) {
      const to = sums[j]! / count;
      moved += (to - centres[j]!) ** 2;
      centres[j] = to;
    }
    return Math.sqrt(moved);
  });
}

/** Gives every row its nearest centre, comparing those rows alone whose bounds leave it open. */
function assign(
  data: Float64Array,
  n: number,
  d: number,
  centres: Float64Array,
  numClusters: number,
  clusters: Int32Array,
  most: Float64Array,
  least: Float64Array,
): void {
  const half = halfToNearestCentre(centres, numClusters, d);
  for (let i = 0; i < n; i++) {
    const bound = Math.max(half[clusters[i]!]!, least[i]!);
    if (most[i]! < bound) continue;
    if (most[i] !== Infinity) {
      most[i] = Math.sqrt(squaredDistance(data, i * d, centres, clusters[i]! * d, d));
      if (most[i]! < bound) continue;
    }
    let nearest = Infinity;
    let next = Infinity;
    for (let c = 0; c < numClusters; c++) {
      const squared = squaredDistance(data, i * d, centres, c * d, d);
      if (squared < nearest) {
        next = nearest;
        nearest = squared;
        clusters[i] = c;
      } else if (squared < next) next = squared;
    }
    most[i] = Math.sqrt(nearest);
    least[i] = Math.sqrt(next);
  }
}

/** Half the distance from each centre to the one nearest to it: whatever is nearer to the centre than that has no nearer one. */
function halfToNearestCentre(centres: Float64Array, numClusters: number, d: number): Float64Array {
  return Float64Array.from({ length: numClusters }, (_, a) => {
    let nearest = Infinity;
    for (let b = 0; b < numClusters; b++) if (b !== a) nearest = Math.min(nearest, squaredDistance(centres, a * d, centres, b * d, d));
    return Math.sqrt(nearest) / 2;
  });
}

/** Positions of the largest and the second largest value; the same for one value. */
function twoLargest(values: Float64Array): [number, number] {
  let [first, second] = [0, values.length > 1 ? 1 : 0];
  if (values[second]! > values[first]!) [first, second] = [second, first];
  for (let i = 2; i < values.length; i++) {
    if (values[i]! > values[first]!) [first, second] = [i, first];
    else if (values[i]! > values[second]!) second = i;
  }
  return [first, second];
}

function squaredDistancesTo(data: Float64Array, n: number, d: number, row: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => squaredDistance(data, i * d, data, row * d, d));
}

/** Four sums at once, which the processor works on in parallel. */
function squaredDistance(a: Float64Array, fromA: number, b: Float64Array, fromB: number, d: number): number {
  let s0 = 0,
    s1 = 0,
    s2 = 0,
    s3 = 0;
  let j = 0;
  for (; j + 3 < d; j += 4) {
    const e0 = a[fromA + j]! - b[fromB + j]!,
      e1 = a[fromA + j + 1]! - b[fromB + j + 1]!;
    const e2 = a[fromA + j + 2]! - b[fromB + j + 2]!,
      e3 = a[fromA + j + 3]! - b[fromB + j + 3]!;
    s0 += e0 * e0;
    s1 += e1 * e1;
    s2 += e2 * e2;
    s3 += e3 * e3;
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
