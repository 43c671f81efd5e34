import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import type { Corpus } from '../../../src/data/corpus/corpus.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { integrateFile, provenanceOf } from '../../../src/inference/annotated-file.js';
import { ScDiVaInference } from '../../../src/inference/engine.js';
import { ScDiVa } from '../../../src/inference/scdiva.js';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { IntegrationConfig } from '../../../src/tasks/integration/config.js';
import { finetuneIntegration, type IntegrationResult } from '../../../src/tasks/integration/finetune.js';
import { loadCheckpoint } from '../../../src/train/checkpoint.js';
import { quietContext, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { batchedCells } from '../../support/batched-cells.js';
import { smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const folderOf = temporaryFolder('integration');
let folder: string;
let corpus: Corpus;
let checkpoint: string;
let result: IntegrationResult;

const finetune = (out: string, change: object = {}, train: object = {}, more: object = {}) =>
  finetuneIntegration({
    config: parseConfig(IntegrationConfig, {
      data: { corpus: corpus.path, batchKey: 'donor', labelKey: 'cell_type' },
      checkpoint,
      loader: { numWorkers: 0 },
      ...change,
      train: { epochs: 12, batchSize: 30, evaluateEvery: 36, optimizer: { lr: 1e-2 }, earlyStopping: { patience: null }, ...train },
    }),
    out: join(folder, out),
    context: quietContext(),
    ...more,
  });

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  corpus = await smallCorpus(folder, batchedCells(1, 300), { label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  checkpoint = await untrainedCheckpoint(folder, corpus);
  result = await finetune('labels');
}, 60_000);

const validations = () =>
  readFileSync(join(result.out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number | string>)
    .filter(({ split }) => split === 'validation');
const scores = ({ methods }: IntegrationResult, name: string) => methods.find((method) => method.name === name)!.runs[0]!;

describe('fine-tuning for integration', () => {
  it('learns: cells of one type come nearer to each other than they were', () => {
    expect(result.methods[0]!.runs).toHaveLength(1);
    const [first, last] = [validations()[0]!, validations().at(-1)!];
    expect(last['contrastiveLoss']).toBeLessThan((first['contrastiveLoss'] as number) - 0.05);
    expect(last['reconstructionLoss']).toBeLessThan(0.5 * (first['reconstructionLoss'] as number));
  });

  it('gives every method both kinds of scores', () => {
    for (const { name } of result.methods)
      for (const metric of ['avgBio', 'avgBatch', 'nmi', 'aswLabel', 'aswBatch', 'ilisi'])
        expect(scores(result, name)[metric], `${metric} of ${name}`).toBeGreaterThanOrEqual(0);
  });

  it('scores raw expression, PCA, Harmony and the model as it was on the same test cells', () => {
    expect(result.methods.map(({ name }) => name)).toEqual(['scdiva', 'raw', 'pca', 'harmony', 'pretrained']);
    expect(result.numCells.test).toBe(corpus.splitRows('test').length);
    expect(JSON.parse(readFileSync(join(result.out, 'integration.json'), 'utf8'))).toEqual(JSON.parse(JSON.stringify(result)));
  });

  it('trains the whole encoder, the mask vectors and the gene heads among it', async () => {
    const [before, after] = [(await loadCheckpoint(checkpoint)).parameters, (await loadCheckpoint(result.out)).parameters];
    for (const name of Object.keys(before)) expect(after[name]!.data, name).not.toEqual(before[name]!.data);
  });

  it('places the cells of a file, each by itself, as scanpy expects them', async () => {
    const model = await ScDiVa.fromPretrained(result.out);
    const engine = new ScDiVaInference({ model });
    const input = join(folder, 'cells.h5ad');
    const output = join(folder, 'integrated.h5ad');
    const report = await integrateFile(engine, { input, output }, await provenanceOf(model, '0', true), { batchSize: 7 });
    expect(report.numCells).toBe(300);
    const file = await openCellFile(output);
    const { data, numColumns } = file.embedding!('X_scdiva_integrated');
    expect(numColumns).toBe(64);
    expect(data.length).toBe(300 * 64);
    expect(Array.from(data).every(Number.isFinite)).toBe(true);
    expect(new Set(data).size).toBeGreaterThan(1000);
    file.close();
    await engine.dispose();
    model.dispose();
  });
});

describe('integration without labels', () => {
  it('learns from clusters, and asks no label of a training cell', async () => {
    const train = { epochs: 1, executor: 'eager', evaluateEvery: null };
    const free = await finetune('clusters', { contrastive: { kind: 'clusters' } }, train);
    const blind = await finetune('blind', { data: { corpus: corpus.path, batchKey: 'donor' }, baselines: false }, train);
    expect(free.numClusters).toBeGreaterThan(1);
    // The same training: the labels were for the scores alone.
    expect((await loadCheckpoint(free.out)).parameters).toEqual((await loadCheckpoint(blind.out)).parameters);
    expect(scores(free, 'scdiva')['avgBio']).toBeGreaterThan(0);
    expect(scores(blind, 'scdiva')['avgBio']).toBeUndefined();
    expect(scores(blind, 'scdiva')['avgBatch']).toBeGreaterThan(0);
  });
});

describe('mistakes', () => {
  it('are told in one line', async () => {
    await expect(finetune('one-batch', { data: { corpus: corpus.path, batchKey: 'nowhere', labelKey: 'cell_type' } })).rejects.toThrow(
      /obs\['nowhere'\]: no such field/,
    );
  });
});
