import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { dropout, isKeptOfMany, statelessUniform } from '../../../src/runtime/ops/random.js';
import { checkGradients, leakedTensors, randomTensor } from '../../support/check-gradients.js';
import { expectClose } from '../../support/expect-close.js';
import { useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

const seed = (a = 1, b = 2) => tf.tensor1d([a, b], 'int32');

for (const backend of ['tensorflow', 'cpu'] as const) {
  const on = <T>(fn: () => T): T => {
    const before = tf.getBackend();
    tf.setBackend(backend) as unknown;
    try {
      return fn();
    } finally {
      tf.setBackend(before) as unknown;
    }
  };

  describe(`statelessUniform on ${backend}`, () => {
    it('is a function of shape and seed', () =>
      on(() => {
        const draw = (a: number, b: number) => [...statelessUniform([3, 5], seed(a, b)).dataSync()];
        expect(draw(1, 2)).toEqual(draw(1, 2));
        expect(draw(1, 2)).not.toEqual(draw(1, 3));
        expect(draw(1, 2)).not.toEqual(draw(2, 2));
        expect(draw(-5, 2 ** 31 - 1)).toHaveLength(15);
      }));

    it('fills [0, 1) evenly', () =>
      on(() => {
        const values = statelessUniform([40_001], seed()).dataSync();
        const bins = new Array<number>(10).fill(0);
        for (const value of values) {
          expect(value >= 0 && value < 1).toBe(true);
          bins[Math.floor(value * 10)]!++;
        }
        // Six standard deviations of a binomial count.
        for (const count of bins) expect(Math.abs(count - 4000)).toBeLessThan(6 * Math.sqrt(40_001 * 0.09));
      }));
  });

  describe(`dropout on ${backend}`, () => {
    it('zeroes the stated share and keeps the mean', () =>
      on(() => {
        const out = dropout(tf.ones([200, 200]), { rate: 0.3, seed: seed(), index: 0 }).dataSync() as Float32Array;
        const numZero = out.reduce((n, value) => n + Number(value === 0), 0);
        expect(Math.abs(numZero / 40_000 - 0.3)).toBeLessThan(6 * Math.sqrt(0.21 / 40_000));
        expectClose(
          out.filter((value) => value !== 0),
          new Float32Array(40_000 - numZero).fill(1 / 0.7),
          { rtol: 1e-6 },
        );
        expect(out.reduce((a, b) => a + b) / 40_000).toBeCloseTo(1, 1);
      }));

    it('repeats with the seed and site, and changes with either', () =>
      on(() => {
        const draw = (a: number, index: number) => [...dropout(tf.ones([64]), { rate: 0.5, seed: seed(a), index }).dataSync()];
        expect(draw(1, 0)).toEqual(draw(1, 0));
        expect(draw(1, 0)).not.toEqual(draw(2, 0));
        expect(draw(1, 0)).not.toEqual(draw(1, 1));
      }));

    it('passes the gradient where it passed the value', () =>
      on(() => {
        const site = { rate: 0.5, seed: seed(), index: 3 };
        const x = tf.ones([50]);
        expectClose(tf.grad((x) => tf.sum(dropout(x, site)))(x), dropout(x, site), {});
      }));
  });
}

describe('flags drawn a byte at a time', () => {
  it.each([0.001, 0.1, 0.5, 0.999])('keep the share they state, near the rate %s asked for', (rate) => {
    const { flags, share } = isKeptOfMany([3, 7, 4999], rate, seed());
    expect(Math.abs(1 - rate - share)).toBeLessThanOrEqual(1 / 512);
    const values = flags.dataSync() as Float32Array;
    expect(flags.shape).toEqual([3, 7, 4999]);
    expect(values.every((value) => value === 0 || value === 1)).toBe(true);
    const mean = values.reduce((a, b) => a + b) / values.length;
    expect(Math.abs(mean - share)).toBeLessThan(6 * Math.sqrt((share * (1 - share)) / values.length));
  });

  it('are a function of shape and seed', () => {
    const draw = (a: number, b: number) => [...isKeptOfMany([50], 0.5, seed(a, b)).flags.dataSync()];
    expect(draw(1, 2)).toEqual(draw(1, 2));
    expect(draw(1, 2)).not.toEqual(draw(1, 3));
    const s = seed();
    expect(leakedTensors(() => isKeptOfMany([50], 0.5, s).flags)).toBe(0);
  });
});

describe('dropout', () => {
  it('leaves the tensor alone at rate 0 or without a site', () => {
    const x = randomTensor(Rng.fromSeed(1), [4]);
    expectClose(dropout(x, undefined), x, {});
    expectClose(dropout(x, { rate: 0, seed: seed(), index: 0 }), x, {});
  });

  it('has the gradient of finite differences', () => {
    const site = { rate: 0.5, seed: seed(), index: 1 };
    checkGradients(({ x }) => tf.square(dropout(x!, site)), { x: randomTensor(Rng.fromSeed(2), [3, 4]) });
  });

  it('keeps no tensor behind, its gradient included', () => {
    const [x, s] = [tf.ones([4]), seed()];
    expect(leakedTensors(() => dropout(x, { rate: 0.5, seed: s, index: 0 }))).toBe(0);
    expect(leakedTensors(() => tf.grad((x) => tf.sum(dropout(x, { rate: 0.5, seed: s, index: 0 })))(x))).toBe(0);
  });
});
