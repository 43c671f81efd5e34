import * as tf from '@tensorflow/tfjs-core';

/** The kernel behind `after`; backends that run ops as they come have none and need none. */
export const AFTER = 'After';

/**
 * x, to be used only once `earlier` is computed. A graph runs an op as soon as its inputs are there: a backward pass that computes
 * something anew would do so in the middle of the forward pass, and hold the result for as long as if it had been kept. Ordering
 * its inputs after the incoming gradient is what makes recomputation save memory; ordering pieces one after another bounds it.
 */
export function after<T extends tf.Tensor>(x: T, earlier: tf.Tensor): T {
  if (!tf.getKernel(AFTER, tf.getBackend())) return tf.clone(x);
  return tf.engine().runKernel(AFTER, { x, earlier }) as T;
}
