// B cells, L genes in context
import * as tf from '@tensorflow/tfjs-core';

/** Distances along the context at which genes are compared; contexts are in rank order, so near and far ranks meet. */
const SHIFTS = [1, 3, 8, 21, 55, 144];

/**
 * Σ w · (predicted - real)² / Σ w, and 0 where every weight is 0.
 * @param predicted [B, L] changes
 * @param weights [B, L] ≥ 0, 0 at padding
 */
export function weightedSquaredError(predicted: tf.Tensor2D, real: tf.Tensor2D, weights: tf.Tensor2D): tf.Scalar {
  return tf.tidy(() => meanOver(tf.mul(tf.squaredDifference(predicted, real), weights), weights));
}

/**
 * Ranking that knows what is differentially expressed: of two genes of one cell, at least one of which the perturbation changes, the one
 * that really rises more is to be predicted to rise more,
 *
 *     Σ u · softplus(-s · (δ_i - δ_j) / scale) / Σ u,   s = sign(Δ_i - Δ_j),   u = |Δ_i - Δ_j| where the pair counts, else 0.
 *
 * Pairs are those of slots 1, 3, 8, 21 … apart (around the end), not all: the cost grows with L, not L².
 * @param predicted δ [B, L]
 * @param real Δ [B, L]
 * @param isChanged [B, L] 1 = differentially expressed
 * @param isValid [B, L] 0 = padding
 */
export function deRankingLoss(predicted: tf.Tensor2D, real: tf.Tensor2D, isChanged: tf.Tensor2D, isValid: tf.Tensor2D, scale: number): tf.Scalar {
  return tf.tidy(() => {
    const numGenes = predicted.shape[1];
    const sums: tf.Tensor[] = [];
    const totals: tf.Tensor[] = [];
    for (const shift of SHIFTS.filter((s) => s < numGenes)) {
      const other = (x: tf.Tensor2D): tf.Tensor => tf.concat([tf.slice(x, [0, shift], [-1, numGenes - shift]), tf.slice(x, [0, 0], [-1, shift])], 1);
      const difference = tf.sub(real, other(real));
      const counts = tf.mul(tf.mul(tf.maximum(isChanged, other(isChanged)), isValid), other(isValid));
      const weight = tf.mul(tf.abs(difference), counts);
      const agreement = tf.div(tf.mul(tf.sign(difference), tf.sub(predicted, other(predicted))), scale);
      sums.push(tf.sum(tf.mul(weight, softplus(tf.neg(agreement)))));
      totals.push(tf.sum(weight));
    }
    if (sums.length === 0) return tf.mul(tf.sum(predicted), 0) as tf.Scalar; // a single gene has no order
    return safeDivide(tf.addN(sums), tf.addN(totals));
  });
}

/** ln(1 + eˣ) without overflow. */
function softplus(x: tf.Tensor): tf.Tensor {
  return tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x)))));
}

function meanOver(weighted: tf.Tensor, weights: tf.Tensor): tf.Scalar {
  return safeDivide(tf.sum(weighted), tf.sum(weights));
}

/** sum / total, 0 over 0 being 0. */
function safeDivide(sum: tf.Tensor, total: tf.Tensor): tf.Scalar {
  return tf.div(sum, tf.add(total, tf.cast(tf.equal(total, 0), 'float32'))) as tf.Scalar;
}
