import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../src/rng.js';
import { gradients } from '../../src/runtime/program/gradients.js';
import type { Tensors } from '../../src/runtime/program/program.js';
import { expectClose } from './expect-close.js';

/** A float32 tensor of normal draws, times `scale`. */
export function randomTensor(rng: Rng, shape: readonly number[], scale = 1): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => scale * rng.normal()),
    [...shape],
  );
}

/**
 * Holds the gradients of `fn` against finite differences (central, fourth order) of a fixed random projection of its result.
 * Inputs stay small: every entry costs four evaluations.
 */
export function checkGradients(fn: (at: Tensors) => tf.Tensor, at: Tensors, { step = 1e-2, atol = 2e-3, rtol = 2e-3 } = {}): void {
  tf.tidy(() => {
    const weights = randomTensor(Rng.fromSeed(77), fn(at).shape);
    const project = (tensors: Tensors) => tf.sum(tf.mul(fn(tensors), weights)) as tf.Scalar;
    const { grads } = gradients((tensors) => ({ loss: project(tensors), aux: {} }), at);
    for (const [name, tensor] of Object.entries(at)) {
      const values = tensor.dataSync();
      const differences = values.map((_, i) => {
        const shifted = (by: number) =>
          tf.tidy(() => {
            const moved = values.slice();
            moved[i] = values[i]! + by * step;
            return project({ ...at, [name]: tf.tensor(moved, tensor.shape) }).dataSync()[0]!;
          });
        return (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * step);
      });
      try {
        expectClose(
          { dtype: 'float32', shape: tensor.shape, data: grads[name]!.dataSync() },
          { dtype: 'float32', shape: tensor.shape, data: differences },
          { atol, rtol },
        );
      } catch (error) {
        throw new Error(`gradient of ${name}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
}

/** Runs `fn` twice and gives the change of living tensors the second run leaves, its result released. */
export function leakedTensors(fn: () => tf.TensorContainer): number {
  tf.dispose(fn());
  const before = tf.memory().numTensors;
  tf.dispose(fn());
  return tf.memory().numTensors - before;
}
