import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { openCorpus } from '../../../src/data/corpus/corpus.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { SimulationConfig } from '../../../src/data/simulate/config.js';
import { simulate, writeSimulation } from '../../../src/data/simulate/simulate.js';
import { readTrueEdges } from '../../../src/cli/metrics/network-data.js';
import { inferNetworks } from '../../../src/inference/grn/infer.js';
import { scoreNetworks } from '../../../src/inference/grn/score.js';
import { evaluatePerturbationFile, perturbFile } from '../../../src/inference/perturb.js';
import { Rng } from '../../../src/rng.js';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { createExecutor } from '../../../src/runtime/program/executor.js';
import { PerturbationConfig } from '../../../src/tasks/perturbation/config.js';
import { finetunePerturbation } from '../../../src/tasks/perturbation/finetune.js';
import type { PerturbationResult } from '../../../src/tasks/perturbation/results.js';
import { loadCheckpoint } from '../../../src/train/checkpoint.js';
import { quietContext, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { temporaryFolder } from '../../support/small-corpus.js';

const folderOf = temporaryFolder('perturbation');
let folder: string;
let cellsFile: string;
let configOf: (more?: object) => PerturbationConfig;
let result: PerturbationResult;

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  const config = parseConfig(SimulationConfig, {
    numGenes: 45,
    numMasters: 5,
    numFactors: 8,
    numCellTypes: 2,
    numSingles: 8,
    numDoubles: 18,
    cellsPerPerturbation: 24,
    controlCells: 80,
    depth: 900,
  });
  await writeSimulation(simulate(config), config, join(folder, 'sim'));
  cellsFile = join(folder, 'sim', 'cells.h5ad');
  await buildCorpus([cellsFile], { out: join(folder, 'corpus') });
  const corpus = await openCorpus(join(folder, 'corpus'));
  const checkpoint = await untrainedCheckpoint(folder, corpus); // 32 of 45 genes at once: the panel takes turns
  corpus.close();
  configOf = (more = {}) =>
    parseConfig(PerturbationConfig, {
      data: { corpus: join(folder, 'corpus') },
      match: { keys: ['cell_type'] },
      split: { unseenGeneShare: 0.17, unseenCombinationShare: 0.35, validationShare: 0.2 },
      target: 'mean',
      cellsPerPerturbation: 8,
      evaluationCells: 12,
      checkpoint,
      train: { epochs: 60, batchSize: 16, optimizer: { lr: 5e-3 }, evaluateEvery: 30, earlyStopping: { patience: null, metric: 'loss', mode: 'min' } },
      ...more,
    });
  result = await finetunePerturbation({ config: configOf(), out: join(folder, 'run'), context: quietContext() });
});

const predictWith = async <T>(
  work: (checkpoint: Awaited<ReturnType<typeof loadCheckpoint>>, executor: Awaited<ReturnType<typeof createExecutor>>) => Promise<T>,
): Promise<T> => {
  const executor = await createExecutor({ kind: 'auto' });
  try {
    return await work(await loadCheckpoint(join(folder, 'run')), executor);
  } finally {
    executor.dispose();
  }
};

describe('fine-tuning for perturbations', () => {
  it('learns to predict perturbations it has not seen: from nothing to above the training mean', async () => {
    const lines = (await readFile(join(folder, 'run', 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number | string>);
    const validated = lines.filter(({ split }) => split === 'validation').map(({ loss }) => loss as number);
    expect(Math.min(...validated)).toBeLessThan(0.7 * validated[0]!);
    const seen = result.groups.find(({ name }) => name === 'seen2of2')!;
    const score = (method: string) => seen.methods.find(({ name }) => name === method)!.runs[0]!['pearsonDelta']!;
    expect(score('scdiva')).toBeGreaterThan(score('trainMean') + 0.15);
  });

  it('writes down a split in which no test perturbation is trained on', async () => {
    const written = JSON.parse(await readFile(join(folder, 'run', 'perturbation.json'), 'utf8')) as PerturbationResult;
    expect(written.groups.map(({ name }) => name)).toEqual(expect.arrayContaining(['all', 'seen0of1', 'seen1of2', 'seen2of2']));
    const trained = new Set([...written.held.train, ...written.held.validation]);
    for (const { perturbations } of written.groups) for (const name of perturbations) expect(trained.has(name)).toBe(false);
    const { data } = JSON.parse(await readFile(join(folder, 'run', 'run.json'), 'utf8')) as { data: Record<string, string> };
    expect(data['test_seen2of2']!.split(' ')).toEqual(written.groups.find(({ name }) => name === 'seen2of2')!.perturbations);
  });

  it('shows baselines, ceiling and collapse index in every table', () => {
    for (const { methods } of result.groups) {
      const names = methods.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['scdiva', 'controlMean', 'trainMean', 'ceiling']));
      for (const { runs } of methods) if (runs[0]!['numPerturbations']! > 1) expect(runs[0]!['meanCollapseIndex']).toBeGreaterThanOrEqual(0);
    }
    expect(result.methods.find(({ name }) => name === 'additive')!.runs[0]!['numPerturbations']).toBeLessThan(result.groups[0]!.perturbations.length);
  });

  it('starts from the sum of single effects where it is given them', async () => {
    const started = await finetunePerturbation({
      config: configOf({
        split: { unseenGeneShare: 0, unseenCombinationShare: 0.4 },
        singleEffects: 'input',
        evaluationCells: 100,
        train: { steps: 1, batchSize: 16, optimizer: { lr: 1e-9 } },
      }),
      out: join(folder, 'sums'),
      context: quietContext(),
    });
    const { methods } = started.groups.find(({ name }) => name === 'seen2of2')!;
    const score = (method: string) => methods.find(({ name }) => name === method)!.runs[0]!['pearsonDelta']!;
    expect(Math.abs(score('scdiva') - score('additive'))).toBeLessThan(0.02);
    expect((await loadCheckpoint(join(folder, 'sums'))).head!.info['singles']).not.toHaveLength(0);
  });
});

