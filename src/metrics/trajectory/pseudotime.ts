// n cells
import type { Rng } from '../../rng.js';
import { components, connectivities, subgraph, type CellGraph } from '../integration/cell-graph.js';
import { diffusionMap } from '../integration/diffusion-map.js';
import { firstNeighbours, nearestNeighbours, type Neighbours } from '../neighbours.js';
import type { Points } from '../points.js';

/** Cells in the order of a process that begins at one of them. */
export interface Pseudotime {
  /** [n] 0 at the root … 1 at the cell farthest from it; NaN for cells that the neighbour graph does not join to the root. */
  readonly values: Float64Array;
  readonly root: number;
  /** Coordinates of the cells that are joined to the root, by which distances were taken; the first tells of nothing but density. */
  readonly diffusion: Points;
  /** Row of `diffusion` of each cell, -1 for the others. */
  readonly rowOf: Int32Array;
  readonly neighbours: Neighbours;
}

/** 1 - λ of a long process is about 1e-4, and its weight λ / (1 - λ) needs it to some digits. */
const EIGEN_TOLERANCE = 1e-9;

export interface PseudotimeOptions {
  /** Neighbours of the graph, the cell itself counted [15]. */
  readonly numNeighbours?: number;
  /** Diffusion components that distances are taken over [10]. */
  readonly numComponents?: number;
}

/**
 * Diffusion pseudotime (Haghverdi et al. 2016): the distance from a root cell in a diffusion map of the neighbour graph in which all numbers of steps
 * are summed, divided by the largest. Cells that many short ways lead to are near, whatever the straight line says.
 * @param embedding finite coordinates
 * @param root a cell; or the cells of a group, of which the one farthest from all others outside is taken: the end of the process that the group is
 * @throws RangeError for fewer than 3 cells joined to the root
 */
export async function diffusionPseudotime(
  embedding: Points,
  root: number | readonly number[],
  rng: Rng,
  { numNeighbours = 15, numComponents = 10 }: PseudotimeOptions = {},
): Promise<Pseudotime> {
  const n = embedding.numRows;
  const found = await nearestNeighbours(embedding, Math.min(n, numNeighbours));
  const neighbours = firstNeighbours(found, Math.min(n, numNeighbours));
  const graph = connectivities(neighbours);
  const joined = largestPart(graph, typeof root === 'number' ? [root] : root);
  if (joined.length < 3) throw new RangeError(`${joined.length} cells are joined to the root; pseudotime needs at least 3`);
  const diffusion = diffusionMap(subgraph(graph, joined), numComponents, rng, { tolerance: EIGEN_TOLERANCE });
  const rowOf = new Int32Array(n).fill(-1);
  joined.forEach((cell, row) => (rowOf[cell] = row));
  const rootRow =
    typeof root === 'number'
      ? rowOf[root]!
      : extremeRow(
          diffusion,
          root.map((cell) => rowOf[cell]!).filter((row) => row >= 0),
        );
  const distances = distancesFrom(diffusion, rootRow);
  const largest = distances.reduce((most, d) => Math.max(most, d), 0);
  const values = new Float64Array(n).fill(NaN);
  joined.forEach((cell, row) => (values[cell] = largest > 0 ? distances[row]! / largest : 0));
  return { values, root: joined[rootRow]!, diffusion, rowOf, neighbours };
}

/** What a straight line gives: how far each cell is from the root along the first principal component, from 0 to 1. The baseline of the above. */
export function straightPseudotime(firstComponent: ArrayLike<number>, root: number): Float64Array {
  const distances = Float64Array.from({ length: firstComponent.length }, (_, i) => Math.abs(firstComponent[i]! - firstComponent[root]!));
  const largest = distances.reduce((most, d) => Math.max(most, d), 0);
  return distances.map((d) => (largest > 0 ? d / largest : 0));
}

/** The cells of the connected part that holds most of the roots, ascending. */
function largestPart(graph: CellGraph, roots: readonly number[]): Int32Array {
  const { componentOf } = components(graph);
  const counts = new Map<number, number>();
  for (const cell of roots) counts.set(componentOf[cell]!, (counts.get(componentOf[cell]!) ?? 0) + 1);
  const [part] = [...counts].sort((a, b) => b[1] - a[1])[0]!;
  return Int32Array.from({ length: graph.numCells }, (_, i) => i).filter((i) => componentOf[i] === part);
}

/** Of the given rows the one with the largest mean squared distance to all rows but them. */
function extremeRow({ numRows: n, numColumns: d, data }: Points, rows: readonly number[]): number {
  const isInside = new Uint8Array(n);
  for (const row of rows) isInside[row] = 1;
  // The mean squared distance to a cloud is that to its centre, and a constant.
  const centre = new Float64Array(d);
  for (let i = 0; i < n; i++) if (!isInside[i]) for (let j = 0; j < d; j++) centre[j]! += data[i * d + j]! / Math.max(1, n - rows.length);
  let [best, most] = [rows[0]!, -1];
  for (const row of rows) {
    let squared = 0;
    for (let j = 0; j < d; j++) squared += (data[row * d + j]! - centre[j]!) ** 2;
    if (squared > most) [best, most] = [row, squared];
  }
  return best;
}

function distancesFrom({ numRows: n, numColumns: d, data }: Points, root: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < d; j++) sum += (data[i * d + j]! - data[root * d + j]!) ** 2;
    return Math.sqrt(sum);
  });
}
