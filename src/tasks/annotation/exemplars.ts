// n cells, m exemplars, D cell embedding, C classes
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../../errors.js';
import { distanceCurve, typicality } from '../../metrics/typicality.js';
import { readSafetensors, writeSafetensors } from '../../model/safetensors.js';
import type { Rng } from '../../rng.js';
import type { AnnotationLabels } from './labels.js';

/** Beside head.safetensors. */
export const EXEMPLARS_FILE = 'exemplars.safetensors';

/** Training cells kept of each class: enough for distances to tell what is far from all of them. */
const MOST_OF_CLASS = 100;
const MOST = 20_000;
/** Nearest exemplars whose distances are averaged. */
const NUM_NEIGHBOURS = 5;

/**
 * What cells a head was trained on, by examples. Softmax confidence says which class a cell would be of, if it were of one; how far it lies from
 * every example says whether it is (distance-based detection of the unknown: Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors").
 */
export interface Exemplars {
  /** [m, D] embeddings of training cells. */
  readonly embeddings: Float32Array;
  readonly embeddingDim: number;
  /** Distances of the validation cells, ascending, as `distanceCurve` gives them. */
  readonly curve: readonly number[];
}

/** Some training cells of each class. @returns corpus rows */
export function exemplarRows({ rows: { train }, codes, classes }: Pick<AnnotationLabels, 'rows' | 'codes' | 'classes'>, rng: Rng): Int32Array {
  const most = Math.max(1, Math.min(MOST_OF_CLASS, Math.floor(MOST / classes.length)));
  return Int32Array.from(
    classes.flatMap((name, code) => {
      const own = train.filter((row) => codes[row] === code);
      return Array.from(rng.fork(name).permutation(own.length).slice(0, most), (i) => own[i]!);
    }),
  ).sort();
}

/** @param validation [n, D] embeddings of cells that are no exemplars: what an ordinary distance is */
export function exemplarsOf(embeddings: Float32Array, validation: Float32Array, embeddingDim: number): Exemplars {
  const distances = nearestDistances(validation, { embeddings, embeddingDim });
  return { embeddings, embeddingDim, curve: distanceCurve(distances) };
}

/**
 * How like the cells of training each cell is: the share of validation cells that lie at least as far from the exemplars. NaN for an embedding of NaN.
 * @param embeddings [n, D]
 * @returns [n] 0 … 1
 */
export function typicalities(embeddings: Float32Array, exemplars: Exemplars): Float64Array {
  return nearestDistances(embeddings, exemplars).map((distance) => (Number.isNaN(distance) ? NaN : typicality(distance, exemplars.curve)));
}

/** Mean Euclidean distance to the nearest exemplars. @returns [n] */
function nearestDistances(embeddings: Float32Array, { embeddings: others, embeddingDim: D }: Pick<Exemplars, 'embeddings' | 'embeddingDim'>): Float64Array {
  const m = others.length / D;
  const k = Math.min(NUM_NEIGHBOURS, m);
  const nearest = new Float64Array(k);
  return Float64Array.from({ length: embeddings.length / D }, (_, i) => {
    if (Number.isNaN(embeddings[i * D])) return NaN;
    nearest.fill(Infinity);
    for (let j = 0; j < m; j++) {
      const worst = nearest[k - 1]!; // a cell that is farther already needs no more of its dimensions
      let squared = 0;
      for (let d = 0; d < D && squared < worst; d++) squared += (embeddings[i * D + d]! - others[j * D + d]!) ** 2;
      if (squared >= worst) continue;
      let place = k - 1;
      for (; place > 0 && nearest[place - 1]! > squared; place--) nearest[place] = nearest[place - 1]!;
      nearest[place] = squared;
    }
    return nearest.reduce((sum, squared) => sum + Math.sqrt(squared), 0) / k;
  });
}

export async function writeExemplars(folder: string, { embeddings, embeddingDim, curve }: Exemplars): Promise<void> {
  await writeSafetensors(join(folder, EXEMPLARS_FILE), {
    embeddings: { dtype: 'float32', shape: [embeddings.length / embeddingDim, embeddingDim], data: embeddings },
    curve: { dtype: 'float32', shape: [curve.length], data: Float32Array.from(curve) },
  });
}

/** @returns undefined for a checkpoint of before there were any @throws CheckpointError for exemplars of another head */
export async function readExemplars(folder: string, embeddingDim: number): Promise<Exemplars | undefined> {
  const file = join(folder, EXEMPLARS_FILE);
  if (!existsSync(file)) return undefined;
  const { embeddings, curve } = await readSafetensors(file);
  if (embeddings?.shape.length !== 2 || embeddings.shape[0] === 0 || embeddings.shape[1] !== embeddingDim || curve?.shape.length !== 1 || curve.shape[0]! < 2)
    throw new CheckpointError({ file, found: `not embeddings of ${embeddingDim} dimensions`, hint: 'the file is damaged or belongs to another checkpoint' });
  return { embeddings: embeddings.data as Float32Array, embeddingDim, curve: Array.from(curve.data as Float32Array) };
}
