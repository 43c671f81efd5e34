import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../src/data/readers/open.js';
import type { CellFile } from '../../src/data/readers/reader.js';
import { createReconstructor, type Reconstructor } from '../../src/inference/reconstruction.js';
import { SWEEP_DEPTHS, sweepReconstruction } from '../../src/inference/reconstruction-sweep.js';
import { renderReconstructionPage } from '../../src/report/reconstruction-page.js';
import { createExecutor } from '../../src/runtime/program/executor.js';
import type { Executor } from '../../src/runtime/program/program.js';
import { pretrain } from '../../src/tasks/pretraining/pretrain.js';
import { PretrainingConfig } from '../../src/tasks/pretraining/config.js';
import { ReconstructionConfig } from '../../src/tasks/reconstruction/config.js';
import { loadCheckpoint } from '../../src/train/checkpoint.js';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';
import { structuredCells } from '../support/structured-cells.js';
import { useTensorFlow } from '../support/tensorflow.js';

useTensorFlow();
const newFolder = temporaryFolder('reconstruction');
const cellsConfig = { maxCells: 12, referenceCells: 40, seed: 1 };

/** Every cell expresses the six genes of one of four programs: whoever has learned that names hidden genes of the right program. */
let executor: Executor;
let cells: CellFile;
let trained: string;
const opened: Reconstructor[] = [];

beforeAll(async () => {
  const folder = await newFolder();
  const corpus = await smallCorpus(folder, structuredCells(4, 160));
  corpus.close();
  const config = PretrainingConfig.parse({
    data: { corpus: join(folder, 'corpus') },
    preprocessing: { lengthMultiple: 8 },
    depth: { kind: 'none' },
    model: { hiddenDim: 32, numLayers: 1, numHeads: 2, ffnDim: 64, maxGenes: 8, dropout: 0 },
    diffusion: { valueWeight: 0.02 }, // values near 7.5 would drown the identities of so short a run
    loader: { numWorkers: 0 },
    train: { steps: 300, batchSize: 16, optimizer: { lr: 0.005 }, schedule: { warmupSteps: 10 }, evaluateEvery: 100, seed: 1 },
  });
  trained = join(folder, 'run');
  await pretrain({ config, out: trained });
  executor = await createExecutor({ kind: 'auto' });
  cells = await openCellFile(join(folder, 'cells.h5ad'));
}, 120_000);
afterAll(() => {
  for (const reconstructor of opened) reconstructor.dispose();
  cells?.close();
  executor?.dispose();
});

const reconstructor = async (): Promise<Reconstructor> => {
  const made = await createReconstructor(await loadCheckpoint(trained), executor, cells, cellsConfig);
  opened.push(made);
  return made;
};
const settings = (change: object) => ReconstructionConfig.parse({ maskRatio: 0.5, ...change });

describe('reconstruction by a model that has learned the programs', () => {
  it('names hidden genes of the right program, as mean expression cannot', async () => {
    const { model, baselines } = await (await reconstructor()).evaluate(settings({}));
    expect(model.hiddenRecall).toBeGreaterThan(0.9);
    expect(baselines.meanExpression.hiddenRecall).toBeLessThan(0.7);
    expect(model.spearmanFull).toBeGreaterThan(baselines.visibleOnly.spearmanFull);
  });

  it('gives the same figures again', async () => {
    expect(await (await reconstructor()).evaluate(settings({}))).toEqual(await (await reconstructor()).evaluate(settings({})));
  });

  it('knows a cell whose genes are all hidden only where [LAT] is told of them', async () => {
    const made = await reconstructor();
    const recall = async (latent: string) => (await made.evaluate(settings({ latent, maskRatio: 1 }))).model.hiddenRecall;
    expect(await recall('whole')).toBeGreaterThan((await recall('none')) + 0.3);
  });

  it('sweeps every ablation the file allows, and draws them on one page', async () => {
    const made = await reconstructor();
    const { points } = await sweepReconstruction(
      new Map([
        ['trained', made],
        ['twin', made],
      ]),
      { ...settings({}) },
      [0.3, 0.9],
      true,
    );
    const names = new Set(points.map(({ axis, setting }) => `${axis}: ${setting}`));
    expect(names.size).toBe(1 + 2 + SWEEP_DEPTHS.length + 1 + 2 + 1 + 2);
    expect(points).toHaveLength(names.size * 2);
    const page = await renderReconstructionPage({ title: 'T', subtitle: 'S', points, notes: ['a <note>'] });
    expect(page).toContain('10 nearest cells');
    expect(page).toContain('a &lt;note&gt;');
    expect(page.match(/<svg /g)!.length).toBeGreaterThan(20);
  });

  it('refuses to thin what are no counts', async () => {
    const made = await reconstructor();
    Object.assign(made.source.matrix, { valueKind: 'log1p' });
    await expect(made.evaluate(settings({ depth: 0.5 }))).rejects.toThrow('counts, of which a share can be taken away');
  });
});
