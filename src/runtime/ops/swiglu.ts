// F inner width of the feed-forward part
import * as tf from '@tensorflow/tfjs-core';
import { inLowPrecision } from '../program/autocast.js';
import { after } from './order.js';

/**
 * The gated activation of SwiGLU, silu(gate) · up with silu(z) = z · sigmoid(z) (Shazeer, 2020). Keeps its inputs alone for the
 * backward pass. Stands between matrix products, and runs in their precision.
 * @param gate […, F] float32
 * @param up […, F] float32
 * @returns […, F] float32
 */
export function swiGlu(gate: tf.Tensor, up: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const run = tf.customGrad((...args) => {
      const [gate, up] = args as unknown as [tf.Tensor, tf.Tensor];
      (args[2] as unknown as tf.GradSaveFunc)([gate, up]);
      return {
        value: inLowPrecision(() => tf.mul(tf.mul(gate, tf.sigmoid(gate)), up)),
        gradFunc: (dy: tf.Tensor, [gate, up]: tf.Tensor[]) => inLowPrecision(() => backward(after(gate!, dy), up!, dy)),
      };
    });
    return run(gate, up);
  });
}

/** silu'(z) = s + silu(z) · (1 - s), with s = sigmoid(z). */
function backward(gate: tf.Tensor, up: tf.Tensor, dy: tf.Tensor): tf.Tensor[] {
  const s = tf.sigmoid(gate);
  const silu = tf.mul(gate, s);
  const slope = tf.add(s, tf.sub(silu, tf.mul(silu, s)));
  return [tf.mul(tf.mul(dy, up), slope), tf.mul(dy, silu)];
}
