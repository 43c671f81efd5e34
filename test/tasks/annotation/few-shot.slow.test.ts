import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import type { Corpus } from '../../../src/data/corpus/corpus.js';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { AnnotationConfig } from '../../../src/tasks/annotation/config.js';
import { fewShotCurve, fewShotLines, type FewShotCurve } from '../../../src/tasks/annotation/few-shot.js';
import { finetuneAnnotation } from '../../../src/tasks/annotation/finetune.js';
import { overSeeds } from '../../../src/tasks/finetune/methods.js';
import { quietContext, separableCells, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const folderOf = temporaryFolder('few-shot');
let folder: string;
let corpus: Corpus;
let checkpoint: string;

const request = (out: string, data: object = {}) => ({
  config: parseConfig(AnnotationConfig, {
    data: { corpus: corpus.path, labelKey: 'cell_type', ...data },
    checkpoint,
    tune: { kind: 'head' },
    loader: { numWorkers: 0 },
    train: { epochs: 30, batchSize: 16, executor: 'eager', optimizer: { lr: 1e-2 } },
  }),
  out: join(folder, out),
  context: quietContext(),
});

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  corpus = await smallCorpus(folder, separableCells(1, 240), { label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  checkpoint = await untrainedCheckpoint(folder, corpus);
});

describe('the few-shot curve', () => {
  let curve: FewShotCurve;
  beforeAll(async () => {
    curve = await fewShotCurve({ ...request('curve'), numSeeds: 2 }, [20, 1]);
  });

  it('has a point for each number of cells, every method on the same cells, every seed with its own', () => {
    expect(curve.points.map(({ cellsPerType, numCells }) => [cellsPerType, numCells.train, numCells.validation, numCells.test])).toEqual([
      [1, 3, 3, 48],
      [20, 60, 48, 48],
    ]);
    for (const { methods } of curve.points)
      expect(methods.map(({ name, runs }) => [name, runs.length])).toEqual(
        ['scdiva', 'majorityClass', 'nearestNeighbours', 'logisticRegression'].map((name) => [name, 2]),
      );
    expect(JSON.parse(readFileSync(join(curve.out, 'few-shot.json'), 'utf8'))).toMatchObject({ seeds: [0, 1] });
  });

  it('rises with the cells', () => {
    const [few, many] = curve.points.map(({ methods }) => overSeeds(methods[0]!.runs, 'macroF1').mean);
    expect(many).toBeGreaterThan(few!);
    expect(fewShotLines(curve)[0]).toMatch(/^cells a type +1 +20$/);
  });

  it('refuses numbers that are none', async () => {
    await expect(fewShotCurve(request('none'), [0, 5])).rejects.toThrow(/shots: 0 .*whole numbers above 0/);
  });
});

describe('a type held out of training', () => {
  it('is scored as unseen, for the model and for the baselines', async () => {
    const { methods, labels, numClasses } = await finetuneAnnotation(request('held', { holdOut: ['NK'] }));
    expect([numClasses, labels[2]]).toEqual([2, 'NK']);
    for (const { runs } of methods) {
      expect(runs[0]!['unknownAuroc']).toBeGreaterThanOrEqual(0);
      expect(runs[0]!['macroF1OfSeen']).toBeGreaterThan(runs[0]!['macroF1']!);
    }
    expect(methods[1]!.runs[0]!['unknownAuroc']).toBe(0.5); // the most frequent class is as sure of every cell
    expect(methods[0]!.runs[0]!['unknownAurocByDistance']).toBeGreaterThan(0.5);
  });
});
