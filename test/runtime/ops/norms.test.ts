import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { layerNorm } from '../../../src/runtime/ops/layer-norm.js';
import { rmsNorm } from '../../../src/runtime/ops/rms-norm.js';
import { checkGradients, leakedTensors, randomTensor } from '../../support/check-gradients.js';
import { expectClose } from '../../support/expect-close.js';
import { useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

describe('rmsNorm', () => {
  it('gives rows of mean square 1 times the weight', () => {
    const out = rmsNorm(tf.tensor2d([3, 4, 0, 0, 30, 40, 0, 0], [2, 4]), tf.tensor1d([1, 1, 1, 2]), { epsilon: 0 });
    expectClose(out, { dtype: 'float32', shape: [2, 4], data: [1.2, 1.6, 0, 0, 1.2, 1.6, 0, 0] }, { atol: 1e-6 });
  });

  it('maps a row of zeros to zeros', () => {
    expectClose(rmsNorm(tf.zeros([1, 3]), tf.ones([3])), [0, 0, 0], {});
  });

  it('has the gradient of finite differences', () => {
    const rng = Rng.fromSeed(1);
    checkGradients(({ x, weight }) => rmsNorm(x!, weight!), { x: randomTensor(rng, [2, 3, 5]), weight: randomTensor(rng, [5]) });
  });

  it('keeps no tensor behind', () => {
    const [x, weight] = [tf.ones([2, 3]), tf.ones([3])];
    expect(leakedTensors(() => rmsNorm(x, weight))).toBe(0);
  });
});

describe('layerNorm', () => {
  it('gives rows of mean 0 and biased variance 1 before weight and bias', () => {
    const out = layerNorm(tf.tensor2d([1, 3, 5, 7], [1, 4]), tf.ones([4]), tf.tensor1d([0, 0, 0, 10]), 0);
    const unit = Math.sqrt(5);
    expectClose(out, [-3 / unit, -1 / unit, 1 / unit, 3 / unit + 10], { atol: 1e-5 });
  });

  it('has the gradient of finite differences', () => {
    const rng = Rng.fromSeed(2);
    checkGradients(({ x, weight, bias }) => layerNorm(x!, weight!, bias!), {
      x: randomTensor(rng, [3, 5]),
      weight: randomTensor(rng, [5]),
      bias: randomTensor(rng, [5]),
    });
  });
});
