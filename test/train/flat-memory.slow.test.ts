import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { drawBatch } from '../support/cell-batches.js';
import { hasNative, useTensorFlow } from '../support/tensorflow.js';
import { Rng } from '../../src/rng.js';
import { Vocabulary } from '../../src/data/genes/vocabulary.js';
import type { Corpus } from '../../src/data/corpus/corpus.js';
import { createGraphExecutor } from '../../src/runtime/program/graph/executor.js';
import { PretrainingConfig } from '../../src/tasks/pretraining/config.js';
import { createPretrainingTask } from '../../src/tasks/pretraining/task.js';
import { createTrainStep, createTrainVariables } from '../../src/train/step.js';

useTensorFlow();

describe.runIf(hasNative)('a long training', () => {
  it.each([1, 2])('takes a thousand steps over two lengths in flat memory, in %i micro-batches', async (accumulation) => {
    const vocabulary = new Vocabulary(Array.from({ length: 2000 }, (_, i) => ({ symbol: `GENE${i}`, ensemblId: '' })));
    const config = PretrainingConfig.parse({
      data: { corpus: 'none' },
      model: { hiddenDim: 32, numLayers: 1, numHeads: 2, ffnDim: 32, maxGenes: 16, dropout: 0.1 },
      train: { steps: 2000, batchSize: 2, accumulation, ema: { decay: 0.99 } },
    });
    // 530 kB of parameters: a step that kept one gradient, moment or average would show as half a gigabyte.
    const task = createPretrainingTask(config, { vocabulary, entropy: new Float32Array(vocabulary.size).fill(1) } as Corpus, Rng.fromSeed(1));
    const executor = createGraphExecutor();
    const variables = await createTrainVariables(executor, task, config.train);
    const step = createTrainStep({ task, executor, variables, config: config.train, totalSteps: 2000 });
    const batches = [drawBatch([16, 12], 16, vocabulary), drawBatch([8, 5], 8, vocabulary)];
    let taken = 0;
    const take = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i++, taken++) {
        const inputs = task.inputs(batches[taken % 2]!, Rng.fromSeed(taken), 'train');
        await step.run(
          Array.from({ length: accumulation }, () => inputs),
          taken,
          { epoch: 0, batchIndex: taken },
        );
      }
      return process.memoryUsage.rss();
    };
    await take(300); // every batch shape has come by
    const [before, numOps, numTensors] = [process.memoryUsage.rss(), executor.numOps, tf.memory().numTensors];
    expect((await take(1000)) - before).toBeLessThan(64 << 20);
    expect(executor.numOps).toBe(numOps);
    expect(tf.memory().numTensors).toBe(numTensors);
    step.dispose();
    variables.dispose();
    executor.dispose();
  });
});
