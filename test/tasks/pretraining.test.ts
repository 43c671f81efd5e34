import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, beforeAll } from 'vitest';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';
import { structuredCells } from '../support/structured-cells.js';
import { executorKinds, useTensorFlow } from '../support/tensorflow.js';
import { loadConfig, parseConfig } from '../../src/config/load.js';
import type { CellBatch, CellBatches } from '../../src/data/batch.js';
import type { Corpus } from '../../src/data/corpus/corpus.js';
import { parameterCount } from '../../src/model/parameters.js';
import { Rng } from '../../src/rng.js';
import type { HostTensors } from '../../src/runtime/program/program.js';
import { countGuesses, scoreGuesses } from '../../src/tasks/pretraining/baselines.js';
import { PretrainingConfig } from '../../src/tasks/pretraining/config.js';
import { pretrain } from '../../src/tasks/pretraining/pretrain.js';
import { createPretrainingTask } from '../../src/tasks/pretraining/task.js';
import { loadCheckpoint } from '../../src/train/checkpoint.js';
import { evaluationInputs, evaluationStream } from '../../src/train/evaluation.js';
import { readMetrics } from '../../src/train/metrics-log.js';

useTensorFlow();

const folder = temporaryFolder('pretraining');
let corpus: Corpus;
beforeAll(async () => {
  corpus = await smallCorpus(await folder(), structuredCells(1, 120), { fractions: [0.6, 0.3, 0.1] });
});

const configOf = (train: object = {}, rest: object = {}): PretrainingConfig =>
  parseConfig(PretrainingConfig, {
    data: { corpus: corpus.path },
    preprocessing: { lengthMultiple: 2, targetSum: 24 },
    diffusion: { valueWeight: 1 },
    loader: { numWorkers: 0 },
    model: { hiddenDim: 16, numLayers: 1, numHeads: 2, ffnDim: 24, maxGenes: 6, dropout: 0 },
    ...rest,
    train: { steps: 4, batchSize: 16, optimizer: { lr: 1e-2 }, schedule: { kind: 'constant' }, evaluateEvery: null, checkpointEvery: null, ...train },
  });

describe('pretraining', () => {
  it('learns what goes together: below the unigram and the rank baseline on cells it has not seen', async () => {
    const out = join(await folder(), 'run');
    const { metrics, baselines, checkpoint } = await pretrain({ config: configOf({ steps: 100, evaluateEvery: 50 }), out });
    expect(metrics['identityLoss']).toBeLessThan(baselines['unigram']!['identityLoss']! - 0.5);
    expect(metrics['identityLoss']).toBeLessThan(baselines['rank']!['identityLoss']! - 0.5);
    expect(metrics['valueLoss']).toBeLessThan(baselines['unigram']!['valueLoss']!);
    expect(metrics['identityAccuracy']).toBeGreaterThan(0.1); // one in six genes of a program; one in twenty-four of all
    expect((await loadCheckpoint(checkpoint)).preprocessing.maxGenes).toBe(6);
  });

  it.each(executorKinds)('starts with the losses it has always started with (%s)', async (executor) => {
    const out = join(await folder(), 'run');
    await pretrain({ config: configOf({ executor, seed: 11 }), out });
    const losses = (await readMetrics(join(out, 'metrics.jsonl'))).flatMap(({ split, loss }) => (split === 'train' ? [loss] : []));
    const golden = [6.573803901672363, 5.991734504699707, 4.908482074737549, 4.178149700164795];
    for (const [i, loss] of golden.entries()) expect(losses[i]! / loss).toBeCloseTo(1, 4);
  });

  it('asks the same of every validation pass, whatever has been trained in between', async () => {
    const task = createPretrainingTask(configOf(), corpus, Rng.fromSeed(0));
    const pass = async (): Promise<HostTensors[]> => {
      const all: HostTensors[] = [];
      for await (const { inputs } of evaluationInputs(task, 'validation', evaluationStream(Rng.fromSeed(3), 'validation'), 4)) all.push(inputs);
      return all;
    };
    const first = await pass();
    expect(first.length).toBeGreaterThan(1);
    expect(await pass()).toEqual(first);
    expect(first[0]).not.toHaveProperty('dropoutSeed');
  });

  it('draws other masks in every step and dropout only in training', () => {
    const task = createPretrainingTask(
      configOf({}, { model: { hiddenDim: 16, numLayers: 1, numHeads: 2, ffnDim: 24, maxGenes: 6, dropout: 0.1 } }),
      corpus,
      Rng.fromSeed(0),
    );
    const batch = cells([
      [2, 3, 4, 5],
      [6, 7, 8, 9],
    ]);
    const at = (step: number) => task.inputs(batch, Rng.fromSeed(0).fork(`step/${step}`), 'train');
    expect(at(1)).toEqual(at(1));
    expect(at(1)['isReplaced']).not.toEqual(at(2)['isReplaced']);
    expect(at(1)['dropoutSeed']).not.toEqual(at(2)['dropoutSeed']);
  });

  it('trains on several corpora by their weights, and goes on with the same ones only', async () => {
    const second = await smallCorpus(await folder(), structuredCells(2, 60), { fractions: [0.6, 0.3, 0.1] });
    const choice = (weight: number) => ({
      data: {
        corpus: [
          { path: corpus.path, weight: 1 },
          { path: second.path, weight },
        ],
      },
    });
    const [out, whole] = [join(await folder(), 'run'), join(await folder(), 'whole')];
    await pretrain({ config: configOf({ steps: 4, executor: 'eager' }, choice(3)), out: whole });
    await pretrain({ config: configOf({ steps: 2, executor: 'eager' }, choice(3)), out });
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))).toMatchObject({
      data: { path: `${corpus.path}, ${second.path}`, shares: `${corpus.path} 25.0 %, ${second.path} 75.0 %`, numTrainCells: 108 },
    });
    await expect(pretrain({ config: configOf({ steps: 4, executor: 'eager' }, choice(2)), out, isResumed: true })).rejects.toThrow(
      /data: other data than the run was started with/,
    );
    await pretrain({ config: configOf({ steps: 4, executor: 'eager' }, choice(3)), out, isResumed: true });
    const losses = async (path: string) => (await readMetrics(join(path, 'metrics.jsonl'))).flatMap(({ split, loss }) => (split === 'train' ? [loss] : []));
    expect(await losses(out)).toEqual(await losses(whole));
  });

  it('refuses a corpus without training cells', async () => {
    const content = structuredCells(1, 8);
    const empty = await smallCorpus(await folder(), { ...content, obs: { part: content.cellIds!.map(() => 'validation') } }, { splitBy: 'part' });
    const out = join(await folder(), 'run');
    await expect(pretrain({ config: configOf({}, { data: { corpus: empty.path } }), out })).rejects.toThrow(/corpus: train split: no cell in it/);
  });
});

