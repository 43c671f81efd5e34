import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { adversarialRamp, reverseGradient } from '../../../src/runtime/ops/gradient-reversal.js';
import { createExecutor } from '../../../src/runtime/program/executor.js';
import { gradients } from '../../../src/runtime/program/gradients.js';
import type { Executor, HostTensor } from '../../../src/runtime/program/program.js';
import { leakedTensors } from '../../support/check-gradients.js';
import { executorKinds, useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

const host = (...data: number[]): HostTensor => ({ dtype: 'float32', shape: [data.length], data: Float32Array.from(data) });

describe.each(executorKinds)('gradient reversal (%s)', (kind) => {
  let executor: Executor;
  beforeAll(async () => {
    executor = await createExecutor({ kind });
  }, 60_000);
  afterAll(() => executor.dispose());

  it('leaves values alone and turns gradients round, as strongly as it is fed', async () => {
    const variables = await executor.createVariables({ x: host(2, -3) });
    const program = executor.compile(
      (state, { strength }) => {
        const { loss, aux, grads } = gradients((at) => {
          const seen = reverseGradient(at['x']!, strength as tf.Scalar);
          return { loss: tf.sum(tf.square(seen)) as tf.Scalar, aux: { seen } };
        }, state);
        return { outputs: { loss, seen: aux.seen, dx: grads['x']! } };
      },
      { variables },
    );
    for (const strength of [0, 0.5, 2]) {
      const out = await program.run({ strength: { dtype: 'float32', shape: [], data: Float32Array.of(strength) } });
      expect([...out['seen']!.data]).toEqual([2, -3]);
      expect(out['loss']!.data[0]).toBe(13);
      // The gradient of Σ x² is 2x = (4, -6).
      out['dx']!.data.forEach((value, i) => expect(value).toBeCloseTo(-strength * [4, -6][i]!, 6));
    }
    program.dispose();
    variables.dispose();
  });

  it('makes a layer before it climb the loss that a layer behind it descends', async () => {
    const variables = await executor.createVariables({ before: host(1), behind: host(3) });
    const program = executor.compile(
      (state) => {
        const { grads } = gradients(
          (at) => ({ loss: tf.sum(tf.mul(reverseGradient(at['before']!, tf.scalar(1)), at['behind']!)) as tf.Scalar, aux: {} }),
          state,
        );
        return { outputs: grads };
      },
      { variables },
    );
    const out = await program.run({});
    expect(out['before']!.data[0]).toBe(-3);
    expect(out['behind']!.data[0]).toBe(1);
    program.dispose();
    variables.dispose();
  });
});

describe('gradient reversal', () => {
  it('leaks no tensor', () => {
    const x = tf.tensor1d([1, 2]);
    const strength = tf.scalar(0.3);
    expect(
      leakedTensors(() => tf.tidy(() => gradients((at) => ({ loss: tf.sum(reverseGradient(at['x']!, strength)) as tf.Scalar, aux: {} }), { x }).grads['x']!)),
    ).toBe(0);
  });
});

describe('the ramp', () => {
  it('is that of the paper: 0 at the start, 2 / (1 + exp(-10 p)) - 1', () => {
    const at = (p: number, steepness?: number) => adversarialRamp(tf.scalar(p), steepness).dataSync()[0]!;
    expect(at(0)).toBe(0);
    expect(at(0.1)).toBeCloseTo(0.46211716, 6);
    expect(at(0.5)).toBeCloseTo(0.9866143, 6);
    expect(at(1)).toBeCloseTo(0.9999092, 6);
    expect(at(0.5, 2)).toBeCloseTo(0.46211716, 6);
  });
});
