import { readFileSync } from 'node:fs';
import type * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { executorKinds, useTensorFlow } from '../support/tensorflow.js';
import { createExecutor } from '../../src/runtime/program/executor.js';
import type { HostTensor, HostTensors, ProgramFn } from '../../src/runtime/program/program.js';
import { TrainConfig } from '../../src/train/config.js';
import { applyGradients, initialOptimizerState, stepScalars } from '../../src/train/optimizer.js';

useTensorFlow();

interface Golden {
  options: TrainConfig['optimizer'];
  shapes: Record<string, number[]>;
  initial: Record<string, number[]>;
  steps: {
    lr: number;
    grads: Record<string, number[]>;
    gradNorm: number;
    parameters: Record<string, number[]>;
    m: Record<string, number[]>;
    v: Record<string, number[]>;
  }[];
}
const golden = JSON.parse(readFileSync(new URL('../fixtures/adamw/expected.json', import.meta.url), 'utf8')) as Golden;

const tensors = (values: Record<string, number[]>): HostTensors =>
  Object.fromEntries(
    Object.entries(values).map(([name, data]) => [name, { dtype: 'float32', shape: golden.shapes[name]!, data: Float32Array.from(data) } as HostTensor]),
  );
const scalar = (x: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(x) });
const names = Object.keys(golden.shapes);

async function optimiser(kind: 'eager' | 'graph', options: object = {}) {
  const config = TrainConfig.parse({ steps: 4, optimizer: { ...golden.options, lr: 1 }, ...options });
  const executor = await createExecutor({ kind });
  const initial = tensors(golden.initial);
  const variables = await executor.createVariables({ ...initial, ...initialOptimizerState(config, initial, names) });
  const update: ProgramFn = (state, inputs) => {
    const grads = Object.fromEntries(names.map((name) => [name, inputs[`grad/${name}`]!]));
    const { updates, gradNorm, gradSquares } = applyGradients(config, state, grads, inputs, inputs['loss'] as tf.Scalar);
    return { outputs: { gradNorm, gradSquares }, updates };
  };
  const program = executor.compile(update, { variables });
  const step = (index: number, lr: number, grads: Record<string, number[]>, loss = 1) =>
    program.run({
      ...stepScalars(config, index, 4),
      'train/lr': scalar(lr),
      loss: scalar(loss),
      ...Object.fromEntries(Object.entries(tensors(grads)).map(([name, grad]) => [`grad/${name}`, grad])),
    });
  const dispose = () => {
    variables.dispose();
    executor.dispose();
  };
  return { variables, step, dispose };
}

describe.each(executorKinds)('AdamW (%s)', (kind) => {
  it('gives the parameters, moments and norms of torch.optim.AdamW with clipping, decaying matrices alone', async () => {
    const { variables, step, dispose } = await optimiser(kind);
    for (const [i, expected] of golden.steps.entries()) {
      const out = await step(i, expected.lr, expected.grads);
      expect(out['gradNorm']!.data[0]).toBeCloseTo(expected.gradNorm, 5);
      const state = await variables.read();
      for (const name of names) {
        expectAllClose(state[name]!, expected.parameters[name]!);
        expectAllClose(state[`adam.m/${name}`]!, expected.m[name]!);
        expectAllClose(state[`adam.v/${name}`]!, expected.v[name]!);
      }
    }
    dispose();
  });

  it('averages the weights, and the average starts to follow them at once', async () => {
    const { variables, step, dispose } = await optimiser(kind, { ema: { decay: 0.9 } });
    let average = golden.initial['vector']!;
    for (const [i, { lr, grads, parameters }] of golden.steps.entries()) {
      await step(i, lr, grads);
      const decay = Math.min(0.9, (1 + i) / (10 + i));
      average = average.map((old, j) => decay * old + (1 - decay) * parameters['vector']![j]!);
      expectAllClose((await variables.read(['ema/vector']))['ema/vector']!, average);
    }
    dispose();
  });

  it.each([
    ['a gradient is NaN', { matrix: [0, 0, 0, 0, NaN, 0], vector: [1, 1, 1, 1] }, 1],
    ['a gradient overflows its norm', { matrix: [0, 0, 0, 0, 3e38, 0], vector: [1, 1, 1, 1] }, 1],
    ['the loss is infinite', { matrix: [0, 0, 0, 0, 0, 0], vector: [1, 1, 1, 1] }, Infinity],
  ])('leaves everything as it was when %s', async (_, grads, loss) => {
    const { variables, step, dispose } = await optimiser(kind, { ema: {} });
    await step(0, 0.1, golden.steps[0]!.grads);
    const before = await variables.read();
    await step(1, 0.1, grads, loss);
    expect(await variables.read()).toEqual(before);
    dispose();
  });

  it('says which gradient was not finite', async () => {
    const { step, dispose } = await optimiser(kind);
    const out = await step(0, 0.1, { matrix: [1, 1, 1, 1, 1, 1], vector: [1, NaN, 1, 1] });
    expect([...out['gradSquares']!.data].map(Number.isFinite)).toEqual([true, false]);
    dispose();
  });
});

function expectAllClose(actual: HostTensor, expected: readonly number[]): void {
  expect(actual.data.length).toBe(expected.length);
  for (const [i, value] of expected.entries())
    expect(Math.abs(actual.data[i]! - value), `[${i}] ${actual.data[i]} vs ${value}`).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(value));
}
