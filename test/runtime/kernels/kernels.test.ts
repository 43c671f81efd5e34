// Each op of kernels/ against the TensorFlow ops whose place it takes, in a program of each kind
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { loadKernels } from '../../../src/runtime/kernels/load.js';
import { attention } from '../../../src/runtime/ops/attention.js';
import { crossEntropy } from '../../../src/runtime/ops/cross-entropy.js';
import { addDropped } from '../../../src/runtime/ops/residual.js';
import { rmsNorm } from '../../../src/runtime/ops/rms-norm.js';
import { rotaryTable } from '../../../src/runtime/ops/rotary.js';
import { sumOfSquares } from '../../../src/runtime/ops/sum-of-squares.js';
import { swiGlu } from '../../../src/runtime/ops/swiglu.js';
import { gradients } from '../../../src/runtime/program/gradients.js';
import { createGraphExecutor, type GraphExecutor } from '../../../src/runtime/program/graph/executor.js';
import type { Executor, HostTensor, HostTensors, Tensors } from '../../../src/runtime/program/program.js';
import { hasNative, useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

const normal = (seed: number, ...shape: number[]): HostTensor => {
  const rng = Rng.fromSeed(seed);
  return { dtype: 'float32', shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()) };
};

type Fn = (at: Tensors, inputs: Tensors) => tf.Tensor;

