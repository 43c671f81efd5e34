// B cells, H heads, T positions, K head width
import * as tf from '@tensorflow/tfjs-core';
import { dropout, type DropoutSite } from './random.js';

/** The smallest finite float32: added to the scores of positions that nobody may attend to. */
const LOWEST = -3.4028234663852886e38;

/**
 * Scaled dot-product attention, softmax(q kᵀ / √K + bias) v; at least one position of every cell must be open.
 * @param q [B, H, T, K] float32
 * @param k [B, H, T, K] float32
 * @param v [B, H, T, K] float32
 * @param canAttend [B, T] float32: 1 = may be attended to, 0 = padding
 * @param site dropout on the attention probabilities; none when absent
 * @returns [B, H, T, K] float32
 */
export function attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, canAttend: tf.Tensor2D, site?: DropoutSite): tf.Tensor4D {
  return tf.tidy(() => {
    const [numCells, , numPositions, headDim] = q.shape;
    const bias = tf.reshape(tf.mul(tf.sub(1, canAttend), LOWEST), [numCells, 1, 1, numPositions]); // [B, 1, 1, T]
    const scores = tf.matMul(tf.mul(q, 1 / Math.sqrt(headDim)), k, false, true); // [B, H, T, T]
    const probabilities = tf.softmax(tf.add(scores, bias), -1);
    return tf.matMul(dropout(probabilities, site), v) as tf.Tensor4D; // [B, H, T, K]
  });
}
