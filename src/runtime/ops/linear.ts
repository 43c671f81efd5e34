// N rows of any leading shape […, I], I inputs, O outputs
import * as tf from '@tensorflow/tfjs-core';
import { inLowPrecision } from '../program/autocast.js';

/**
 * x · weightᵀ + bias, with the weight as checkpoints store it.
 * @param x […, I] float32
 * @param weight [O, I] float32
 * @param bias [O] float32; none when absent
 * @returns […, O] float32
 */
export function linear(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const [numOut, numIn] = weight.shape as [number, number];
    // One plain matrix product: batched products of the same size take a slower kernel.
    const rows = tf.reshape(x, [x.size / numIn, numIn]); // [N, I]
    const product = tf.matMul(rows, weight as tf.Tensor2D, false, true); // [N, O]
    return tf.reshape(bias ? tf.add(product, bias) : product, [...x.shape.slice(0, -1), numOut]); // […, O]
  });
}

/**
 * Several projections of the same input as one product: fewer passes over x, and one product for its gradient.
 * @param x […, I] float32
 * @param weights [O_i, I] float32 each
 * @returns […, Σ O_i] float32, side by side in the order of the weights
 */
export function linearSideBySide(x: tf.Tensor, weights: readonly tf.Tensor[]): tf.Tensor {
  return tf.tidy(() =>
    linear(
      x,
      inLowPrecision(() => tf.concat([...weights], 0)),
    ),
  );
}
