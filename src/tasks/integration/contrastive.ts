// B cells, P coordinates of the integrated space
import * as tf from '@tensorflow/tfjs-core';

/** Stands in for -∞ where a pair does not count: exp of it is 0 at any temperature in use, and 0 times it is 0. */
const NEVER = -1e9;

/**
 * Supervised contrastive loss (Khosla et al. 2020, "Supervised Contrastive Learning", equation 2): for every cell with others of its kind in
 * the batch, minus the mean over these of log(exp(z·z'/τ) / Σ exp(z·z''/τ)), the sum over all other cells that have a kind; then the mean
 * over such cells. 0 where no two cells are of one kind.
 * @param z [B, P], rows of length 1
 * @param kinds [B] int32; -1 = not known: the cell takes no part
 */
export function contrastiveLoss(z: tf.Tensor2D, kinds: tf.Tensor1D, temperature: number): tf.Scalar {
  return tf.tidy(() => {
    const numCells = z.shape[0];
    const isKnown = tf.cast(tf.greaterEqual(kinds, 0), 'float32'); // [B]
    const counts = tf.mul(tf.mul(tf.expandDims(isKnown, 1), tf.expandDims(isKnown, 0)), tf.sub(1, tf.eye(numCells))); // [B, B]
    const isPositive = tf.mul(counts, tf.cast(tf.equal(tf.expandDims(kinds, 1), tf.expandDims(kinds, 0)), 'float32')); // [B, B]
    const similarity = tf.div(tf.matMul(z, z, false, true), temperature); // [B, B]
    const logSum = tf.logSumExp(tf.add(similarity, tf.mul(tf.sub(1, counts), NEVER)), 1, true); // [B, 1]
    const numPositives = tf.sum(isPositive, 1); // [B]
    const isAnchor = tf.cast(tf.greater(numPositives, 0), 'float32'); // [B]
    const perCell = tf.div(tf.sum(tf.mul(isPositive, tf.sub(logSum, similarity)), 1), tf.maximum(numPositives, 1)); // [B], 0 without positives
    return tf.div(tf.sum(perCell), tf.maximum(tf.sum(isAnchor), 1)) as tf.Scalar;
  });
}
