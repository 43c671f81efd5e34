import { checkK, type Neighbours } from './neighbours.js';
import { NeighbourIndex, type IndexOptions } from './neighbour-index.js';
import type { Points } from './points.js';

/** Cells handed to the library at a time. */
const BLOCK_ROWS = 8192;

/**
 * Euclidean neighbours of every point among all of them, approximately (`NeighbourIndex`): the same points give the same neighbours.
 */
export function approximateNeighbours(points: Points, k: number, options: IndexOptions = {}): Neighbours {
  checkK(k, points.numRows);
  return neighboursAmong(indexPoints(points, { ...options, k }), points, k);
}

/** @param options k: most neighbours that will be asked for */
export function indexPoints({ numRows: n, numColumns: d, data }: Points, options: IndexOptions & { readonly k?: number } = {}): NeighbourIndex {
  const index = NeighbourIndex.create(d, options);
  for (let start = 0; start < n; start += BLOCK_ROWS) index.add(Float32Array.from(data.subarray(start * d, Math.min(n, start + BLOCK_ROWS) * d)));
  return index;
}

/** Neighbours of points among themselves. @param index of these very points */
export function neighboursAmong(index: NeighbourIndex, { numRows: n, numColumns: d, data }: Points, k: number): Neighbours {
  const indices = new Int32Array(n * k);
  const distances = new Float64Array(n * k);
  for (let start = 0; start < n; start += BLOCK_ROWS) {
    const end = Math.min(n, start + BLOCK_ROWS);
    const found = index.search(Float32Array.from(data.subarray(start * d, end * d)), k);
    for (let i = start; i < end; i++) takeRow(found, i - start, i, k, indices, distances);
  }
  return { numCells: n, k, indices, distances };
}

/** One cell's neighbours, the cell itself put in front: among duplicates, or by a miss of the search, it may come back later or not at all. */
function takeRow(found: Pick<Neighbours, 'indices' | 'distances'>, row: number, cell: number, k: number, indices: Int32Array, distances: Float64Array): void {
  indices[cell * k] = cell;
  let filled = 1;
  for (let at = row * k; at < (row + 1) * k && filled < k; at++) {
    const neighbour = found.indices[at]!;
    if (neighbour === cell) continue;
    indices[cell * k + filled] = neighbour;
    distances[cell * k + filled] = found.distances[at]!;
    filled++;
  }
}
