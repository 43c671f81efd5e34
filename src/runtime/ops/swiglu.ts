// F inner width of the feed-forward part
import * as tf from '@tensorflow/tfjs-core';
import { inLowPrecision } from '../program/autocast.js';
import { canFuse, fused } from './fused.js';
import { after } from './order.js';

/**
 * The gated activation of SwiGLU, silu(gate) · up with silu(z) = z · sigmoid(z) (Shazeer, 2020). Keeps its input alone for the
 * backward pass. Stands between matrix products, and runs in their precision.
 * @param gateUp […, 2F] float32, gate and up side by side
 * @returns […, F] float32
 */
export function swiGlu(gateUp: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const run = tf.customGrad((...args) => {
      const [x, save] = args as unknown as [tf.Tensor, tf.GradSaveFunc];
      save([x]);
      return { value: forward(x), gradFunc: (dy: tf.Tensor, [x]: tf.Tensor[]) => backward(after(x!, dy), dy) };
    });
    return run(gateUp);
  });
}

function forward(x: tf.Tensor): tf.Tensor {
  if (canFuse()) return fused('ScdivaSwiGlu', [[x, 'low']], {}, [{ shape: [...x.shape.slice(0, -1), x.shape.at(-1)! / 2], precision: 'low' }])[0]!;
  return inLowPrecision(() => {
    const [gate, up] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
    return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
  });
}

/** silu'(z) = s + silu(z) · (1 - s), with s = sigmoid(z). */
function backward(x: tf.Tensor, dy: tf.Tensor): tf.Tensor {
  if (canFuse())
    return fused(
      'ScdivaSwiGluGrad',
      [
        [x, 'low'],
        [dy, 'low'],
      ],
      {},
      [{ shape: x.shape, precision: 'low' }],
    )[0]!;
  return inLowPrecision(() => {
    const [gate, up] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
    const s = tf.sigmoid(gate);
    const silu = tf.mul(gate, s);
    const slope = tf.add(s, tf.sub(silu, tf.mul(silu, s)));
    return tf.concat([tf.mul(tf.mul(dy, up), slope), tf.mul(dy, silu)], -1);
  });
}