describe.runIf(hasNative)('the ops of kernels/', () => {
  let withKernels: GraphExecutor;
  let without: GraphExecutor;
  beforeAll(async () => {
    expect(await loadKernels()).toBe(true);
    withKernels = createGraphExecutor();
    without = createGraphExecutor({ session: { fusedKernels: false } });
  }, 60_000);
  afterAll(() => [withKernels, without].forEach((executor) => executor.dispose()));

  /** Value of `fn` and the gradients of a fixed projection of it; the products around it see to it that what is fed and read is float32. */
  async function run(executor: Executor, fn: Fn, at: HostTensors, inputs: HostTensors, precision: 'f32' | 'bf16'): Promise<Record<string, Float32Array>> {
    const variables = await executor.createVariables(at);
    const program = executor.compile(
      (state, fed) => {
        let value: tf.Tensor | undefined;
        const { grads, aux } = gradients((tensors) => {
          value = fn(tensors, fed);
          const weights = tf.tensor(
            Float32Array.from({ length: value.size }, (_, i) => Math.sin(1 + i)),
            value.shape,
          );
          return { loss: tf.sum(tf.mul(value, weights)) as tf.Scalar, aux: { value } };
        }, state);
        return { outputs: { ...aux, ...grads } };
      },
      { variables, precision },
    );
    const out = await program.run(inputs);
    program.dispose();
    variables.dispose();
    return Object.fromEntries(Object.entries(out).map(([name, { data }]) => [name, data as Float32Array]));
  }

  /** Largest deviation, as a share of the largest entry. */
  const worst = (a: Float32Array, b: Float32Array): number => {
    expect(a.length).toBe(b.length);
    const scale = b.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6);
    return a.reduce((most, x, i) => Math.max(most, Number.isNaN(x) ? Infinity : Math.abs(x - b[i]!) / scale), 0);
  };

  async function expectSame(fn: Fn, at: HostTensors, inputs: HostTensors = {}): Promise<void> {
    const exact = await run(without, fn, at, inputs, 'f32');
    const fused = await run(withKernels, fn, at, inputs, 'f32');
    for (const [name, expected] of Object.entries(exact)) expect(worst(fused[name]!, expected), `${name}, f32`).toBeLessThan(3e-6);
    const [low, lowFused] = [await run(without, fn, at, inputs, 'bf16'), await run(withKernels, fn, at, inputs, 'bf16')];
    // Rounding to 8 bits, no more of it than TensorFlow's own ops suffer.
    for (const [name, expected] of Object.entries(exact))
      expect(worst(lowFused[name]!, expected), `${name}, bf16`).toBeLessThan(Math.max(0.01, 2 * worst(low[name]!, expected)));
  }

  it("rms norm, for products and for itself, on rows that fill no vector and no thread's share", async () => {
    for (const [rows, width] of [
      [3, 5],
      [130, 67],
    ] as const)
      for (const isForProduct of [false, true])
        await expectSame(({ x, w }) => rmsNorm(x!, w!, { isForProduct }), { x: normal(1, rows, width), w: normal(2, width) });
  });

  it('are what a program is made of where they are wanted, and only there', async () => {
    const typesOf = async (executor: GraphExecutor) => {
      const { opTimes } = await executor.profile(() => run(executor, ({ x }) => swiGlu(x!), { x: normal(1, 2, 6) }, {}, 'f32'));
      return opTimes.map(({ type }) => type).filter((type) => type.startsWith('Scdiva'));
    };
    expect(await typesOf(withKernels)).toEqual(expect.arrayContaining(['ScdivaSwiGlu', 'ScdivaSwiGluGrad']));
    expect(await typesOf(without)).toEqual([]);
  });

  it('swiglu', () => expectSame(({ x }) => swiGlu(x!), { x: normal(1, 19, 2 * 35) }));

  it('attention with padding, positions and pieces', async () => {
    const canAttend: HostTensor = { dtype: 'float32', shape: [2, 7], data: Float32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0) };
    for (const pieceEntries of [1, 3 * 49, 1 << 20])
      for (const numQueries of [1, 7])
        await expectSame(
          ({ qkv }, { canAttend }) =>
            attention(qkv as tf.Tensor3D, { numHeads: 2, rotary: rotaryTable(7, 6, 100), canAttend: canAttend as tf.Tensor2D, pieceEntries, numQueries }),
          { qkv: normal(3, 2, 7, 36) },
          { canAttend },
        );
  });

  it('cross-entropy', async () => {
    const targets: HostTensor = { dtype: 'int32', shape: [4], data: Int32Array.of(0, 36, 5, 5) };
    await expectSame(
      ({ rows, head }, { targets }) => crossEntropy(rows as tf.Tensor2D, head as tf.Tensor2D, targets as tf.Tensor1D),
      { rows: normal(1, 4, 6), head: normal(2, 37, 6) },
      { targets },
    );
  });

  it('cross-entropy refuses a class that there is not', async () => {
    const targets: HostTensor = { dtype: 'int32', shape: [1], data: Int32Array.of(37) };
    const wrong = run(
      withKernels,
      ({ rows, head }, { targets }) => crossEntropy(rows as tf.Tensor2D, head as tf.Tensor2D, targets as tf.Tensor1D),
      { rows: normal(1, 1, 6), head: normal(2, 37, 6) },
      { targets },
      'f32',
    );
    await expect(wrong).rejects.toThrow('target 37 of row 0 is not in [0, 37)');
  });

  it('residual sums', () => expectSame(({ x, y }) => addDropped(x!, y!, undefined), { x: normal(1, 5, 9), y: normal(2, 5, 9) }));

  it('sum of squares, more entries than one piece has', async () => {
    const x = normal(1, 300, 301);
    const expected = (x.data as Float32Array).reduce((sum, v) => sum + v * v, 0);
    const variables = await withKernels.createVariables({});
    const { sum } = await withKernels.compile((_, { x }) => ({ outputs: { sum: sumOfSquares(x!) } }), { variables }).run({ x });
    expect(Math.abs(sum!.data[0]! - expected) / expected).toBeLessThan(1e-6);
  });

  it('let what is not a number through: that is how a broken run is noticed', async () => {
    const spoilt = normal(1, 2, 8);
    spoilt.data[3] = NaN;
    const { value } = await run(withKernels, ({ x }) => swiGlu(rmsNorm(x!, tf.ones([8]))), { x: spoilt }, {}, 'f32');
    expect(Array.from(value!.slice(0, 4)).every(Number.isNaN)).toBe(true);
    expect(Array.from(value!.slice(4)).every(Number.isFinite)).toBe(true);
  });

  describe('under dropout', () => {
    const seeded = (...values: number[]): HostTensors => ({ seed: { dtype: 'int32', shape: [2], data: Int32Array.from(values) } });
    const site = (seed: tf.Tensor, rate: number, index = 3) => ({ seed: seed as tf.Tensor1D, rate, index });
    const zeros = (...shape: number[]): HostTensor => ({ dtype: 'float32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
    const ones = (...shape: number[]): HostTensor => ({ dtype: 'float32', shape, data: zeros(...shape).data.fill(1) as Float32Array });

    it('drop the share they are told, keep the mean, and draw by seed, site and place', async () => {
      const drop = (seed: HostTensors, rate: number, index: number) =>
        run(withKernels, ({ x, y }, { seed }) => addDropped(x!, y!, site(seed!, rate, index)), { x: zeros(200, 250), y: ones(200, 250) }, seed, 'f32').then(
          ({ value }) => value!,
        );
      for (const rate of [0.1, 0.5]) {
        const value = await drop(seeded(1, 2), rate, 3);
        const kept = value.filter((v) => v !== 0);
        expect(Math.abs(kept.length / value.length - (1 - rate))).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / value.length));
        for (const v of kept) expect(v).toBeCloseTo(1 / (1 - rate), 5);
        expect(await drop(seeded(1, 2), rate, 3)).toEqual(value);
        for (const other of [await drop(seeded(1, 3), rate, 3), await drop(seeded(2, 2), rate, 3), await drop(seeded(1, 2), rate, 4)]) {
          const both = other.filter((v, i) => v !== 0 && value[i] !== 0).length / value.length;
          expect(Math.abs(both - (1 - rate) ** 2)).toBeLessThan(0.01); // independent of each other
        }
      }
    });

    it('drop the same entries on the way back', async () => {
      const { value, y } = await run(
        withKernels,
        ({ x, y }, { seed }) => addDropped(x!, y!, site(seed!, 0.3)),
        { x: zeros(20, 30), y: ones(20, 30) },
        seeded(5, 6),
        'f32',
      );
      expect(Array.from(y!, (v) => v !== 0)).toEqual(Array.from(value!, (v) => v !== 0));
    });

    it('give attention the gradient of finite differences, whatever the pieces', async () => {
      const [B, T, H, K] = [1, 5, 2, 4];
      const qkv = normal(7, B, T, 3 * H * K);
      const project = async (at: HostTensor, pieceEntries: number) => {
        const out = await run(
          withKernels,
          ({ qkv }, { seed }) =>
            attention(qkv as tf.Tensor3D, { numHeads: H, rotary: rotaryTable(T, K, 100), canAttend: tf.ones([B, T]), site: site(seed!, 0.4), pieceEntries }),
          { qkv: at },
          seeded(8, 9),
          'f32',
        );
        return { sum: out['value']!.reduce((sum, v, i) => sum + v * Math.sin(1 + i), 0), grad: out['qkv']! };
      };
      const { grad } = await project(qkv, 1);
      expect(worst((await project(qkv, 1 << 20)).grad, grad)).toBeLessThan(1e-5);
      for (const i of [0, 9, 17, 26, 40, 55, 71, 90, 119]) {
        const moved = (by: number): HostTensor => ({ ...qkv, data: (qkv.data as Float32Array).map((v, j) => (j === i ? v + by : v)) });
        const slope = ((await project(moved(1e-2), 1)).sum - (await project(moved(-1e-2), 1)).sum) / 2e-2;
        expect(Math.abs(slope - grad[i]!), `entry ${i}`).toBeLessThan(2e-3);
      }
    });
  });
});
