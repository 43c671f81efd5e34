import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { openCorpus, type Corpus } from '../../../src/data/corpus/corpus.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { SimulationConfig } from '../../../src/data/simulate/config.js';
import { simulate, writeSimulation } from '../../../src/data/simulate/simulate.js';
import { evaluateMultimodal } from '../../../src/inference/evaluate-multimodal.js';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { createExecutor } from '../../../src/runtime/program/executor.js';
import { MultimodalConfig } from '../../../src/tasks/multimodal/config.js';
import { finetuneMultimodal, type MultimodalResult } from '../../../src/tasks/multimodal/finetune.js';
import { loadCheckpoint } from '../../../src/train/checkpoint.js';
import { quietContext, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { temporaryFolder } from '../../support/small-corpus.js';

const folderOf = temporaryFolder('multimodal');
let folder: string;
let file: string;
let corpus: Corpus;
let checkpoint: string;
let result: MultimodalResult;

const finetune = (out: string, data: object = {}, train: object = {}, more: object = {}) =>
  finetuneMultimodal({
    config: parseConfig(MultimodalConfig, {
      data: { corpus: corpus.path, proteins: file, ...data },
      checkpoint,
      loader: { numWorkers: 0 },
      ...more,
      train: { epochs: 14, batchSize: 32, evaluateEvery: 35, optimizer: { lr: 5e-3 }, earlyStopping: { patience: null }, ...train },
    }),
    out: join(folder, out),
    context: quietContext(),
  });

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  const config = parseConfig(SimulationConfig, {
    numGenes: 40,
    numFactors: 10,
    numMasters: 5,
    numSingles: 0,
    numDoubles: 0,
    controlCells: 280,
    numCellTypes: 3,
    numBatches: 1,
    depth: 500,
    numProteins: 5,
    proteinDepth: 60,
  });
  await writeSimulation(simulate(config), config, join(folder, 'sim'));
  file = join(folder, 'sim/cells.h5ad');
  await buildCorpus([file], { out: join(folder, 'corpus'), label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  corpus = await openCorpus(join(folder, 'corpus'));
  checkpoint = await untrainedCheckpoint(folder, corpus);
  result = await finetune('together');
}, 90_000);

describe('fine-tuning on RNA and proteins', () => {
  it('learns to tell proteins from RNA, while it learns the genes', () => {
    const checks = readFileSync(join(result.out, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number | string>)
      .filter(({ split }) => split === 'validation');
    expect(checks.at(-1)!['proteinLoss']).toBeLessThan(0.9 * (checks[0]!['proteinLoss'] as number));
    expect(result.methods[0]!.runs[0]!['proteinPearson']).toBeGreaterThan(0.4);
  });

  it('scores the mean, nearest neighbours and ridge regression on the same cells, and every protein by itself', () => {
    expect(result.methods.map(({ name }) => name)).toEqual(['scdiva', 'mean', 'nearestNeighbours', 'ridge']);
    expect(result.methods[1]!.runs[0]!['proteinPearson']).toBeUndefined();
    expect(result.methods[3]!.runs[0]!['proteinPearson']).toBeGreaterThan(0.4);
    expect(result.proteins).toHaveLength(5);
    expect(result.scale).toBe('clr');
    expect(JSON.parse(readFileSync(join(result.out, 'multimodal.json'), 'utf8'))).toEqual(JSON.parse(JSON.stringify(result)));
  });

  it('predicts the proteins of a file as it did those of the corpus', async () => {
    const cells = await openCellFile(file);
    const executor = await createExecutor({ kind: 'auto' });
    try {
      const scores = await evaluateMultimodal(await loadCheckpoint(result.out), executor, cells, file, undefined, { batchSize: 50 });
      expect(scores.numCells).toBe(280);
      expect(scores.proteinPearson).toBeGreaterThan(0.4);
      expect(scores.proteinRmse).toBeLessThan(scores.meanRmse);
    } finally {
      executor.dispose();
      cells.close();
    }
  });

  it('keeps the model as it is where only the head learns', async () => {
    const frozen = await finetune('frozen', {}, { epochs: 1 }, { tune: { kind: 'head' }, baselines: false });
    const [before, after] = [(await loadCheckpoint(checkpoint)).parameters, (await loadCheckpoint(frozen.out)).parameters];
    for (const name of Object.keys(before)) expect(after[name]!.data, name).toEqual(before[name]!.data);
  });
});

describe('mistakes', () => {
  it('are told in one line', async () => {
    await expect(finetune('key', { proteinKey: 'adt' })).rejects.toThrow(/adt: no such obsm entry.*one of protein_expression/);
    await expect(finetune('file', { proteins: join(folder, 'none.h5mu') })).rejects.toThrow(/none\.h5mu/);
  });
});
