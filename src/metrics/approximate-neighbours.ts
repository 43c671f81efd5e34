import { availableParallelism } from 'node:os';
import usearch from 'usearch';
import { checkK, type Neighbours } from './neighbours.js';
import type { Points } from './points.js';

/** Cells handed to the library at a time. */
const BLOCK_ROWS = 8192;

/**
 * Euclidean neighbours by a hierarchical navigable small-world graph (Malkov & Yashunin 2018, the usearch library). One thread builds the
 * graph, so that the same points give the same neighbours; all search it.
 * @param expansion candidates kept while building, and while searching: more finds more of the true neighbours and takes longer. Building takes most
 * of the time, and searching widely makes up for a graph built quickly
 */
export function approximateNeighbours(points: Points, k: number, { connectivity = 16, expansion = 64, searchExpansion = 128 } = {}): Neighbours {
  const { numRows: n, numColumns: d } = points;
  checkK(k, n);
  const numThreads = availableParallelism();
  const index = new usearch.Index({ dimensions: d, metric: usearch.MetricKind.L2sq, quantization: usearch.ScalarKind.F32, connectivity, expansion_add: expansion, expansion_search: Math.max(searchExpansion, k), multi: false });
  const block = (start: number, end: number): Float32Array => Float32Array.from(points.data.subarray(start * d, end * d));
  for (let start = 0; start < n; start += BLOCK_ROWS) {
    const end = Math.min(n, start + BLOCK_ROWS);
    const rows = block(start, end);
    // Handed over one by one, points are added by one thread; the library makes room for as many threads as it is told of here.
    for (let i = start; i < end; i++) index.add(BigUint64Array.of(BigInt(i)), rows.subarray((i - start) * d, (i - start + 1) * d), numThreads);
  }
  const indices = new Int32Array(n * k);
  const distances = new Float64Array(n * k);
  for (let start = 0; start < n; start += BLOCK_ROWS) {
    const end = Math.min(n, start + BLOCK_ROWS);
    const found = index.search(block(start, end), k, numThreads) as unknown as SearchResult;
    for (let i = start; i < end; i++) takeRow(found, i - start, i, k, indices, distances);
  }
  return { numCells: n, k, indices, distances };
}

interface SearchResult {
  /** [rows, k] */
  readonly keys: BigUint64Array;
  /** [rows, k] squared. */
  readonly distances: Float32Array;
}

/** One cell's neighbours, the cell itself put in front: among duplicates, or by a miss of the search, it may come back later or not at all. */
function takeRow(found: SearchResult, row: number, cell: number, k: number, indices: Int32Array, distances: Float64Array): void {
  indices[cell * k] = cell;
  let filled = 1;
  for (let at = row * k; at < (row + 1) * k && filled < k; at++) {
    const neighbour = Number(found.keys[at]!);
    if (neighbour === cell) continue;
    indices[cell * k + filled] = neighbour;
    distances[cell * k + filled] = Math.sqrt(found.distances[at]!);
    filled++;
  }
}
