import type { Neighbours } from '../neighbours.js';

/** Cells as nodes, weighted edges in compressed rows; symmetric where it says so. */
export interface CellGraph {
  readonly numCells: number;
  /** [numCells + 1] */
  readonly indptr: Int32Array;
  /** Ascending within a row. */
  readonly indices: Int32Array;
  readonly weights: Float64Array;
}

/** The bandwidth's binary search: steps at most, and how near to log2(k) is near enough. */
const MAX_STEPS = 64;
const SEARCH_TOLERANCE = 1e-5;
/** No bandwidth below this share of the mean distance. */
const MIN_BANDWIDTH = 1e-3;

/**
 * UMAP's connectivities, the graph scanpy and scib-metrics cluster: exp(-(d - nearest) / bandwidth) with the bandwidth that makes a cell's weights
 * sum to log2 k, joined as p + q - pq over both directions (McInnes et al. 2018, section 3.1).
 * @param neighbours the cell itself in front
 * @returns a symmetric graph without loops
 */
export function connectivities(neighbours: Neighbours): CellGraph {
  const { numCells: n, k, indices } = neighbours;
  const weights = membershipStrengths(neighbours);
  const order = Array.from({ length: k }, (_, j) => j);
  // Rows with ascending columns, the cell itself and weights of 0 left out.
  const indptr = new Int32Array(n + 1);
  const columns = new Int32Array(n * k);
  const values = new Float64Array(n * k);
  let filled = 0;
  for (let i = 0; i < n; i++) {
    order.sort((a, b) => indices[i * k + a]! - indices[i * k + b]!);
    for (const j of order) {
      if (indices[i * k + j] === i || weights[i * k + j] === 0) continue;
      columns[filled] = indices[i * k + j]!;
      values[filled++] = weights[i * k + j]!;
    }
    indptr[i + 1] = filled;
  }
  const directed = { numCells: n, indptr, indices: columns.subarray(0, filled), weights: values.subarray(0, filled) };
  return fuzzyUnion(directed, transpose(directed));
}

/** [numCells, k] weights of the directed edges. */
function membershipStrengths({ numCells: n, k, indices, distances: exact }: Neighbours): Float64Array {
  const distances = Float32Array.from(exact); // as UMAP holds them
  const target = Math.log2(k);
  const meanAll = distances.reduce((sum, d) => sum + d, 0) / distances.length;
  const out = new Float64Array(n * k);
  for (let i = 0; i < n; i++) {
    const row = distances.subarray(i * k, (i + 1) * k);
    const nearest = row.find((d) => d > 0) ?? 0;
    let low = 0;
    let high = Infinity;
    let bandwidth = 1;
    for (let step = 0; step < MAX_STEPS; step++) {
      let sum = 0;
      for (let j = 1; j < k; j++) sum += row[j]! > nearest ? Math.exp(-(row[j]! - nearest) / bandwidth) : 1;
      if (Math.abs(sum - target) < SEARCH_TOLERANCE) break;
      if (sum > target) high = bandwidth;
      else low = bandwidth;
      bandwidth = high === Infinity ? bandwidth * 2 : (low + high) / 2;
    }
    const meanHere = nearest > 0 ? row.reduce((sum, d) => sum + d, 0) / k : meanAll;
    bandwidth = Math.max(bandwidth, MIN_BANDWIDTH * meanHere);
    for (let j = 0; j < k; j++) {
      const d = row[j]! - nearest;
      out[i * k + j] = indices[i * k + j] === i ? 0 : d <= 0 || bandwidth === 0 ? 1 : Math.exp(-d / bandwidth);
    }
  }
  return out;
}

function transpose({ numCells: n, indptr, indices, weights }: CellGraph): CellGraph {
  const out = { numCells: n, indptr: new Int32Array(n + 1), indices: new Int32Array(indices.length), weights: new Float64Array(indices.length) };
  for (const to of indices) out.indptr[to + 1]!++;
  for (let i = 0; i < n; i++) out.indptr[i + 1]! += out.indptr[i]!;
  const next = out.indptr.slice();
  for (let i = 0; i < n; i++) {
    for (let at = indptr[i]!; at < indptr[i + 1]!; at++) {
      const to = next[indices[at]!]!++;
      out.indices[to] = i;
      out.weights[to] = weights[at]!;
    }
  }
  return out;
}

