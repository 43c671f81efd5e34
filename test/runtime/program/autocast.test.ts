import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { hasNative, useTensorFlow } from '../../support/tensorflow.js';
import { attention } from '../../../src/runtime/ops/attention.js';
import { dropout } from '../../../src/runtime/ops/random.js';
import { inLowPrecision } from '../../../src/runtime/program/autocast.js';
import { createExecutor } from '../../../src/runtime/program/executor.js';
import { gradients } from '../../../src/runtime/program/gradients.js';
import type { Executor, HostTensor, ProgramFn } from '../../../src/runtime/program/program.js';

useTensorFlow();

/** Has more bits than bfloat16's eight: 1 there, itself in float32. */
const FINE = 1 + 2 ** -10;
const filled = (shape: number[], value: number): HostTensor => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
});

describe.runIf(hasNative)('a program compiled for bf16', () => {
  let executor: Executor;
  beforeAll(async () => {
    executor = await createExecutor({ kind: 'graph', precision: 'bf16' });
  });
  afterAll(() => executor.dispose());

  const run = async (fn: ProgramFn, precision?: 'f32' | 'bf16') => {
    const variables = await executor.createVariables({ x: filled([1, 1], FINE), ones: filled([1, 4096], 1) });
    const out = await executor.compile(fn, { variables, ...(precision && { precision }) }).run({});
    return Object.fromEntries(Object.entries(out).map(([name, { data }]) => [name, data[0]]));
  };
  const product = (x: tf.Tensor) => tf.matMul(x as tf.Tensor2D, tf.ones([1, 1]));

  it('multiplies matrices in bf16 and does everything else in f32', async () => {
    const out = await run(({ x }) => ({
      outputs: {
        product: product(x!),
        batched: tf.matMul(tf.reshape(x!, [1, 1, 1]), tf.ones([1, 1, 1])),
        scaled: tf.mul(x!, 1),
        norm: tf.sqrt(tf.square(x!)),
        mean: tf.mean(x!),
        moved: tf.transpose(tf.reshape(x!, [1, 1])),
      },
    }));
    expect(out['product']).toBe(1);
    expect(out['batched']).toBe(1);
    for (const name of ['scaled', 'norm', 'mean', 'moved']) expect(out[name]).toBeCloseTo(FINE, 6);
  });

  it('sums products in f32', async () => {
    // In bf16 a running sum of ones stops at 256.
    expect((await run(({ ones }) => ({ outputs: { sum: tf.matMul(ones as tf.Tensor2D, ones as tf.Tensor2D, false, true) } })))['sum']).toBe(4096);
    expect((await run(({ ones }) => ({ outputs: { sum: inLowPrecision(() => tf.sum(ones!)) } })))['sum']).toBe(4096);
  });

  it('takes element-wise ops between products to bf16 where the code allows it, and only there', async () => {
    const out = await run(({ x }) => ({
      outputs: {
        inside: inLowPrecision(() => tf.mul(x!, 1)),
        after: tf.mul(x!, 1),
        back: tf.add(
          inLowPrecision(() => tf.mul(x!, 1)),
          2 ** -10,
        ),
      },
    }));
    expect(out['inside']).toBe(1);
    expect(out['after']).toBeCloseTo(FINE, 6);
    expect(out['back']).toBeCloseTo(FINE, 6);
  });

  it('drops the share it is told, in attention too', async () => {
    const [B, H, T, K] = [1, 2, 64, 8];
    const site = (seed: tf.Tensor) => ({ rate: 0.1, seed: seed as tf.Tensor1D, index: 0 });
    const out = await run(({ x }) => {
      const seed = tf.tensor1d([5, 6], 'int32');
      const [zeros, ones] = [tf.zeros([B, T, 2 * H * K]), tf.ones([B, T, H * K])];
      const rotary = { cos: tf.ones([T, K / 2]) as tf.Tensor2D, sin: tf.zeros([T, K / 2]) as tf.Tensor2D };
      // Equal scores: each position gets the mean of 64 kept ones, 1 on average.
      const attended = attention(tf.concat([zeros, ones], -1) as tf.Tensor3D, { numHeads: H, rotary, canAttend: tf.ones([B, T]), site: site(seed) });
      return { outputs: { attended: tf.mean(attended), plain: tf.mean(inLowPrecision(() => dropout(tf.ones([300, 300]), site(seed)))), x: x! } };
    });
    expect(Math.abs(out['attended']! - 1)).toBeLessThan(6 * Math.sqrt(0.1 / 0.9 / (H * T * T)) + 2 ** -9);
    expect(Math.abs(out['plain']! - 1)).toBeLessThan(6 * Math.sqrt(0.1 / 0.9 / 90_000) + 2 ** -9);
  });

  it('keeps parameters and their updates in f32', async () => {
    const variables = await executor.createVariables({ w: filled([1, 1], 1) });
    const step = executor.compile(
      ({ w }) => {
        const { loss, grads } = gradients(({ w }) => ({ loss: tf.sum(product(w!)) as tf.Scalar, aux: {} }), { w: w! });
        return { outputs: { loss }, updates: { w: tf.add(w!, tf.mul(grads['w']!, 2 ** -12)) } };
      },
      { variables },
    );
    for (let i = 0; i < 8; i++) await step.run({});
    expect((await variables.read())['w']!.data[0]).toBeCloseTo(1 + 8 * 2 ** -12, 6);
  });

  it('changes nothing where a program asks for f32', async () => {
    const out = await run(({ x }) => ({ outputs: { product: product(x!), inside: inLowPrecision(() => tf.mul(x!, 1)) } }), 'f32');
    expect(out['product']).toBeCloseTo(FINE, 6);
    expect(out['inside']).toBeCloseTo(FINE, 6);
  });
});

describe.runIf(hasNative)('createExecutor', () => {
  it('takes graphs where native TensorFlow is active, and eager execution by name', async () => {
    const auto = await createExecutor({ kind: 'auto' });
    expect(auto.kind).toBe('graph');
    auto.dispose();
    expect((await createExecutor({ kind: 'eager' })).kind).toBe('eager');
  });

  it('runs with every session option given', async () => {
    const executor = await createExecutor({ kind: 'graph', session: { interOpThreads: 1, gpuMemoryFraction: 0.5, optimizeGraph: false, softPlacement: true } });
    const variables = await executor.createVariables({ x: filled([2], 3) });
    expect((await executor.compile(({ x }) => ({ outputs: { y: tf.square(x!) } }), { variables }).run({}))['y']!.data).toEqual(Float32Array.of(9, 9));
    executor.dispose();
    await expect(variables.read()).rejects.toThrow(/executor is disposed/);
  });
});
