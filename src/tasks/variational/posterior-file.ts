// n training cells, Z latent dimensions
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../../errors.js';
import { readSafetensors, writeSafetensors } from '../../model/safetensors.js';
import type { LatentCells } from './latent-space.js';
import type { VariationalHeadInfo } from './head.js';

/** Beside head.safetensors: where training cells came to lie, from which new cells are drawn. */
export const POSTERIOR_FILE = 'posterior.safetensors';

/** The posteriors of some training cells: together they stand for where cells are, which the prior only promises. */
export interface StoredPosterior extends LatentCells {
  /** [n] class and sequencing batch of each cell, -1 = none. */
  readonly labels: Int32Array;
  readonly techBatches: Int32Array;
}

export async function writePosterior(
  folder: string,
  { mu, logvar, labels, techBatches }: StoredPosterior,
  { latentDim }: Pick<VariationalHeadInfo, 'latentDim'>,
): Promise<void> {
  const n = labels.length;
  await writeSafetensors(join(folder, POSTERIOR_FILE), {
    mu: { dtype: 'float32', shape: [n, latentDim], data: mu },
    logvar: { dtype: 'float32', shape: [n, latentDim], data: logvar },
    labels: { dtype: 'int32', shape: [n], data: labels },
    tech_batches: { dtype: 'int32', shape: [n], data: techBatches },
  });
}

/** @throws CheckpointError when the folder has none, or one of another head */
export async function readPosterior(folder: string, { latentDim }: Pick<VariationalHeadInfo, 'latentDim'>): Promise<StoredPosterior> {
  const file = join(folder, POSTERIOR_FILE);
  if (!existsSync(file))
    throw new CheckpointError({ file, found: 'no such file', hint: 'cells can be drawn from the prior alone, or finetune variational --resume writes it' });
  const { mu, logvar, labels, tech_batches: techBatches } = await readSafetensors(file);
  const n = labels?.shape[0] ?? 0;
  const isSound = n > 0 && String(mu?.shape) === `${n},${latentDim}` && String(logvar?.shape) === `${n},${latentDim}` && techBatches?.shape[0] === n;
  if (!isSound)
    throw new CheckpointError({
      file,
      found: `not ${latentDim} latent dimensions of some cells`,
      hint: 'the file is damaged or belongs to another checkpoint',
    });
  return {
    mu: mu!.data as Float32Array,
    logvar: logvar!.data as Float32Array,
    labels: labels!.data as Int32Array,
    techBatches: techBatches!.data as Int32Array,
  };
}