describe('the config files', () => {
  const read = (name: string) => loadConfig(PretrainingConfig, fileURLToPath(new URL(`../../configs/${name}`, import.meta.url)));

  it('hold the published sizes', async () => {
    const { model, train } = await read('pretrain.yaml');
    expect(parameterCount(model, 41_818) / 1e6).toBeCloseTo(94.5, 1);
    expect(train).toMatchObject({ batchSize: 768, epochs: 4 });
  });

  it('hold a run for trying out', async () => {
    expect((await read('debug/pretrain.yaml')).train.steps).toBeLessThanOrEqual(200);
  });
});

describe('the guesses', () => {
  // Gene 2 in every first slot with value 4; gene 3 in 3 of 4 second slots, gene 4 in the other, value 1.
  const training = cells(
    [
      [2, 3],
      [2, 3],
      [2, 3],
      [2, 4],
    ],
    [4, 1],
  );
  const tables = () => countGuesses(passOf(training), 8, (id) => id >= 2 && id < 5, 1000);

  it('are frequencies mixed with a prior of a hundred genes', async () => {
    const { unigram } = await tables();
    const p = (count: number): number => (count + 100 / 3) / 108;
    expect(unigram.probabilities[0]![2]).toBeCloseTo(p(4), 12);
    expect(unigram.probabilities[0]![3]).toBeCloseTo(p(3), 12);
    expect(unigram.probabilities[0]!.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(unigram.meanValues[0]).toBe(2.5);
  });

  it('are scored on masked slots alone, by rank or without', async () => {
    const scores = await scoreGuesses(await tables(), evaluationOf(cells([[2, 4]], [4, 3]), [1]), 10);
    const p = (1 + 100 / 3) / 108;
    expect(scores.unigram['identityLoss']).toBeCloseTo(-Math.log(p), 10);
    expect(scores.unigram['valueLoss']).toBeCloseTo((2.5 - 3) ** 2, 10);
    expect(scores.unigram['loss']).toBeCloseTo(-Math.log(p) + 10 * 0.25, 10);
    expect(scores.unigram['identityAccuracy']).toBe(0);
    expect(scores.rank['identityLoss']).toBeCloseTo(-Math.log((1 + 100 * p) / 104), 10);
    expect(scores.rank['valueLoss']).toBeCloseTo(((4 * 1 + 100 * 2.5) / 104 - 3) ** 2, 10);
  });

  it('count no more cells than they are told to', async () => {
    const { unigram } = await countGuesses(passOf(training), 8, (id) => id >= 2 && id < 5, 2);
    expect(unigram.probabilities[0]![3]).toBeCloseTo((2 + 100 / 3) / 104, 12);
  });
});

/** A batch of equally long cells; `values` one a slot, the same in every cell. */
function cells(geneIds: readonly number[][], values = geneIds[0]!.map(() => 1)): CellBatch {
  return {
    numCells: geneIds.length,
    seqLen: values.length,
    geneIds: Int32Array.from(geneIds.flat()),
    values: Float32Array.from(geneIds.flatMap(() => values)),
    numGenes: Int32Array.from(geneIds, (genes) => genes.length),
    cellIndex: Int32Array.from(geneIds.keys()),
    labels: {},
  };
}

function passOf(batch: CellBatch): CellBatches {
  return {
    numBatches: 1,
    async *[Symbol.asyncIterator]() {
      yield batch;
    },
    async close() {},
  };
}

async function* evaluationOf(batch: CellBatch, positions: readonly number[]) {
  const row = (data: number[], dtype: 'int32' | 'float32') => ({
    dtype,
    shape: [data.length],
    data: dtype === 'int32' ? Int32Array.from(data) : Float32Array.from(data),
  });
  const filled = [...positions, 0];
  yield {
    batch,
    inputs: {
      lossPositions: row(filled, 'int32'),
      lossWeights: row(
        filled.map((_, i) => (i < positions.length ? 1 : 0)),
        'float32',
      ),
      targetIds: row(
        filled.map((position) => batch.geneIds[position]!),
        'int32',
      ),
      targetValues: row(
        filled.map((position) => batch.values[position]!),
        'float32',
      ),
    },
  };
}
