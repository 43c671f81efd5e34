import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { linear, linearSideBySide } from '../../../src/runtime/ops/linear.js';
import { swiGlu } from '../../../src/runtime/ops/swiglu.js';
import { checkGradients, randomTensor } from '../../support/check-gradients.js';
import { expectClose } from '../../support/expect-close.js';
import { useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

describe('linear', () => {
  it('multiplies with the transposed weight over the last axis and adds the bias', () => {
    const x = tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
    const out = linear(x, tf.tensor2d([1, 0, 0, 1, 1, 1], [3, 2]), tf.tensor1d([0, 0, 10]));
    expectClose(out, { dtype: 'float32', shape: [2, 2, 3], data: [1, 2, 13, 3, 4, 17, 5, 6, 21, 7, 8, 25] }, { atol: 1e-6 });
  });

  it('has the gradient of finite differences', () => {
    const rng = Rng.fromSeed(3);
    checkGradients(({ x, weight, bias }) => linear(x!, weight!, bias!), {
      x: randomTensor(rng, [2, 2, 3]),
      weight: randomTensor(rng, [5, 3]),
      bias: randomTensor(rng, [5]),
    });
  });
});

describe('linearSideBySide', () => {
  it('gives what the projections give one by one, and their gradients', () => {
    const rng = Rng.fromSeed(5);
    const at = [randomTensor(rng, [2, 2, 3]), randomTensor(rng, [4, 3]), randomTensor(rng, [2, 3])];
    const weights = randomTensor(rng, [2, 2, 6]);
    const one = (x: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => linearSideBySide(x, [a, b]);
    const each = (x: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => tf.concat([linear(x, a), linear(x, b)], -1);
    const values = (fn: typeof one) => [fn(at[0]!, at[1]!, at[2]!), ...tf.grads((x, a, b) => tf.sum(tf.mul(fn(x!, a!, b!), weights)))(at)];
    const expected = values(each);
    values(one).forEach((value, i) => expectClose(value, expected[i]!, { atol: 1e-5 }));
  });
});

describe('swiGlu', () => {
  it('is gate · sigmoid(gate) · up', () => {
    expectClose(swiGlu(tf.tensor1d([0, 2, -30, 5, 3, 1])), [0, (6 * 1) / (1 + Math.exp(-2)), 0], { atol: 1e-6 });
    expect(swiGlu(tf.ones([2, 6])).shape).toEqual([2, 3]);
  });

  it('has the gradient of finite differences', () => {
    const rng = Rng.fromSeed(4);
    checkGradients(({ x }) => swiGlu(x!), { x: randomTensor(rng, [2, 10]) });
  });
});
