import * as tf from '@tensorflow/tfjs-core';
import type { Tensors } from './program.js';

/**
 * Value and gradients of a scalar function with respect to named tensors, by TensorFlow.js's own tape; usable inside a ProgramFn.
 * @param fn maps the tensors to a scalar loss and further tensors that ride along (not differentiated)
 * @param at the tensors to differentiate with respect to, by name
 * @throws if a name is not reached by the loss: a parameter that silently never trains is a bug, not a zero
 */
export function gradients<Aux extends Tensors>(
  fn: (at: Tensors) => { loss: tf.Scalar; aux: Aux },
  at: Tensors,
): { loss: tf.Scalar; aux: Aux; grads: Record<string, tf.Tensor> } {
  const names = Object.keys(at);
  let kept: [string, tf.Tensor][] = [];
  const { value, grads } = tf.valueAndGrads((...tensors: tf.Tensor[]) => {
    const result = fn(Object.fromEntries(names.map((name, i) => [name, tensors[i]!])));
    // valueAndGrads frees what its function does not return: carry the rest across that border by hand.
    kept = Object.entries(result.aux).map(([name, tensor]) => [name, tf.keep(tf.clone(tensor))]);
    return result.loss;
  })(names.map((name) => at[name]!));
  const aux = Object.fromEntries(kept.map(([name, tensor]) => [name, tf.clone(tensor)])) as unknown as Aux;
  for (const [, tensor] of kept) tensor.dispose();
  return { loss: value as tf.Scalar, aux, grads: Object.fromEntries(names.map((name, i) => [name, grads[i]!])) };
}
