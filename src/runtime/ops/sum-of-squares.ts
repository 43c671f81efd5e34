import * as tf from '@tensorflow/tfjs-core';

/** The kernel behind `sumOfSquares`, on backends that need no tensor of squares for it. */
export const SUM_OF_SQUARES = 'SumOfSquares';

/** Σ x² over all entries, a scalar. Has no gradient: it measures gradients. */
export function sumOfSquares(x: tf.Tensor): tf.Scalar {
  if (tf.getKernel(SUM_OF_SQUARES, tf.getBackend())) return tf.engine().runKernel(SUM_OF_SQUARES, { x }) as tf.Scalar;
  return tf.sum(tf.square(x)) as tf.Scalar;
}
