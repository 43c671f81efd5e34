// B rows, I inputs, E inner width, O outputs
import * as tf from '@tensorflow/tfjs-core';
import type { Rng } from '../rng.js';
import { take } from '../model/take.js';
import { gelu } from '../runtime/ops/gelu.js';
import { linear } from '../runtime/ops/linear.js';
import { dropout, type DropoutSite } from '../runtime/ops/random.js';
import type { HostTensor, HostTensors, Tensors } from '../runtime/program/program.js';

/** Linear → GELU → dropout → Linear, the part task heads are made of. Names as PyTorch gives them to such a Sequential. */
export interface MlpSizes {
  readonly inputDim: number;
  readonly hiddenDim: number;
  readonly outputDim: number;
}

/** Name and shape of every parameter behind `prefix`, which ends in a dot. */
export function mlpSpecs(
  prefix: string,
  { inputDim: I, hiddenDim: E, outputDim: O }: MlpSizes,
): { readonly name: string; readonly shape: readonly number[]; readonly numIn: number }[] {
  return [
    { name: `${prefix}0.weight`, shape: [E, I], numIn: I },
    { name: `${prefix}0.bias`, shape: [E], numIn: I },
    { name: `${prefix}3.weight`, shape: [O, E], numIn: E },
    { name: `${prefix}3.bias`, shape: [O], numIn: E },
  ];
}

/** Weights and biases uniform in ±1/√inputs, each from its own stream. */
export function initialMlp(prefix: string, sizes: MlpSizes, rng: Rng): HostTensors {
  return Object.fromEntries(mlpSpecs(prefix, sizes).map(({ name, shape, numIn }) => [name, uniform(shape, 1 / Math.sqrt(numIn), rng.fork(`init/${name}`))]));
}

/** [B, I] → [B, O] @param site where dropout sits; none outside training */
export function mlp(parameters: Tensors, prefix: string, x: tf.Tensor, site?: DropoutSite): tf.Tensor2D {
  return tf.tidy(() => {
    const p = (name: string) => take(parameters, prefix + name);
    const inner = gelu(linear(x, p('0.weight'), p('0.bias'))); // [B, E]
    return linear(dropout(inner, site), p('3.weight'), p('3.bias')) as tf.Tensor2D; // [B, O]
  });
}

/** Keeps a dimension without spread from being blown up into noise; embeddings leave a norm layer with entries around 1. */
const SMALLEST_STD = 1e-3;

/** Shapes of what `initialScaling` makes. */
export function scalingSpecs(prefix: string, dim: number): { readonly name: string; readonly shape: readonly number[] }[] {
  return [
    { name: `${prefix}input_mean`, shape: [dim] },
    { name: `${prefix}input_std`, shape: [dim] },
  ];
}

/**
 * Fixed mean and standard deviation of embeddings of training cells, as the model was before fine-tuning. All cells share most of their
 * embedding, and what tells them apart may be a hundredth of it: heads look at it centred and scaled, so that one learning rate suits
 * every backbone.
 * @param embeddings [n, dim], n > 0
 */
export function initialScaling(prefix: string, embeddings: Float32Array, dim: number): HostTensors {
  const n = embeddings.length / dim;
  const column = (j: number) => Float64Array.from({ length: n }, (_, i) => embeddings[i * dim + j]!);
  const mean = Float32Array.from({ length: dim }, (_, j) => column(j).reduce((sum, v) => sum + v, 0) / n);
  const std = mean.map((m, j) => Math.sqrt(column(j).reduce((sum, v) => sum + (v - m) ** 2, 0) / n + SMALLEST_STD ** 2));
  const fixed = (data: Float32Array): HostTensor => ({ dtype: 'float32', shape: [dim], data });
  return { [`${prefix}input_mean`]: fixed(mean), [`${prefix}input_std`]: fixed(std) };
}

/** (x - mean) / std. [B, dim] */
export function scaled(parameters: Tensors, prefix: string, x: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.div(tf.sub(x, take(parameters, `${prefix}input_mean`)), take(parameters, `${prefix}input_std`)) as tf.Tensor2D);
}

/** The fixed statistics are no weights: nothing trains them. */
export const isFixedScaling = (name: string): boolean => name.endsWith('input_mean') || name.endsWith('input_std');

function uniform(shape: readonly number[], limit: number, rng: Rng): HostTensor {
  const size = shape.reduce((product, n) => product * n, 1);
  return { dtype: 'float32', shape, data: Float32Array.from({ length: size }, () => limit * (2 * rng.uniform() - 1)) };
}
