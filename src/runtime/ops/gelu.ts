import * as tf from '@tensorflow/tfjs-core';

/** x · Φ(x), with the exact normal distribution function, as torch.nn.GELU. */
export function gelu(x: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.mul(x, tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))))));
}
