// n cells, G genes, D coordinates of a gene
import { pearson, spearman } from './correlation.js';
import { connectivities } from './integration/cell-graph.js';
import { leidenClusters, leidenNetwork } from './integration/leiden.js';
import { exactNeighbours } from './neighbours.js';
import type { Points } from './points.js';
import type { Rng } from '../rng.js';

/** [G, G] similarities of genes, symmetric, 1 on the diagonal; NaN where a gene does not vary. */
export interface GeneMatrix {
  readonly numGenes: number;
  readonly data: Float64Array;
}

/** Pearson correlation of every two rows; with D cells a gene's expression over cells, with D coordinates the likeness of two centred vectors. @param rows [G, D] one row a gene */
export function correlationOfRows({ numRows: G, numColumns: D, data }: Points): GeneMatrix {
  const unit = new Float64Array(G * D);
  const varies = new Uint8Array(G);
  for (let g = 0; g < G; g++) {
    let mean = 0;
    for (let j = 0; j < D; j++) mean += data[g * D + j]! / D;
    let norm = 0;
    for (let j = 0; j < D; j++) norm += (data[g * D + j]! - mean) ** 2;
    varies[g] = Number(norm > 1e-20);
    for (let j = 0; j < D; j++) unit[g * D + j] = (data[g * D + j]! - mean) / Math.sqrt(norm || 1);
  }
  const out = new Float64Array(G * G);
  for (let a = 0; a < G; a++) {
    for (let b = a; b < G; b++) {
      let sum = 0;
      for (let j = 0; j < D; j++) sum += unit[a * D + j]! * unit[b * D + j]!;
      out[a * G + b] = out[b * G + a] = !varies[a] || !varies[b] ? NaN : a === b ? 1 : sum;
    }
  }
  return { numGenes: G, data: out };
}

/** How alike two matrices of the same genes are, over all pairs of different genes that both have a number for. */
export interface MatrixAgreement {
  readonly numPairs: number;
  readonly spearman: number;
  readonly pearson: number;
  /** The same Spearman with the genes of the second matrix shuffled: mean, and the largest of twenty shuffles. */
  readonly nullMean: number;
  readonly nullMax: number;
}

const NUM_SHUFFLES = 20;

/** Agreement of the entries above the diagonal, beside what chance gives. @throws RangeError for matrices of different sizes */
export function matrixAgreement(truth: GeneMatrix, other: GeneMatrix, rng: Rng): MatrixAgreement {
  const G = truth.numGenes;
  if (other.numGenes !== G) throw new RangeError(`${G} genes against ${other.numGenes}`);
  const same = Int32Array.from({ length: G }, (_, g) => g);
  const { a, b } = pairs(truth, other, same);
  const shuffled = Array.from({ length: NUM_SHUFFLES }, (_, i) => {
    const drawn = pairs(truth, other, rng.fork(`shuffle/${i}`).permutation(G));
    return spearman(drawn.a, drawn.b);
  }).sort((x, y) => x - y);
  return {
    numPairs: a.length,
    spearman: spearman(a, b),
    pearson: pearson(a, b),
    nullMean: shuffled.reduce((sum, value) => sum + value, 0) / NUM_SHUFFLES,
    nullMax: shuffled[NUM_SHUFFLES - 1]!,
  };
}

function pairs(truth: GeneMatrix, other: GeneMatrix, order: ArrayLike<number>): { a: number[]; b: number[] } {
  const G = truth.numGenes;
  const [a, b]: [number[], number[]] = [[], []];
  for (let i = 0; i < G; i++) {
    for (let j = i + 1; j < G; j++) {
      const [x, y] = [truth.data[i * G + j]!, other.data[order[i]! * G + order[j]!]!];
      if (Number.isNaN(x) || Number.isNaN(y)) continue;
      a.push(x);
      b.push(y);
    }
  }
  return { a, b };
}

/**
 * Genes that go together: Leiden communities of the graph that joins each gene with those whose rows of the matrix are most like its own.
 * @returns [G] module of each gene, the largest module first; genes without numbers are -1
 */
export function geneModules({ numGenes: G, data }: GeneMatrix, rng: Rng, { numNeighbours = 10, resolution = 1 } = {}): Int32Array {
  const usable = Array.from({ length: G }, (_, g) => g).filter((g) => !Number.isNaN(data[g * G + g]!));
  const modules = new Int32Array(G).fill(-1);
  if (usable.length < 3) return modules;
  const rows = { numRows: usable.length, numColumns: usable.length, data: Float64Array.from(usable.flatMap((a) => usable.map((b) => data[a * G + b]!))) };
  const graph = connectivities(exactNeighbours(rows, Math.min(usable.length, numNeighbours)));
  const found = leidenClusters(leidenNetwork(graph), resolution, rng);
  const sizes = new Map<number, number>();
  for (const module of found) sizes.set(module, (sizes.get(module) ?? 0) + 1);
  const bySize = [...sizes].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([module]) => module);
  usable.forEach((gene, i) => (modules[gene] = bySize.indexOf(found[i]!)));
  return modules;
}
