import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { linear } from '../../../src/runtime/ops/linear.js';
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
    checkGradients(({ x, weight, bias }) => linear(x!, weight!, bias!), { x: randomTensor(rng, [2, 2, 3]), weight: randomTensor(rng, [5, 3]), bias: randomTensor(rng, [5]) });
  });
});

describe('swiGlu', () => {
  it('is gate · sigmoid(gate) · up', () => {
    expectClose(swiGlu(tf.tensor1d([0, 2, -30]), tf.tensor1d([5, 3, 1])), [0, (6 * 1) / (1 + Math.exp(-2)), 0], { atol: 1e-6 });
    expect(swiGlu(tf.ones([2, 3]), tf.ones([2, 3])).shape).toEqual([2, 3]);
  });

  it('has the gradient of finite differences', () => {
    const rng = Rng.fromSeed(4);
    checkGradients(({ gate, up }) => swiGlu(gate!, up!), { gate: randomTensor(rng, [2, 5]), up: randomTensor(rng, [2, 5]) });
  });
});
