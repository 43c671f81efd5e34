import { UMAP } from 'umap-js';
import { silentProgress, type Progress } from '../progress.js';
import type { Rng } from '../rng.js';

/** More cells than this neither draw well nor finish soon. */
const MAX_CELLS = 2500;
const NUM_NEIGHBOURS = 15;
const NUM_EPOCHS = 300;

export interface Map2d {
  /** Rows of the embedding that were placed, ascending. */
  readonly cells: Int32Array;
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** How the map was made, for its caption. */
  readonly method: string;
}

/**
 * Places cells in the plane by UMAP over cosine distances. The same embedding and the same `rng` give the same map.
 * @param embedding [numCells, dim] row after row
 * @param options.always rows that stay when there are too many to draw (the test cells); the others are drawn by lot
 */
export function placeCells(embedding: Float32Array, dim: number, rng: Rng, options: { always?: ReadonlySet<number>; maxCells?: number; progress?: Progress } = {}): Map2d {
  const cells = chooseCells(embedding.length / dim, rng.fork('sample'), options);
  if (cells.length < 4) return { cells, x: Float32Array.from(cells, (_, i) => i), y: new Float32Array(cells.length), method: 'Too few cells for a map; side by side.' };
  const nNeighbors = Math.min(NUM_NEIGHBOURS, cells.length - 1);
  const draws = rng.fork('umap');
  const umap = new UMAP({ nComponents: 2, nNeighbors, nEpochs: NUM_EPOCHS, minDist: 0.3, random: () => draws.uniform(), distanceFn: euclidean });
  const rows = Array.from(cells, (cell) => unitLength(embedding.subarray(cell * dim, (cell + 1) * dim)));
  const numEpochs = umap.initializeFit(rows);
  const bar = (options.progress ?? silentProgress).start('map of the cells', numEpochs, 'rounds');
  for (let epoch = 0; epoch < numEpochs; epoch++) {
    umap.step();
    bar.update(epoch + 1);
  }
  bar.stop();
  const places = umap.getEmbedding();
  return {
    cells,
    x: Float32Array.from(places, (place) => place[0]!),
    y: Float32Array.from(places, (place) => place[1]!),
    method: `UMAP of the cell embeddings (${nNeighbors} neighbours, cosine distance).`,
  };
}

function chooseCells(numCells: number, rng: Rng, { always = new Set(), maxCells = MAX_CELLS }: { always?: ReadonlySet<number>; maxCells?: number }): Int32Array {
  if (numCells <= maxCells) return Int32Array.from({ length: numCells }, (_, i) => i);
  const order = rng.permutation(numCells);
  const first = order.filter((cell) => always.has(cell));
  const rest = order.filter((cell) => !always.has(cell));
  return Int32Array.from([...first, ...rest].slice(0, maxCells)).sort();
}

/** Between vectors of length 1 the Euclidean distance orders neighbours as the cosine distance does. */
function unitLength(row: Float32Array): number[] {
  const length = Math.hypot(...row) || 1;
  return Array.from(row, (value) => value / length);
}

function euclidean(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum);
}
