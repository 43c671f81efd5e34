import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { adamUpdate } from '../../../src/runtime/ops/adam.js';
import { sumOfSquares } from '../../../src/runtime/ops/sum-of-squares.js';
import { createExecutor } from '../../../src/runtime/program/executor.js';
import type { Executor, HostTensor, HostTensors, ProgramFn } from '../../../src/runtime/program/program.js';
import { expectClose } from '../../support/expect-close.js';
import { executorKinds, hasNative, useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

const vector = (...values: number[]): HostTensor => ({ dtype: 'float32', shape: [values.length], data: Float32Array.from(values) });
const number = (value: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
const state: HostTensors = { w: vector(1, -2, 3), m: vector(0.1, 0.2, -0.3), v: vector(0.01, 0.02, 0.5) };
const scalars = {
  gradScale: number(0.5),
  momentRate: number(0.1),
  squareRate: number(0.01),
  stepSize: number(0.02),
  rootScale: number(3),
  epsilon: number(1e-3),
  decay: number(0.9),
};

const update: ProgramFn = ({ w, m, v }, { grad, decay, ...rest }) => {
  const after = adamUpdate({ parameter: w!, m: m!, v: v! }, grad!, rest as unknown as Parameters<typeof adamUpdate>[2], decay);
  return {
    outputs: { norm: sumOfSquares(grad!), old: tf.mul(w!, 1), next: tf.mul(after.parameter, 1) },
    updates: { w: after.parameter, m: after.m, v: after.v },
  };
};

describe.each(executorKinds)('an Adam update, %s', (kind) => {
  let executor: Executor;
  beforeAll(async () => {
    executor = await createExecutor({ kind });
  });
  afterAll(() => executor.dispose());
  const run = async (inputs: HostTensors, fn = update) => {
    const variables = await executor.createVariables(state);
    const out = await executor.compile(fn, { variables }).run(inputs);
    const after = await variables.read();
    variables.dispose();
    return { out, after };
  };

  it.each([
    ['with decay', 0.9],
    ['without', undefined],
  ])('follows the formula %s', async (_, decay) => {
    const rest = Object.fromEntries(Object.entries(scalars).filter(([name]) => name !== 'decay'));
    const grad = [4, -6, 0.5];
    const { out, after } = await run({ grad: vector(...grad), ...rest, ...(decay !== undefined && { decay: number(decay) }) });
    grad.forEach((raw, i) => {
      const g = raw * 0.5;
      const m = state['m']!.data[i]! * 0.9 + g * 0.1;
      const v = state['v']!.data[i]! * 0.99 + g * g * 0.01;
      const w = state['w']!.data[i]! * (decay ?? 1) - (0.02 * m) / (3 * Math.sqrt(v) + 1e-3);
      expectClose([after['m']!.data[i]!, after['v']!.data[i]!, after['w']!.data[i]!], [m, v, w], { rtol: 2e-5 });
    });
    expect(out['old']!.data).toEqual(state['w']!.data); // others see the value before
    expect(out['next']!.data).toEqual(after['w']!.data);
    expect(out['norm']!.data[0]).toBeCloseTo(16 + 36 + 0.25, 4);
  });

  it('leaves everything as it was where rates, scale and step are 0, whatever the gradient holds', async () => {
    const { after } = await run({
      grad: vector(NaN, Infinity, 1),
      ...scalars,
      gradScale: number(0),
      momentRate: number(0),
      squareRate: number(0),
      stepSize: number(0),
      decay: number(1),
    });
    expect(after).toEqual(state);
  });
});

describe.runIf(hasNative)('a compiled Adam update', () => {
  const attempt = async (fn: ProgramFn) => {
    const executor = await createExecutor({ kind: 'graph' });
    const variables = await executor.createVariables(state);
    const error = await executor
      .compile(fn, { variables })
      .run({ grad: vector(1, 2, 3), ...scalars })
      .then(
        () => undefined,
        (e: Error) => e,
      );
    const after = await variables.read();
    executor.dispose();
    expect(after).toEqual(state);
    return error?.message;
  };

  it('refuses what is not a variable', async () => {
    expect(await attempt((all, inputs) => update({ ...all, w: tf.mul(all['w']!, 2) }, inputs))).toMatch(
      /adamUpdate: the parameter or a moment is not a variable/,
    );
  });

  it("refuses to change a variable behind the program's back", async () => {
    expect(await attempt((all, inputs) => ({ ...update(all, inputs), updates: {} }))).toMatch(/3 variables would change without being among the updates/);
  });
});
