// D width of the last axis
import * as tf from '@tensorflow/tfjs-core';
import { NORM_EPSILON } from './rms-norm.js';

/**
 * Layer normalisation over the last axis with the biased variance: (x - mean) / sqrt(variance + ε) · weight + bias.
 * @param x […, D] float32
 * @param weight [D] float32
 * @param bias [D] float32
 * @returns […, D] float32
 */
export function layerNorm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, epsilon = NORM_EPSILON): tf.Tensor {
  return tf.tidy(() => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const variance = tf.mean(tf.square(centred), -1, true); // […, 1]
    return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon))), weight), bias);
  });
}
