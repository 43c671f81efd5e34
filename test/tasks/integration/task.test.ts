import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import type { Corpus } from '../../../src/data/corpus/corpus.js';
import type { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { Rng } from '../../../src/rng.js';
import { gradients } from '../../../src/runtime/program/gradients.js';
import type { IntegrationCells } from '../../../src/tasks/integration/cells.js';
import { IntegrationConfig } from '../../../src/tasks/integration/config.js';
import type { IntegrationHeadInfo } from '../../../src/tasks/integration/head.js';
import { createIntegrationTask } from '../../../src/tasks/integration/task.js';
import { PROGRESS } from '../../../src/train/optimizer.js';
import { useTensorFlow } from '../../support/tensorflow.js';
import { tinyCells, tinyConfig, tinyIds, tinyParameters, toTensors } from '../../support/tiny-model.js';

useTensorFlow();

const D = tinyConfig.hiddenDim;
const head: IntegrationHeadInfo = {
  task: 'integration',
  batchKey: 'donor',
  labelKey: 'k',
  contrastive: 'labels',
  techBatches: ['a', 'b'],
  embeddingDim: D,
  hiddenDim: 5,
  outputDim: 4,
  adversaryDim: 3,
};

function taskWith(weight: number, cellState: 'latent' | 'genes') {
  const config = IntegrationConfig.parse({
    data: { corpus: 'x', batchKey: 'donor', labelKey: 'k' },
    checkpoint: 'x',
    reconstruction: { weight },
    train: { epochs: 1 },
  });
  const model = {
    modelConfig: { ...tinyConfig, cellState, dropout: 0 },
    vocabulary: tinyIds as Vocabulary,
    preprocessing: { targetSum: 1e4, maxGenes: 7, serialisation: 'entropy' as const, lengthMultiple: 7 },
    entropy: new Float32Array(23),
    parameters: tinyParameters(),
  };
  const sample = Float32Array.from({ length: 4 * D }, (_, i) => Math.sin(i));
  return createIntegrationTask({
    config,
    corpus: {} as Corpus,
    cells: {} as IntegrationCells,
    kinds: new Int32Array(0),
    model,
    head,
    sample,
    rng: Rng.fromSeed(1),
  });
}

describe('integration without reconstruction', () => {
  it('trains what the embedding depends on, and computes nothing else', () => {
    const task = taskWith(0, 'genes');
    expect(task.trainable.filter((name) => !name.startsWith('integration_head.'))).toEqual(['gene_embedding.weight']);
    const state = toTensors(Object.fromEntries(task.trainable.map((name) => [name, task.parameters[name]!])));
    const fixed = toTensors(Object.fromEntries(Object.entries(task.parameters).filter(([name]) => name.includes('input_'))));
    const codes = (values: number[]) => tf.tensor1d(values, 'int32');
    const inputs = {
      ...toTensors(tinyCells()),
      techBatches: codes([0, 1, 0]),
      kinds: codes([0, 0, 1]),
      dropoutSeed: codes([1, 2]),
      [PROGRESS]: tf.scalar(0.5),
    };
    const { grads } = gradients((parameters) => task.loss({ ...parameters, ...fixed }, inputs, { isTraining: true }), state);
    for (const name of task.trainable) expect(tf.norm(grads[name]!).dataSync()[0], name).toBeGreaterThan(0);
  });

  it('leaves the heads of masked genes alone', () => {
    expect(taskWith(0, 'latent').trainable).not.toContain('gene_head.weight');
    expect(taskWith(0.1, 'latent').trainable).toContain('gene_head.weight');
  });
});
