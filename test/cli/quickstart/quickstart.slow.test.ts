import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../../src/data/readers/open.js';
import { loadCheckpoint } from '../../../src/train/checkpoint.js';
import { separableCells } from '../../support/annotated-cells.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const bin = fileURLToPath(new URL('../../../bin/scdiva.js', import.meta.url));
const newFolder = temporaryFolder('quickstart');
let folder: string;
let data: string;

/** Small enough for seconds; learns the types of `separableCells` all the same. */
const PRETRAIN = `
data: { corpus: filled in }
preprocessing: { lengthMultiple: 8 }
model: { hiddenDim: 16, numLayers: 2, numHeads: 2, ffnDim: 24, dropout: 0, maxGenes: 32 }
train: { steps: 30, batchSize: 16, optimizer: { lr: 0.01 }, evaluateEvery: 15, checkpointEvery: 10 }
`;
const ANNOTATION = `
data: { corpus: filled in, labelKey: filled in }
checkpoint: filled in
tune: { kind: whole }
train: { steps: 150, batchSize: 16, optimizer: { lr: 3e-3 }, evaluateEvery: 30 }
`;

async function configs(name: string, pretrain = PRETRAIN): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'pretrain.yaml'), pretrain);
  await writeFile(join(path, 'annotation.yaml'), ANNOTATION);
  return path;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param interruptAt sends SIGINT once this has been printed */
function scdiva(args: readonly string[], interruptAt?: RegExp): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr, isInterrupted] = ['', '', false];
    const see = () => {
      if (interruptAt && !isInterrupted && interruptAt.test(stdout + stderr)) {
        isInterrupted = true;
        child.kill('SIGINT');
      }
    };
    child.stdout.on('data', (text: Buffer) => ((stdout += text.toString()), see()));
    child.stderr.on('data', (text: Buffer) => ((stderr += text.toString()), see()));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

beforeAll(async () => {
  folder = await newFolder();
  data = join(folder, 'my <cells>.h5ad');
  const cells = separableCells(3, 90);
  await writeSmallH5ad(data, { ...cells, obs: { cell_type: cells.types.map((type) => (type === 'NK' ? 'NK <dim> & bright' : type)) } });
});

describe('scdiva quickstart', () => {
  it('goes from a file to scores, an annotated file and a report, and reuses all of it the second time', async () => {
    const out = join(folder, 'run');
    const args = ['quickstart', '--data', data, '--label', 'cell_type', '--out', out, '--configs', await configs('small')];
    const first = await scdiva([...args, '--json']);
    expect(first).toMatchObject({ code: 0 });
    const result = JSON.parse(first.stdout.trim().split('\n').at(-1)!) as {
      metrics: { numCells: number; seeds: number[]; methods: { name: string; mean: Record<string, number>; sd?: Record<string, number> }[] };
      annotated: string;
      checkpoint: string;
      report: string;
    };

    expect((await readdir(out)).sort()).toEqual([
      'annotation',
      'corpus',
      'data.json',
      'map.json',
      'metrics.json',
      'my <cells>.annotated.h5ad',
      'pretrain',
      'report.html',
      'run.json',
      'steps.json',
    ]);
    const { metrics } = result;
    expect(JSON.parse(await readFile(join(out, 'metrics.json'), 'utf8'))).toEqual(metrics);
    expect(metrics.methods.map(({ name }) => name)).toEqual(['scdiva', 'majorityClass', 'nearestNeighbours', 'logisticRegression']);
    expect(metrics.seeds).toHaveLength(3);
    const [model, majority] = metrics.methods;
    expect(model!.mean['macroF1']).toBeGreaterThan(majority!.mean['macroF1']! + 0.2);
    expect(model!.sd!['macroF1']).toBeGreaterThanOrEqual(0);

    expect((await loadCheckpoint(result.checkpoint)).head?.info.task).toBe('annotation');
    const annotated = await openCellFile(result.annotated);
    expect(annotated.numCells).toBe(90);
    expect(annotated.obsKeys).toEqual(expect.arrayContaining(['cell_type', 'scdiva_cell_type', 'scdiva_confidence', 'scdiva_typicality']));
    annotated.close();
    const page = await readFile(result.report, 'utf8');
    expect(page).toContain('NK &lt;dim&gt; &amp; bright');
    expect(page).not.toContain('<dim>');
    expect(page).toContain(`${model!.mean['macroF1']!.toFixed(3)} ± ${model!.sd!['macroF1']!.toFixed(3)}`);
    expect(page).toContain(`${metrics.numCells} test cells that no training step has seen`);
    expect(page).toMatch(/--data &#39;.*my &lt;cells&gt;\.h5ad&#39; --label cell_type/);

    const second = await scdiva(args);
    expect(second).toMatchObject({ code: 0 });
    expect(second.stdout.match(/reusing what is there/g)).toHaveLength(6);
    expect(second.stdout).toMatch(/ScDiVa.*\n.*most frequent class/);
    expect(await readFile(result.report, 'utf8')).toContain('reused');

    // The report can be had again from the folder alone.
    const report = await readFile(result.report, 'utf8');
    await rm(result.report);
    expect(await scdiva(['report', out])).toMatchObject({ code: 0 });
    expect(await readFile(result.report, 'utf8')).toBe(report);

    // Of the parts as well: a training's folder is a run of its own.
    for (const part of ['pretrain', 'annotation']) {
      expect(await scdiva(['report', join(out, part)])).toMatchObject({ code: 0 });
      expect(await readFile(join(out, part, 'report.html'), 'utf8')).toContain('id="training"');
    }
    expect(await readFile(join(out, 'annotation/report.html'), 'utf8')).toContain('id="confusion-title"');
  });

  it('goes on where it was interrupted', async () => {
    const out = join(folder, 'interrupted');
    const args = [
      'quickstart',
      '--data',
      data,
      '--label',
      'cell_type',
      '--out',
      out,
      '--configs',
      await configs('long', PRETRAIN.replace('steps: 30', 'steps: 3000')),
    ];
    const first = await scdiva(args, /pretraining: \d+\/3000|pretraining: 3000 steps/);
    expect(first.code).toBe(130);
    expect(first.stderr).toMatch(/interrupted after step \d+ of 3000.*run the same command again/);
    expect(existsSync(join(out, 'report.html'))).toBe(false);
    const second = await scdiva(args, /from step/);
    expect(second.stdout).toMatch(/2\/7 .*reusing what is there\n3\/7 [^\n]*\n[^\n]*from step \d+ to 3000/);
    expect(second.code).toBe(130);
  });

  it('answers a wrong label in one line with exit 2 and leaves nothing that claims to be done', async () => {
    const out = join(folder, 'wrong');
    const { code, stderr } = await scdiva(['quickstart', '--data', data, '--label', 'celltype', '--out', out, '--configs', await configs('small')]);
    expect(code).toBe(2);
    expect(stderr.trim().split('\n').at(-1)).toMatch(
      /^scdiva: .*obs\['celltype'\]: no such column \(expected a column with cell types, such as cell_type \(3 classes\); pass --label KEY\)$/,
    );
    expect(existsSync(join(out, 'report.html'))).toBe(false);
  });
});

describe('scdiva report', () => {
  it('names what is missing in a folder that is no run', async () => {
    const { code, stderr } = await scdiva(['report', folder]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/no run\.json in it \(expected a folder that scdiva quickstart, pretrain or finetune wrote\)\n$/);
    expect(existsSync(join(folder, 'report.html'))).toBe(false);
  });
});