/** p + q - pq of every edge that one of the two has. */
function fuzzyUnion(p: CellGraph, q: CellGraph): CellGraph {
  const n = p.numCells;
  const indptr = new Int32Array(n + 1);
  const indices = new Int32Array(p.indices.length + q.indices.length);
  const weights = new Float64Array(indices.length);
  let filled = 0;
  for (let i = 0; i < n; i++) {
    let a = p.indptr[i]!;
    let b = q.indptr[i]!;
    while (a < p.indptr[i + 1]! || b < q.indptr[i + 1]!) {
      const fromP = a < p.indptr[i + 1]! ? p.indices[a]! : Infinity;
      const fromQ = b < q.indptr[i + 1]! ? q.indices[b]! : Infinity;
      const column = Math.min(fromP, fromQ);
      const x = fromP === column ? p.weights[a++]! : 0;
      const y = fromQ === column ? q.weights[b++]! : 0;
      indices[filled] = column;
      weights[filled++] = x + y - x * y;
    }
    indptr[i + 1] = filled;
  }
  return { numCells: n, indptr, indices: indices.slice(0, filled), weights: weights.slice(0, filled) };
}

/** The neighbours as directed edges, the cell itself left out. */
export function neighbourGraph({ numCells: n, k, indices, distances }: Neighbours): CellGraph {
  const indptr = new Int32Array(n + 1);
  const columns = new Int32Array(n * k);
  const weights = new Float64Array(n * k);
  let filled = 0;
  for (let i = 0; i < n; i++) {
    for (let at = i * k; at < (i + 1) * k; at++) {
      if (indices[at] === i) continue;
      columns[filled] = indices[at]!;
      weights[filled++] = distances[at]!;
    }
    indptr[i + 1] = filled;
  }
  return { numCells: n, indptr, indices: columns.subarray(0, filled), weights: weights.subarray(0, filled) };
}

/** The cells given and the edges among them, renumbered in the order given. */
export function subgraph(graph: CellGraph, cells: ArrayLike<number>): CellGraph {
  const newIndex = new Int32Array(graph.numCells).fill(-1);
  for (let i = 0; i < cells.length; i++) newIndex[cells[i]!] = i;
  const indptr = new Int32Array(cells.length + 1);
  const indices: number[] = [];
  const weights: number[] = [];
  for (let i = 0; i < cells.length; i++) {
    for (let at = graph.indptr[cells[i]!]!; at < graph.indptr[cells[i]! + 1]!; at++) {
      const to = newIndex[graph.indices[at]!]!;
      if (to < 0) continue;
      indices.push(to);
      weights.push(graph.weights[at]!);
    }
    indptr[i + 1] = indices.length;
  }
  return { numCells: cells.length, indptr, indices: Int32Array.from(indices), weights: Float64Array.from(weights) };
}

/**
 * Strongly connected components: from each cell of one every other can be reached along the edges' direction (Tarjan 1972, without recursion). In a
 * symmetric graph these are the plain components.
 * @returns the component of every cell, from 0, and the size of every component
 */
export function components({ numCells: n, indptr, indices }: CellGraph): { componentOf: Int32Array; sizes: number[] } {
  const componentOf = new Int32Array(n).fill(-1);
  const sizes: number[] = [];
  const order = new Int32Array(n).fill(-1); // when a cell was met first
  const lowest = new Int32Array(n); // the earliest cell it leads back to
  const nextEdge = Int32Array.from(indptr.subarray(0, n));
  const path: number[] = [];
  const open: number[] = [];
  let clock = 0;
  for (let root = 0; root < n; root++) {
    if (order[root]! >= 0) continue;
    path.push(root);
    while (path.length > 0) {
      const cell = path.at(-1)!;
      if (order[cell]! < 0) {
        order[cell] = lowest[cell] = clock++;
        open.push(cell);
      }
      let child = -1;
      while (nextEdge[cell]! < indptr[cell + 1]!) {
        const to = indices[nextEdge[cell]!++]!;
        if (order[to]! < 0) {
          child = to;
          break;
        }
        if (componentOf[to]! < 0) lowest[cell] = Math.min(lowest[cell]!, order[to]!);
      }
      if (child >= 0) {
        path.push(child);
        continue;
      }
      path.pop();
      const parent = path.at(-1);
      if (parent !== undefined) lowest[parent] = Math.min(lowest[parent]!, lowest[cell]!);
      if (lowest[cell] !== order[cell]) continue;
      let size = 0;
      for (let member = -1; member !== cell; size++) {
        member = open.pop()!;
        componentOf[member] = sizes.length;
      }
      sizes.push(size);
    }
  }
  return { componentOf, sizes };
}
