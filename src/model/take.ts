import type * as tf from '@tensorflow/tfjs-core';
import type { Tensors } from '../runtime/program/program.js';

/** A parameter by its state-dict name. @throws Error naming it when it is not there: a misspelt name must not become a missing bias */
export function take<T extends tf.Tensor = tf.Tensor>(parameters: Tensors, name: string): T {
  const tensor = parameters[name];
  if (!tensor) throw new Error(`no parameter ${name}`);
  return tensor as T;
}
