import { forEachPair } from './pairs.js';
import type { Points } from './points.js';

/** The k nearest cells of every cell, nearest first, the cell itself in front (as scib-metrics and scanpy count k). */
export interface Neighbours {
  readonly numCells: number;
  readonly k: number;
  /** [numCells, k] */
  readonly indices: Int32Array;
  /** [numCells, k] Euclidean. */
  readonly distances: Float64Array;
}

/** Up to so many cells neighbours are exact; beyond, they are found approximately. */
export const MAX_EXACT_CELLS = 20_000;

/**
 * Exact up to `maxExactCells`, approximate beyond.
 * @param k counts the cell itself; at most numCells
 */
export async function nearestNeighbours(points: Points, k: number, { maxExactCells = MAX_EXACT_CELLS } = {}): Promise<Neighbours> {
  if (points.numRows <= maxExactCells) return exactNeighbours(points, k);
  // Native code, loaded only by those who need it.
  const { approximateNeighbours } = await import('./approximate-neighbours.js');
  return approximateNeighbours(points, k);
}

/** Euclidean neighbours by comparing all pairs; of cells equally far the one met first stays. @throws RangeError when there are fewer than k cells */
export function exactNeighbours(points: Points, k: number): Neighbours {
  const n = points.numRows;
  checkK(k, n);
  const indices = new Int32Array(n * k);
  const distances = new Float64Array(n * k).fill(Infinity);
  for (let i = 0; i < n; i++) {
    indices[i * k] = i;
    distances[i * k] = 0;
  }
  if (k > 1) {
    const offer = (i: number, j: number, squared: number) => {
      const first = i * k + 1; // the cell itself keeps the front even where others have its coordinates
      let at = i * k + k - 1;
      if (squared >= distances[at]!) return;
      for (; at > first && distances[at - 1]! > squared; at--) {
        distances[at] = distances[at - 1]!;
        indices[at] = indices[at - 1]!;
      }
      distances[at] = squared;
      indices[at] = j;
    };
    forEachPair(points, (i, j, squared) => {
      offer(i, j, squared);
      offer(j, i, squared);
    });
  }
  return { numCells: n, k, indices, distances: distances.map(Math.sqrt) };
}

/** The first k of what was found with a larger k. */
export function firstNeighbours(neighbours: Neighbours, k: number): Neighbours {
  const { numCells, k: stride, indices, distances } = neighbours;
  checkK(k, stride);
  if (k === stride) return neighbours;
  const out = { numCells, k, indices: new Int32Array(numCells * k), distances: new Float64Array(numCells * k) };
  for (let i = 0; i < numCells; i++) {
    out.indices.set(indices.subarray(i * stride, i * stride + k), i * k);
    out.distances.set(distances.subarray(i * stride, i * stride + k), i * k);
  }
  return out;
}

export function checkK(k: number, most: number): void {
  if (!Number.isInteger(k) || k < 1 || k > most) throw new RangeError(`${k} neighbours asked for, ${most} are there`);
}
