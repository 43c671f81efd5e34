import * as tf from '@tensorflow/tfjs-core';

/** The kernel behind `sumOverWorkers`; only graphs of an executor with a cluster have it. */
export const SUM_OVER_WORKERS = 'SumOverWorkers';

export interface SumOverWorkersAttrs {
  /** What belongs together: the same number on every worker, another one for every sum of a run. `Cluster.reserveKeys` gives them out. */
  readonly key: number;
  /** What the values travel in; the sum is float32 again. */
  readonly wire: 'f32' | 'bf16';
}

/**
 * Σ x over all workers, bit for bit the same on each. Every worker must run it, in the same order of runs, with an x of the same shape.
 * Has no gradient: it sums gradients.
 * @param x float32
 */
export function sumOverWorkers<T extends tf.Tensor>(x: T, attrs: SumOverWorkersAttrs): T {
  return tf.engine().runKernel(SUM_OVER_WORKERS, { x }, attrs as unknown as tf.NamedAttrMap) as T;
}
