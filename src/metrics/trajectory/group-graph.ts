// G groups
import { countCodes } from '../integration/labels.js';
import type { Neighbours } from '../neighbours.js';

/** Groups of cells and how they hang together. */
export interface GroupGraph {
  readonly numGroups: number;
  /** [G, G] symmetric, 0 … 1: edges between two groups over what chance would draw, at most 1; the diagonal 0. */
  readonly connectivities: Float64Array;
  /** The strongest connections that join all groups that can be joined, without a ring: pairs [a, b], a < b, strongest first. */
  readonly tree: readonly (readonly [number, number])[];
}

/**
 * Partition-based graph abstraction (PAGA; Wolf et al. 2019): between groups i and j of n_i and n_j cells with e_i and e_j edges at their cells (those
 * within a group counted once), chance would draw (e_i n_j + e_j n_i) / (n - 1) edges; their connectivity is the number there is over that, at most 1.
 * Edges are the directed ones from each cell to its neighbours, both directions between groups added.
 * @param groups [n] code of each cell's group; -1 = in none: the cell is left out
 */
export function groupGraph({ numCells: n, k, indices }: Neighbours, groups: ArrayLike<number>): GroupGraph {
  const known = Int32Array.from(groups).filter((code) => code >= 0);
  const sizes = countCodes(known, known.length);
  const G = sizes.length;
  const edges = new Float64Array(G * G); // directed, from row to column
  for (let i = 0; i < n; i++) {
    const from = groups[i]!;
    if (from < 0) continue;
    for (let at = i * k; at < (i + 1) * k; at++) {
      const to = indices[at] === i ? -1 : groups[indices[at]!]!;
      if (to >= 0) edges[from * G + to]!++;
    }
  }
  const edgesAt = Float64Array.from({ length: G }, (_, g) => edges.subarray(g * G, (g + 1) * G).reduce((sum, count) => sum + count, 0));
  const connectivities = new Float64Array(G * G);
  for (let a = 0; a < G; a++) {
    for (let b = 0; b < G; b++) {
      if (a === b) continue;
      const found = edges[a * G + b]! + edges[b * G + a]!;
      const expected = (edgesAt[a]! * sizes[b]! + edgesAt[b]! * sizes[a]!) / (known.length - 1);
      connectivities[a * G + b] = found === 0 ? 0 : Math.min(1, found / expected);
    }
  }
  return { numGroups: G, connectivities, tree: spanningTree(connectivities, G) };
}

/** Kruskal's tree of largest connections. */
function spanningTree(connectivities: Float64Array, G: number): [number, number][] {
  const pairs = Array.from({ length: G }, (_, a) => Array.from({ length: G - a - 1 }, (_, i): [number, number] => [a, a + 1 + i]))
    .flat()
    .filter(([a, b]) => connectivities[a * G + b]! > 0);
  pairs.sort(([a, b], [c, d]) => connectivities[c * G + d]! - connectivities[a * G + b]!);
  const partOf = Int32Array.from({ length: G }, (_, g) => g);
  return pairs.filter(([a, b]) => {
    const [from, to] = [partOf[a]!, partOf[b]!];
    if (from === to) return false;
    partOf.forEach((part, g) => part === from && (partOf[g] = to));
    return true;
  });
}
