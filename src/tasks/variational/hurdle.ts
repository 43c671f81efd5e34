// B cells, G decoded genes
import * as tf from '@tensorflow/tfjs-core';
import type { Rng } from '../../rng.js';

/**
 * Log-normalised expression given a latent state, gene by gene: with probability σ(logit) the gene is shown, and then its value is normal around its
 * mean; else it is 0. One likelihood for counts, CPM and log1p values alike, as the model itself sees them.
 */
export interface GeneLevels {
  /** [B, G] log odds that the gene is shown. */
  readonly logits: tf.Tensor2D;
  /** [B, G] its value where it is. */
  readonly means: tf.Tensor2D;
  /** [G] standard deviation of that value, above `SMALLEST_SPREAD`. */
  readonly spreads: tf.Tensor1D;
}

/** Keeps a gene of one single value from an infinite density. */
export const SMALLEST_SPREAD = 0.05;
const HALF_LOG_2_PI = 0.5 * Math.log(2 * Math.PI);

/** Negative log-likelihood of each cell, summed over genes, in nats. @param values [B, G] ≥ 0 @returns [B] */
export function hurdleNll({ logits, means, spreads }: GeneLevels, values: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const isShown = tf.cast(tf.greater(values, 0), 'float32'); // [B, G]
    // -log σ(logit) = softplus(-logit), -log(1 - σ(logit)) = softplus(logit) = softplus(-logit) + logit
    const silence = tf.add(tf.softplus(tf.neg(logits)), tf.mul(tf.sub(1, isShown), logits)); // [B, G]
    const deviation = tf.div(tf.sub(values, means), spreads); // [B, G]
    const density = tf.add(tf.mul(0.5, tf.square(deviation)), tf.add(tf.log(spreads), HALF_LOG_2_PI)); // [B, G]
    return tf.sum(tf.add(silence, tf.mul(isShown, density)), 1) as tf.Tensor1D; // [B]
  });
}

/** The likelihood above of one cell read back. @param levels [2, G] or longer: log odds, then means @param values [G] */
export function hurdleNllOf(levels: ArrayLike<number>, spreads: ArrayLike<number>, values: ArrayLike<number>): number {
  const G = spreads.length;
  let nll = 0;
  for (let g = 0; g < G; g++) {
    const logit = levels[g]!;
    const isShown = values[g]! > 0;
    nll += Math.max(0, -logit) + Math.log1p(Math.exp(-Math.abs(logit))) + (isShown ? 0 : logit);
    if (isShown) nll += 0.5 * ((values[g]! - levels[G + g]!) / spreads[g]!) ** 2 + Math.log(spreads[g]!) + HALF_LOG_2_PI;
  }
  return nll;
}

/** Expected value of every gene, zeros counted. [B, G]. A value is never below 0, so neither is the mean that stands for it. */
export function expectedValues({ logits, means }: GeneLevels): tf.Tensor2D {
  return tf.tidy(() => tf.mul(tf.sigmoid(logits), tf.relu(means)) as tf.Tensor2D);
}

/**
 * Draws one cell; a drawn value of 0 or less counts as not shown.
 * @param logits @param means @param spreads [G]
 * @returns [G]
 */
export function drawCell(logits: ArrayLike<number>, means: ArrayLike<number>, spreads: ArrayLike<number>, rng: Rng): Float32Array {
  return Float32Array.from({ length: logits.length }, (_, g) => {
    const isShown = rng.uniform() < 1 / (1 + Math.exp(-logits[g]!));
    const value = isShown ? means[g]! + spreads[g]! * rng.normal() : 0;
    return Math.max(0, value);
  });
}
