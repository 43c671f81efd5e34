// N rows of any leading shape, D width of the last axis
import * as tf from '@tensorflow/tfjs-core';
import { inFullPrecision } from '../program/autocast.js';
import { canFuse, fused } from './fused.js';
import { after } from './order.js';

/** Added to the mean square before the root; the released checkpoints were trained with this value. */
export const NORM_EPSILON = 1e-5;

export interface RmsNormOptions {
  readonly epsilon?: number;
  /** Only matrix products will see the result: it may be rounded to their precision at once. */
  readonly isForProduct?: boolean;
}

/**
 * Root-mean-square normalisation over the last axis, x / sqrt(mean(x²) + ε) · weight (Zhang and Sennrich, 2019). Keeps its inputs
 * alone for the backward pass.
 * @param x […, D] float32
 * @param weight [D] float32
 * @returns […, D] float32
 */
export function rmsNorm(x: tf.Tensor, weight: tf.Tensor, { epsilon = NORM_EPSILON, isForProduct = false }: RmsNormOptions = {}): tf.Tensor {
  return tf.tidy(() => {
    const run = tf.customGrad((...args) => {
      const [x, weight] = args as unknown as [tf.Tensor, tf.Tensor];
      (args[2] as unknown as tf.GradSaveFunc)([x, weight]);
      return {
        value: forward(x, weight, epsilon, isForProduct),
        gradFunc: (dy: tf.Tensor, [x, weight]: tf.Tensor[]) => backward(after(x!, dy), weight!, dy, epsilon),
      };
    });
    return run(x, weight);
  });
}

function forward(x: tf.Tensor, weight: tf.Tensor, epsilon: number, isForProduct: boolean): tf.Tensor {
  if (canFuse())
    return fused(
      'ScdivaRmsNorm',
      [
        [x, 'full'],
        [weight, 'full'],
      ],
      { epsilon },
      [{ shape: x.shape, precision: isForProduct ? 'low' : 'full' }],
    )[0]!;
  return tf.mul(tf.mul(x, inverseRoot(x, epsilon)), weight);
}

/** 1 / sqrt(mean(x²) + ε). […, 1] */
function inverseRoot(x: tf.Tensor, epsilon: number): tf.Tensor {
  return tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon));
}

/**
 * With r the inverse root: dx = r · (dy ∘ w) - x · r³ · Σ(dy ∘ w ∘ x) / D, dw = Σ over rows of r · dy ∘ x. Both sums are products
 * of the one matrix dy ∘ x, with w on its right and r on its left.
 */
function backward(x: tf.Tensor, weight: tf.Tensor, dy: tf.Tensor, epsilon: number): tf.Tensor[] {
  const D = weight.size;
  if (canFuse()) {
    const results = [
      { shape: x.shape, precision: 'full' as const },
      { shape: [D], precision: 'full' as const },
    ];
    return fused(
      'ScdivaRmsNormGrad',
      [
        [x, 'full'],
        [weight, 'full'],
        [dy, 'either'],
      ],
      { epsilon },
      results,
    );
  }
  const N = x.size / D;
  const r = inverseRoot(x, epsilon); // […, 1]
  const along = tf.reshape(tf.mul(dy, x), [N, D]) as tf.Tensor2D;
  const [rowSums, dWeight] = inFullPrecision(() => [
    tf.matMul(along, tf.reshape(weight, [D, 1]) as tf.Tensor2D), // [N, 1]
    tf.matMul(tf.reshape(r, [1, N]) as tf.Tensor2D, along), // [1, D]
  ]);
  const pull = tf.mul(tf.reshape(rowSums!, r.shape), tf.div(tf.mul(r, tf.square(r)), D)); // […, 1]
  const dx = tf.sub(tf.mul(tf.mul(dy, weight), r), tf.mul(x, pull));
  return [dx, tf.reshape(dWeight!, [D])];
}
