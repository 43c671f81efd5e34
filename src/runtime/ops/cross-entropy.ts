// M rows (loss positions), D hidden, V classes (gene vocabulary)
import * as tf from '@tensorflow/tfjs-core';

/**
 * Negative log-likelihood of one class a row under softmax(rows · headᵀ), in nats. Takes rows and head instead of logits so that
 * [M, V], by far the largest tensor of a training step, need never exist as a whole.
 * @param rows [M, D] float32
 * @param head [V, D] float32
 * @param targets [M] int32, each in [0, V)
 * @returns [M] float32
 */
export function crossEntropy(rows: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const logits = tf.matMul(rows, head, false, true); // [M, V]
    const isTarget = tf.oneHot(targets, head.shape[0]) as tf.Tensor2D; // [M, V]
    const targetLogits = tf.sum(tf.mul(logits, isTarget), -1); // [M]
    return tf.sub(tf.logSumExp(logits, -1), targetLogits) as tf.Tensor1D;
  });
}
