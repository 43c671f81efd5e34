// D width of the last axis
import * as tf from '@tensorflow/tfjs-core';

/** Added to the mean square before the root; the released checkpoints were trained with this value. */
export const NORM_EPSILON = 1e-5;

/**
 * Root-mean-square normalisation over the last axis, x / sqrt(mean(x²) + ε) · weight (Zhang and Sennrich, 2019).
 * @param x […, D] float32
 * @param weight [D] float32
 * @returns […, D] float32
 */
export function rmsNorm(x: tf.Tensor, weight: tf.Tensor, epsilon = NORM_EPSILON): tf.Tensor {
  return tf.tidy(() => {
    const meanSquare = tf.mean(tf.square(x), -1, true); // […, 1]
    return tf.mul(tf.mul(x, tf.rsqrt(tf.add(meanSquare, epsilon))), weight);
  });
}
