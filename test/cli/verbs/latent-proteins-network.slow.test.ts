import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { openCorpus } from '../../../src/data/corpus/corpus.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { SimulationConfig } from '../../../src/data/simulate/config.js';
import { simulate, writeSimulation } from '../../../src/data/simulate/simulate.js';
import { sha256File } from '../../../src/files.js';
import { untrainedCheckpoint } from '../../support/annotated-cells.js';
import { temporaryFolder } from '../../support/small-corpus.js';

const bin = resolve(import.meta.dirname, '../../../bin/scdiva.js');
const folderOf = temporaryFolder('cli-latent');
let folder: string;

function scdiva(...args: string[]): { status: number | null; stdout: string; stderr: string; json: Record<string, unknown> } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args, '--json'], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr, json: status === 0 ? (JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>) : {} };
}

beforeAll(async () => {
  folder = await folderOf();
  const config = parseConfig(SimulationConfig, {
    numGenes: 40,
    numFactors: 10,
    numMasters: 5,
    numSingles: 0,
    numDoubles: 0,
    controlCells: 200,
    numCellTypes: 3,
    numBatches: 1,
    depth: 500,
    numProteins: 4,
  });
  await writeSimulation(simulate(config), config, join(folder, 'sim'));
  await buildCorpus([join(folder, 'sim/cells.h5ad')], { out: join(folder, 'corpus'), label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  const corpus = await openCorpus(join(folder, 'corpus'));
  await untrainedCheckpoint(folder, corpus);
  corpus.close();
  const train =
    'checkpoint: pretrained\ncellState: genes\nbaselines: false\nloader: { numWorkers: 0 }\ntrain: { epochs: 2, batchSize: 40, optimizer: { lr: 5e-3 } }\n';
  writeFileSync(
    join(folder, 'variational.yaml'),
    `data: { corpus: corpus }\nlatent: { dim: 4 }\ngenes: { hiddenDim: 16 }\nlabels: { labelKey: cell_type, hiddenDim: 8 }\n${train}`,
  );
  writeFileSync(join(folder, 'multimodal.yaml'), `data: { corpus: corpus, proteins: sim/cells.h5ad }\n${train}`);
});

describe('a latent space from the command line', () => {
  it('is trained, scored on a file, and makes new cells of a type', async () => {
    const trained = scdiva('finetune', 'variational', '--config', 'variational.yaml', '--out', 'latent');
    expect([trained.status, trained.stderr.includes('scdiva:')]).toEqual([0, false]);
    const scored = scdiva('evaluate', 'variational', '--checkpoint', 'latent', '--data', 'sim/cells.h5ad', '--seed', '3');
    expect(scored.json).toMatchObject({
      numCells: 200,
      latentDim: 4,
      elbo: expect.any(Number),
      twoSampleAuc: expect.any(Number),
      prior: { twoSampleAuc: expect.any(Number) },
      geneCoverage: 1,
    });
    const made = scdiva('generate', '--latent', '--checkpoint', 'latent', '--num-cells', '30', '--label', 'type_1', '--out', 'new.h5ad');
    expect([made.status, made.json['numCells']]).toEqual([0, 30]);
    const file = await openCellFile(join(folder, 'new.h5ad'));
    expect(file.numCells).toBe(30);
    file.close();
  });

  it('refuses what is not for new cells, in one line', () => {
    const { status, stderr } = scdiva('generate', 'sim/cells.h5ad', '--latent', '--checkpoint', 'latent', '--out', 'no.h5ad');
    expect([status, stderr.trimEnd().split('\n').length]).toEqual([2, 1]);
    expect(stderr).toMatch(/sim\/cells\.h5ad/);
  });
});

describe('proteins from the command line', () => {
  it('are learned, scored on a file, and added to a copy of one', async () => {
    expect(scdiva('finetune', 'multimodal', '--config', 'multimodal.yaml', '--out', 'proteins').status).toBe(0);
    const scored = scdiva('evaluate', 'multimodal', '--checkpoint', 'proteins', '--data', 'sim/cells.h5ad');
    expect(scored.json).toMatchObject({ numCells: 200, proteinPearson: expect.any(Number), meanRmse: expect.any(Number), scale: 'clr', missing: [] });
    expect(scored.json['proteins']).toHaveLength(4);
    const before = await sha256File(join(folder, 'sim/cells.h5ad'));
    const added = scdiva('proteins', 'sim/cells.h5ad', '--checkpoint', 'proteins', '--out', 'with-proteins.h5ad');
    expect(added.json).toMatchObject({ numCells: 200, files: [{ output: 'with-proteins.h5ad', scale: 'clr' }] });
    expect(await sha256File(join(folder, 'sim/cells.h5ad'))).toBe(before);
    const file = await openCellFile(join(folder, 'with-proteins.h5ad'));
    expect(file.embeddingKeys).toContain('scdiva_proteins');
    file.close();
  });

  it('are refused of a model that has learned none, in one line', () => {
    const { status, stderr } = scdiva('proteins', 'sim/cells.h5ad', '--checkpoint', 'pretrained', '--out', 'no.h5ad');
    expect([status, stderr.trimEnd().split('\n').length]).toEqual([2, 1]);
    expect(stderr).toMatch(/has no multimodal head.*scdiva finetune multimodal/);
  });
});

describe('a gene network from the command line', () => {
  it('is ranked by gene vectors where no perturbation was learned, and every method is scored beside simple ones', () => {
    writeFileSync(join(folder, 'tf.txt'), Array.from({ length: 10 }, (_, i) => `TF${String(i + 1).padStart(2, '0')}\n`).join(''));
    const { status, json } = scdiva(
      'grn',
      'sim/cells.h5ad',
      '--checkpoint',
      'pretrained',
      '--tf',
      'tf.txt',
      '--truth',
      'sim/network.csv',
      '--max-cells',
      '40',
      '--knockout-cells',
      '3',
      '--out',
      'edges.csv',
    );
    expect([status, json['method']]).toEqual([0, 'vectors']);
    const [{ scores }] = json['groups'] as [{ scores: { methods: { name: string; auprcRatio: number }[] } }];
    expect(scores.methods.map(({ name }) => name).filter((name) => !name.startsWith('layer'))).toEqual([
      'vectors',
      'dosage',
      'removal',
      'attention',
      'attention, uncorrected',
      'co-expression',
      'co-expression, Spearman',
      'random',
    ]);
    expect(readFileSync(join(folder, 'edges.csv'), 'utf8')).toMatch(/^regulator,target,weight\nTF\d\d,/);
    const asked = scdiva('grn', 'sim/cells.h5ad', '--checkpoint', 'pretrained', '--method', 'perturbation', '--out', 'no.csv');
    expect([asked.status, asked.stderr.trimEnd().split('\n').at(-1)]).toEqual([
      2,
      expect.stringMatching(/the model has learned no perturbations.*scdiva finetune perturbation/),
    ]);
  });
});
