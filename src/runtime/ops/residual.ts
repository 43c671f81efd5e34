// R rows of any leading shape, D width of the last axis
import * as tf from '@tensorflow/tfjs-core';
import { canFuse, fused } from './fused.js';
import { dropout, type DropoutSite } from './random.js';

/**
 * The end of a residual branch, x + dropout(branch).
 * @param x […, D] float32
 * @param branch […, D] float32
 * @param site none, or rate 0: no dropout. Which entries it takes follows from seed and index, by another generator where ops are fused.
 * @returns […, D] float32
 */
export function addDropped<T extends tf.Tensor>(x: T, branch: tf.Tensor, site: DropoutSite | undefined): T {
  return tf.tidy(() => {
    if (!canFuse()) return tf.add(x, dropout(branch, site)) as T;
    const attrs = { rate: site?.rate ?? 0, site: site?.index ?? 0 };
    const run = tf.customGrad((...args) => {
      const [x, branch, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
      const seed = site?.seed ?? tf.zeros([2], 'int32');
      save([seed]);
      return {
        value: fused(
          'ScdivaAddDropped',
          [
            [x, 'full'],
            [branch, 'either'],
            [seed, 'int'],
          ],
          attrs,
          [{ shape: x.shape, precision: 'full' }],
        )[0]!,
        // The branch ends in a matrix product, whose gradients are products too.
        gradFunc: (dy: tf.Tensor, [seed]: tf.Tensor[]) => [
          dy,
          fused(
            'ScdivaAddDroppedGrad',
            [
              [dy, 'full'],
              [seed!, 'int'],
            ],
            attrs,
            [{ shape: dy.shape, precision: 'low' }],
          )[0]!,
        ],
      };
    });
    return run(x, branch) as T;
  });
}
