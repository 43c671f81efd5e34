import { UMAP } from 'umap-js';
import { silentProgress, type Progress } from '../progress.js';
import type { Rng } from '../rng.js';

const NUM_NEIGHBOURS = 15;
const NUM_EPOCHS = 300;

export interface Map2d {
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** How the map was made, for its caption. */
  readonly method: string;
}

/**
 * Places cells in the plane by UMAP over cosine distances. The same embedding and the same `rng` give the same map.
 * @param embedding [numCells, dim] row after row
 */
export function placeCells(embedding: Float32Array, dim: number, rng: Rng, progress: Progress = silentProgress): Map2d {
  const rows = Array.from({ length: embedding.length / dim }, (_, cell) => unitLength(embedding.subarray(cell * dim, (cell + 1) * dim)));
  if (rows.length < 4) return { x: Float32Array.from(rows, (_, i) => i), y: new Float32Array(rows.length), method: 'Too few cells for a map; side by side.' };
  const nNeighbors = Math.min(NUM_NEIGHBOURS, rows.length - 1);
  const draws = rng.fork('umap');
  const umap = new UMAP({ nComponents: 2, nNeighbors, nEpochs: NUM_EPOCHS, minDist: 0.3, random: () => draws.uniform(), distanceFn: euclidean });
  const numEpochs = umap.initializeFit(rows);
  const bar = progress.start('Map of the cells', numEpochs, 'rounds');
  for (let epoch = 0; epoch < numEpochs; epoch++) {
    umap.step();
    bar.update(epoch + 1);
  }
  bar.stop();
  const places = umap.getEmbedding();
  return {
    x: Float32Array.from(places, (place) => place[0]!),
    y: Float32Array.from(places, (place) => place[1]!),
    method: `UMAP of the cell embeddings (${nNeighbors} neighbours, cosine distance).`,
  };
}

/**
 * At most `maxCells` of some rows, ascending: those wanted first as far as there is room for, the others by lot.
 * @param isWanted rows that are to be drawn in any case (the test cells)
 */
export function chooseCells(rows: Int32Array, isWanted: (row: number) => boolean, maxCells: number, rng: Rng): Int32Array {
  const order = rng.shuffle(rows.slice());
  return Int32Array.from([...order.filter(isWanted), ...order.filter((row) => !isWanted(row))].slice(0, maxCells)).sort();
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
