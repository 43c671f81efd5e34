import type { CellBatch } from '../data/batch.js';
import type { Rng } from '../rng.js';
import type { HostTensor } from '../runtime/program/program.js';

/**
 * [2] int32, what a training batch's dropout is drawn from. Micro-batches and workers get streams of their own, by the place of their first
 * cell: all other draws are the same however a batch is divided, these are not, as dropout draws for whole tensors at once.
 */
export function dropoutSeed({ places }: Pick<CellBatch, 'places'>, rng: Rng): HostTensor {
  const first = places?.[0] ?? 0;
  return { dtype: 'int32', shape: [2], data: Int32Array.from(rng.fork(first === 0 ? 'dropout' : `dropout/${first}`).seedPair()) };
}
