import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import type { Corpus } from '../../../src/data/corpus/corpus.js';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { VariationalConfig } from '../../../src/tasks/variational/config.js';
import { finetuneVariational, type VariationalResult } from '../../../src/tasks/variational/finetune.js';
import { loadCheckpoint } from '../../../src/train/checkpoint.js';
import { Rng } from '../../../src/rng.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { evaluateVariational } from '../../../src/inference/evaluate-variational.js';
import { newCellsFile } from '../../../src/inference/new-cells.js';
import { ScDiVa } from '../../../src/inference/scdiva.js';
import { createExecutor } from '../../../src/runtime/program/executor.js';
import { expectClose } from '../../support/expect-close.js';
import { readRows } from '../../support/read-rows.js';
import { quietContext, separableCells, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const folderOf = temporaryFolder('variational');
let folder: string;
let corpus: Corpus;
let checkpoint: string;
let result: VariationalResult;

const finetune = (out: string, change: object = {}, train: object = {}) =>
  finetuneVariational({
    config: parseConfig(VariationalConfig, {
      data: { corpus: corpus.path },
      checkpoint,
      latent: { dim: 6, klWeight: 0.5, warmup: 0.3 },
      genes: { hiddenDim: 24 },
      loader: { numWorkers: 0 },
      ...change,
      train: { epochs: 30, batchSize: 30, evaluateEvery: 30, optimizer: { lr: 1e-2 }, earlyStopping: { patience: null }, ...train },
    }),
    out: join(folder, out),
    context: quietContext(),
  });

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  corpus = await smallCorpus(folder, separableCells(1, 300), { label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  checkpoint = await untrainedCheckpoint(folder, corpus);
  result = await finetune('labels', { labels: { labelKey: 'cell_type', hiddenDim: 16 } });
}, 90_000);

const scores = ({ methods }: VariationalResult, name: string) => methods.find((method) => method.name === name)!.runs[0]!;

describe('a variational latent space', () => {
  it('learns: the bound rises and the types are read from the latent state', () => {
    const lines = readFileSync(join(result.out, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number | string>);
    const checks = lines.filter(({ split }) => split === 'validation');
    expect(checks.at(-1)!['elbo']).toBeGreaterThan((checks[0]!['elbo'] as number) + 2);
    expect(scores(result, 'scdiva')['macroF1']).toBeGreaterThan(0.9);
    expect(scores(result, 'scdiva')['numActiveUnits']).toBeGreaterThan(0);
    expect(scores(result, 'scdiva')['reconstructionR2']).toBeGreaterThan(0.3);
  });

  it('lets β rise over its warm-up', () => {
    // Loss per gene = (nll + β KL) / G + cross-entropy: what is left of it gives β.
    const lines = readFileSync(join(result.out, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number>);
    const beta = (line: Record<string, number>) => ((line['loss']! - line['labelLoss']!) * result.numGenes - line['reconstructionLoss']!) / line['klLoss']!;
    const training = lines.filter(({ split }) => (split as unknown as string) === 'train');
    expect(beta(training[0]!)).toBeCloseTo(0, 1);
    expect(beta(training.at(-1)!)).toBeCloseTo(0.5, 1);
  });

  it('makes cells that are nearer to real ones than those of the untrained prior, and says what real cells would score', () => {
    expect(result.methods.map(({ name }) => name)).toEqual([
      'scdiva',
      'scdivaPrior',
      'pcaGaussian',
      'shuffled',
      'realCells',
      'majorityClass',
      'nearestNeighbours',
      'logisticRegression',
    ]);
    expect(scores(result, 'scdiva')['generatedMeanPearson']).toBeGreaterThan(0.8);
    expect(Math.abs(scores(result, 'realCells')['twoSampleAuc']! - 0.5)).toBeLessThan(0.15);
    expect(JSON.parse(readFileSync(join(result.out, 'variational.json'), 'utf8'))).toEqual(JSON.parse(JSON.stringify(result)));
  });

  it('keeps the posteriors of training cells beside the weights', async () => {
    expect(existsSync(join(result.out, 'posterior.safetensors'))).toBe(true);
    expect((await loadCheckpoint(result.out)).head!.info['latentDim']).toBe(6);
  });

  it('gives latent, mu and logvar of every cell of a file, each by itself', async () => {
    const model = await ScDiVa.fromPretrained(result.out);
    const file = await openCellFile(join(folder, 'cells.h5ad'));
    try {
      const few = await model.encode(file, { batchSize: 7 });
      const many = await model.encode(file, { batchSize: 64 });
      expect(few.latent.shape).toEqual([300, 16]);
      expect([few.mu!.shape, few.logvar!.shape]).toEqual([
        [300, 6],
        [300, 6],
      ]);
      expectClose(few.mu!.data, many.mu!.data, { atol: 1e-4 });
      const evaluated = await evaluateVariational(model, file, Rng.fromSeed(1));
      expect(Math.abs(evaluated.elbo - scores(result, 'scdiva')['elbo']!)).toBeLessThan(8); // other cells, most of them trained on
    } finally {
      file.close();
      model.dispose();
    }
  });

  it('makes new cells of one type as a file that scanpy reads', async () => {
    const output = join(folder, 'new.h5ad');
    const checkpoint = await loadCheckpoint(result.out);
    const executor = await createExecutor({ kind: 'auto' });
    try {
      const made = await newCellsFile(checkpoint, executor, { output, numCells: 40, label: 'NK', version: '0' });
      expect(made.labels['NK']).toBeGreaterThan(35);
      await expect(newCellsFile(checkpoint, executor, { output, numCells: 40, label: 'monocyte', version: '0' })).rejects.toThrow(
        /--label: 'monocyte'.*one of B, NK, T/,
      );
    } finally {
      executor.dispose();
    }
    const file = await openCellFile(output);
    expect([file.numCells, file.matrix('X').numGenes]).toEqual([40, 40]);
    // Genes of NK are shown, those of B are not.
    const rows = await readRows(file.matrix('X'));
    const mean = (from: number, to: number) => rows.reduce((sum, row) => sum + row.slice(from, to).reduce((a, b) => a + b, 0), 0) / (40 * (to - from));
    const order = file.matrix('X').genes.names.map((name) => Number(/\d+$/.exec(name)![0]));
    const own = order.findIndex((g) => g === 8);
    expect(own).toBe(8);
    expect(mean(8, 16)).toBeGreaterThan(2 * mean(0, 8));
    file.close();
  });

  it('runs without labels, with the model frozen', async () => {
    const free = await finetune('frozen', { tune: { kind: 'head' }, baselines: false }, { epochs: 1 });
    expect(scores(free, 'scdiva')['macroF1']).toBeUndefined();
    const [before, after] = [(await loadCheckpoint(checkpoint)).parameters, (await loadCheckpoint(free.out)).parameters];
    for (const name of Object.keys(before)) expect(after[name]!.data, name).toEqual(before[name]!.data);
  });

  it('asks for no more genes than there are', async () => {
    await expect(finetune('many', { genes: { numGenes: 4000 } })).rejects.toThrow(/genes\.numGenes: 4000 \(expected at most \d+|genes\.numGenes.*4000/);
  });
});
