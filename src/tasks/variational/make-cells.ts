// n cells, Z latent dimensions, G decoded genes
import type { SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import type { Rng } from '../../rng.js';
import { drawCell } from './hurdle.js';
import type { LatentSpace } from './latent-space.js';
import type { StoredPosterior } from './posterior-file.js';

/** Latent states to make cells of. */
export interface LatentDraws {
  /** [n, Z] */
  readonly z: Float32Array;
  /** [n] sequencing batch that is imitated, and the class of the training cell drawn near; -1 = none. */
  readonly techBatches: Int32Array;
  readonly labels: Int32Array;
}

/** Draws from N(0, 1). @param techBatches of training cells: one is drawn for each new cell */
export function drawFromPrior(numCells: number, latentDim: number, techBatches: Int32Array, rng: Rng): LatentDraws {
  const noise = rng.fork('noise');
  const cells = rng.fork('cells');
  return {
    z: Float32Array.from({ length: numCells * latentDim }, () => noise.normal()),
    techBatches: Int32Array.from({ length: numCells }, () => techBatches[cells.int(techBatches.length)] ?? -1),
    labels: new Int32Array(numCells).fill(-1),
  };
}

/**
 * Draws from the aggregate posterior: a training cell at random, then a state of its posterior.
 * @param label class code: only near such cells
 * @throws RangeError when no stored cell is of that class
 */
export function drawFromPosterior({ mu, logvar, labels, techBatches }: StoredPosterior, numCells: number, rng: Rng, label?: number): LatentDraws {
  const Z = mu.length / labels.length;
  const near = Int32Array.from(labels.keys()).filter((i) => label === undefined || labels[i] === label);
  if (near.length === 0) throw new RangeError(`no cell of class ${label}`);
  const noise = rng.fork('noise');
  const cells = rng.fork('cells');
  const drawn = Int32Array.from({ length: numCells }, () => near[cells.int(near.length)]!);
  return {
    z: Float32Array.from({ length: numCells * Z }, (_, i) => {
      const at = drawn[Math.floor(i / Z)]! * Z + (i % Z);
      return mu[at]! + Math.exp(logvar[at]! / 2) * noise.normal();
    }),
    techBatches: drawn.map((i) => techBatches[i]!),
    labels: drawn.map((i) => labels[i]!),
  };
}

/** Cells decoded and made at a time. */
const CHUNK = 512;

/**
 * Makes a cell of each latent state: which genes it shows, and how strongly, is drawn.
 * @returns [n, numColumns] log-normalised expression over the vocabulary
 */
export async function makeCells(space: LatentSpace, { z, techBatches }: LatentDraws, numColumns: number, rng: Rng): Promise<SparseMatrix> {
  const { latentDim: Z, geneIds } = space.info;
  const G = geneIds.length;
  const n = techBatches.length;
  const indptr = new Int32Array(n + 1);
  const indices: number[] = [];
  const values: number[] = [];
  for (let start = 0; start < n; start += CHUNK) {
    const end = Math.min(n, start + CHUNK);
    const { levels, spreads } = await space.decode(z.subarray(start * Z, end * Z), techBatches.subarray(start, end));
    for (let i = start; i < end; i++) {
      const at = (i - start) * 3 * G;
      drawCell(levels.subarray(at, at + G), levels.subarray(at + G, at + 2 * G), spreads, rng.fork(`cell/${i}`)).forEach((value, g) => {
        if (value === 0) return;
        indices.push(geneIds[g]!);
        values.push(value);
      });
      indptr[i + 1] = indices.length;
    }
  }
  return { numRows: n, numColumns, indptr, indices: Int32Array.from(indices), values: Float32Array.from(values) };
}
