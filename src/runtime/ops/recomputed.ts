import * as tf from '@tensorflow/tfjs-core';
import { after } from './order.js';

/**
 * fn(inputs, constants), computed a second time in the backward pass instead of keeping what it makes on its way.
 * @param fn pure and differentiable by TensorFlow.js in all its inputs; randomness from a seed, or the second run differs from the first.
 *   It closes over no tensor: whatever the forward pass made is gone when the second run comes.
 * @param constants further tensors it needs, which get no gradient
 */
export function recomputed(
  fn: (inputs: tf.Tensor[], constants: tf.Tensor[]) => tf.Tensor,
  inputs: readonly tf.Tensor[],
  constants: readonly tf.Tensor[],
): tf.Tensor {
  return tf.customGrad((...args) => {
    const tensors = args.slice(0, -1) as tf.Tensor[];
    (args.at(-1) as unknown as tf.GradSaveFunc)([...tensors, ...constants]);
    return {
      value: fn(tensors, [...constants]),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [first, ...rest] = saved.slice(0, inputs.length);
        // Not before the gradient arrives: a graph would otherwise run it beside the forward pass and keep all of it after all.
        return besideOuterTape(() =>
          tf.grads((...at: tf.Tensor[]) => fn(at, saved.slice(inputs.length)))([after(first!, dy), ...rest.map((tensor) => tf.clone(tensor))], dy),
        );
      },
    };
  })(...inputs);
}

/**
 * Lets a backward pass differentiate inside: TensorFlow.js ends every outermost `grads` by clearing its one tape, and takes an inner one for
 * outermost when the outer's forward pass is over.
 */
function besideOuterTape<T>(fn: () => T): T {
  const { state } = tf.engine();
  const outer = state.activeTape;
  try {
    return fn();
  } finally {
    state.activeTape = outer;
  }
}
