// F inner width of the feed-forward part
import * as tf from '@tensorflow/tfjs-core';

/**
 * The gated activation of SwiGLU, silu(gate) · up with silu(z) = z · sigmoid(z) (Shazeer, 2020).
 * @param gate […, F] float32
 * @param up […, F] float32
 * @returns […, F] float32
 */
export function swiGlu(gate: tf.Tensor, up: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.mul(tf.mul(gate, tf.sigmoid(gate)), up));
}