describe('a network of learned perturbations', () => {
  it('finds the true edges of the regulators that training perturbed, signs included, and fills up the others', async () => {
    const file = await openCellFile(cellsFile);
    try {
      const truth = await readTrueEdges(join(folder, 'sim', 'network.csv'));
      const regulators = ['TF01', 'TF02', 'TF03', 'TF04', 'TF05', 'TF06', 'TF07', 'TF08'];
      const network = await predictWith((checkpoint, executor) =>
        inferNetworks(checkpoint, executor, file, { regulators, baselines: true, minCells: 1, maxCells: 600, knockoutCells: 10 }),
      );
      expect(Object.keys(network.weights)).toEqual(['perturbation']);
      expect([...network.baselines.keys()]).toEqual([
        'co-expression',
        'co-expression, Spearman',
        'differential expression',
        'the same, co-expression elsewhere',
      ]);
      const held = result.held.train;
      const perturbed = regulators.filter((name) => held.some((perturbation) => perturbation.split('+').includes(name)));
      expect(perturbed.length).toBeLessThan(regulators.length);
      expect(network.notes.join()).toContain(`${perturbed.length} of 8 regulators were perturbed in training`);
      const { methods } = scoreNetworks([network], truth, perturbed, 0);
      const of = (name: string) => methods.find((method) => method.name === name)!;
      expect(of('perturbation').scores.auprcRatio).toBeGreaterThan(2); // 1 is chance
      expect(of('perturbation').signed!.signAccuracy).toBeGreaterThan(0.7);
      const G = network.genes.genes.length;
      for (const [r, gene] of network.genes.regulators.entries())
        expect([r, network.weights.perturbation!.subarray(r * G, (r + 1) * G).some((w) => w !== 0), network.weights.perturbation![r * G + gene]]).toEqual([
          r,
          true,
          0,
        ]);
    } finally {
      file.close();
    }
  });
});

describe('predicting from a file', () => {
  it('writes predicted cells beside their control cells, and says what training had', async () => {
    const output = join(folder, 'predicted.h5ad');
    const report = await predictWith((checkpoint, executor) =>
      perturbFile(
        checkpoint,
        executor,
        { input: cellsFile, output, perturbations: ['TF06+TF07', 'TF08'], version: 'test' },
        { perturbationKey: 'perturbation', maxCells: 10 },
      ),
    );
    expect(report.numControlCells).toBe(80);
    const file = await openCellFile(output);
    try {
      expect(file.numCells).toBe(20);
      expect(file.matrices.map(({ key }) => key).sort()).toEqual(['X', 'layers/control']);
      const column = file.obs('perturbation');
      expect(column.kind === 'categorical' && column.categories).toEqual(['TF06+TF07', 'TF08']);
    } finally {
      file.close();
    }
  });

  it('refuses a gene that the model does not know, in one line', async () => {
    const asked = predictWith((checkpoint, executor) =>
      perturbFile(checkpoint, executor, { input: cellsFile, output: join(folder, 'no.h5ad'), perturbations: ['TF06+NOSUCH'], version: 'test' }),
    );
    await expect(asked).rejects.toThrow(/^perturbation 'TF06\+NOSUCH': NOSUCH is not among the 45 genes of the model/);
  });

  it('scores the perturbations of a file that training did not have', async () => {
    const evaluation = await predictWith((checkpoint, executor) =>
      evaluatePerturbationFile(checkpoint, executor, cellsFile, { perturbationKey: 'perturbation', maxCells: 10 }, Rng.fromSeed(0)),
    );
    expect(evaluation.perturbations.map(({ name }) => name).sort()).toEqual([...result.groups[0]!.perturbations].sort());
    expect(evaluation.rows.map(({ name }) => name)).toContain('ceiling');
    expect(evaluation.rows[0]!.scores.pearsonDelta).toBeGreaterThan(0.2);
  });
});
