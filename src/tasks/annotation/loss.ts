// B cells, C classes
import * as tf from '@tensorflow/tfjs-core';

/**
 * Weighted cross-entropy of class labels, and the share of the weight on rightly labelled cells. Both are sums over cells of
 * weight · value divided by the sum of the weights; a batch without weight gives 0.
 * @param logits [B, C]
 * @param labels [B] int32 in [0, C)
 * @param weights [B] float32 >= 0
 * @param smoothing share of the target spread evenly over the classes
 */
export function classificationLoss(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  weights: tf.Tensor1D,
  smoothing: number,
): { loss: tf.Scalar; accuracy: tf.Scalar } {
  const numClasses = logits.shape[1];
  const isLabel = tf.cast(tf.oneHot(labels, numClasses), 'float32'); // [B, C]
  const target = tf.add(tf.mul(isLabel, 1 - smoothing), smoothing / numClasses); // [B, C]
  const nll = tf.sub(tf.logSumExp(logits, 1), tf.sum(tf.mul(target, logits), 1)); // [B]
  const isRight = tf.cast(tf.equal(tf.argMax(logits, 1), labels), 'float32'); // [B]
  const total = tf.maximum(tf.sum(weights), 1e-12);
  const mean = (x: tf.Tensor) => tf.div(tf.sum(tf.mul(weights, x)), total) as tf.Scalar;
  return { loss: mean(nll), accuracy: mean(isRight) };
}

/** The loss above from logits read back, for a whole split. */
export function classificationLossOf(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights: ArrayLike<number>,
  numClasses: number,
  smoothing: number,
): number {
  let sum = 0;
  let total = 0;
  for (let i = 0; i < labels.length; i++) {
    const weight = weights[i]!;
    if (weight === 0) continue;
    let max = -Infinity;
    let mean = 0;
    for (let c = 0; c < numClasses; c++) {
      max = Math.max(max, logits[i * numClasses + c]!);
      mean += logits[i * numClasses + c]! / numClasses;
    }
    let exponentials = 0;
    for (let c = 0; c < numClasses; c++) exponentials += Math.exp(logits[i * numClasses + c]! - max);
    sum += weight * (max + Math.log(exponentials) - (1 - smoothing) * logits[i * numClasses + labels[i]!]! - smoothing * mean);
    total += weight;
  }
  return total > 0 ? sum / total : 0;
}
