import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { executorKinds, useTensorFlow } from '../support/tensorflow.js';
import { tinyTask } from '../support/tiny-task.js';
import { Rng } from '../../src/rng.js';
import { createExecutor } from '../../src/runtime/program/executor.js';
import { TrainConfig } from '../../src/train/config.js';
import { createEvaluator } from '../../src/train/evaluation.js';
import { trainingFeed } from '../../src/train/feed.js';
import { createTrainStep, createTrainVariables, type StepStats } from '../../src/train/step.js';
import type { Tensors } from '../../src/runtime/program/program.js';
import type { Task } from '../../src/train/task.js';

useTensorFlow();

async function train(task: Task, options: object, numSteps: number) {
  const config = TrainConfig.parse({ steps: 100, batchSize: 8, optimizer: { lr: 0.02 }, schedule: { kind: 'constant' }, executor: 'eager', ...options });
  const executor = await createExecutor({ kind: config.executor });
  const variables = await createTrainVariables(executor, task, config);
  const root = Rng.fromSeed(1);
  const step = createTrainStep({ task, executor, variables, config, totalSteps: 100 });
  const feed = trainingFeed(task, config, root, { epoch: 0, batchIndex: 0, step: 0 });
  const stats: StepStats[] = [];
  const numTensors: number[] = [];
  try {
    for (let i = 0; i < numSteps; i++) {
      const { value } = await feed.next();
      stats.push(await step.run(value.microBatches, i, value.place));
      numTensors.push(tf.memory().numTensors);
    }
    const metrics = await createEvaluator({ task, executor, variables, config, root }).evaluate('validation');
    return { stats, metrics, numTensors, parameters: await variables.read() };
  } finally {
    step.dispose();
    await feed.return(undefined as never);
    variables.dispose();
    executor.dispose();
  }
}

describe('the training step', () => {
  it('makes the loss fall and keeps no tensor behind', async () => {
    const before = tf.memory().numTensors;
    const { stats, numTensors } = await train(tinyTask(), {}, 100);
    expect(stats[0]!.loss).toBeGreaterThan(0.5);
    expect(stats.at(-1)!.loss).toBeLessThan(0.05);
    expect(new Set(numTensors).size).toBe(1);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('moves every trainable parameter and no frozen one', async () => {
    const task = tinyTask({ frozen: ['hidden.bias'] });
    const { parameters } = await train(task, {}, 1);
    for (const [name, initial] of Object.entries(task.parameters))
      expect(
        parameters[name]!.data.some((value, i) => value !== initial.data[i]),
        name,
      ).toBe(name !== 'hidden.bias');
  });

  it.each([2, 3, 8])('gives with %i micro-batches what the undivided batch gives, though cells count unequally', async (accumulation) => {
    const whole = await train(tinyTask(), {}, 5);
    const parts = await train(tinyTask(), { accumulation }, 5);
    for (const [i, stats] of whole.stats.entries()) {
      expect(parts.stats[i]!.loss).toBeCloseTo(stats.loss, 5);
      expect(parts.stats[i]!.gradNorm).toBeCloseTo(stats.gradNorm, 5);
      expect(parts.stats[i]!.aux['absError']).toBeCloseTo(stats.aux['absError']!, 5);
    }
    for (const name of Object.keys(whole.parameters))
      for (const [i, value] of whole.parameters[name]!.data.entries()) expect(parts.parameters[name]!.data[i]).toBeCloseTo(value, 5);
  });

  it.each([1, 2])('tells the loss how far the training is (accumulation %i)', async (accumulation) => {
    const seen = (inputs: Tensors) => inputs['train/progress'] as tf.Scalar | undefined;
    const task = tinyTask();
    const watching: Task = {
      ...task,
      loss: (state, inputs, mode) => ({ ...task.loss(state, inputs, mode), aux: { progress: seen(inputs) ?? tf.scalar(-1) } }),
    };
    const { stats, metrics } = await train(watching, { accumulation }, 3);
    expect(stats.map(({ aux }) => aux['progress']!.toFixed(6))).toEqual(['0.000000', '0.010000', '0.020000']);
    expect(metrics['progress']).toBeCloseTo(-1, 6); // nothing is known of it outside training
  });

  it('evaluates to the mean over all that counts, however it is divided', async () => {
    const whole = await train(tinyTask(), { batchSize: 24 }, 0);
    const parts = await train(tinyTask(), { batchSize: 5 }, 0);
    expect(parts.metrics['loss']).toBeCloseTo(whole.metrics['loss']!, 5);
    expect(parts.metrics['absError']).toBeCloseTo(whole.metrics['absError']!, 5);
  });

  it.each(executorKinds.flatMap((executor) => [1, 2].map((accumulation) => ({ accumulation, executor }))))(
    'stops at a loss that is not finite, naming step, batch and parameter ($executor, accumulation $accumulation)',
    async ({ accumulation, executor }) => {
      const task = tinyTask({ nanAtBatch: 4 * accumulation });
      const failure = train(task, { accumulation, executor }, 10);
      await expect(failure).rejects.toThrow(/^step 5, batch 1 of epoch 1: loss NaN, gradient norm NaN; first gradient that is not finite: hidden\.weight/);
      await expect(failure).rejects.toMatchObject({ name: 'NonFiniteError', exitCode: 1 });
    },
  );
});
