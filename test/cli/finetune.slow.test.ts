import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256File } from '../../src/files.js';
import { loadTensorFlow } from '../../src/runtime/native/load.js';
import { separableCells, untrainedCheckpoint } from '../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';

const bin = resolve(import.meta.dirname, '../../bin/scdiva.js');
const folderOf = temporaryFolder('cli-finetune');
let folder: string;

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  const corpus = await smallCorpus(folder, separableCells(1, 120), { label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  await untrainedCheckpoint(folder, corpus);
  await writeFile(
    join(folder, 'a.yaml'),
    'data: { corpus: corpus, labelKey: cell_type }\ncheckpoint: pretrained\ntune: { kind: whole }\nloader: { numWorkers: 0 }\ntrain: { epochs: 15, batchSize: 16, optimizer: { lr: 3e-3 } }\n',
  );
});

function scdiva(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  // Loading TensorFlow here has set its log level for this process; a child that finds it set takes it for the user's wish to see the log.
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: undefined };
  return new Promise((done) =>
    execFile(process.execPath, [bin, ...args], { cwd: folder, env }, (error, stdout, stderr) => done({ code: error ? Number(error.code) : 0, stdout, stderr })),
  );
}
const lastLine = (text: string) => JSON.parse(text.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;

describe('scdiva finetune annotation', () => {
  it('writes a checkpoint folder and prints one JSON object with the scores of model and baselines', async () => {
    const { code, stdout, stderr } = await scdiva('finetune', 'annotation', '--config', 'a.yaml', '--out', 'run', '--json');
    expect([code, stderr.includes('bug')]).toEqual([0, false]);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const json = lastLine(stdout);
    expect(json).toMatchObject({
      split: 'test',
      out: 'run',
      labelKey: 'cell_type',
      seeds: [0],
      baselines: { majorityClass: { accuracy: expect.any(Number) }, logisticRegression: { macroF1: expect.any(Number) } },
    });
    expect(json['accuracy']).toBeGreaterThan(0.6);
    for (const name of ['config.json', 'model.safetensors', 'head.json', 'head.safetensors', 'annotation.json', 'predictions.tsv', 'config.yaml'])
      expect(existsSync(join(folder, 'run', name)), name).toBe(true);
  });

  it('evaluates what it wrote on a file', async () => {
    const { code, stdout } = await scdiva('evaluate', 'annotation', '--checkpoint', 'run', '--data', 'cells.h5ad', '--label', 'cell_type', '--json');
    expect(code).toBe(0);
    expect(lastLine(stdout)).toMatchObject({
      accuracy: expect.any(Number),
      macroF1: expect.any(Number),
      numCells: 120,
      geneCoverage: 1,
      baselines: { majorityClass: { accuracy: 1 / 3 } },
    });
  });

  it('is followed by annotate and embed, which write files and leave their input alone', async () => {
    const before = await sha256File(join(folder, 'cells.h5ad'));
    const annotated = await scdiva('annotate', 'cells.h5ad', '--checkpoint', 'run', '--out', 'annotated.h5ad', '--threshold', '0', '--json');
    expect(annotated.code).toBe(0);
    expect(lastLine(annotated.stdout)).toMatchObject({
      numCells: 120,
      numUnknown: 0,
      labelKey: 'cell_type',
      files: [{ output: 'annotated.h5ad', geneCoverage: 1, matrix: 'X', valueKind: 'counts' }],
    });
    const embedded = await scdiva('embed', 'cells.h5ad', 'annotated.h5ad', '--checkpoint', 'pretrained', '--out', 'both');
    expect(embedded.code).toBe(0);
    expect(embedded.stdout).toMatch(
      /cells\.h5ad: 120 cells from X \(counts\), 40 of 40 genes known \(100\.0 %, with 100\.0 % of the expression\) → both\/cells\.h5ad/,
    );
    expect(existsSync(join(folder, 'both/annotated.h5ad'))).toBe(true);
    expect(await sha256File(join(folder, 'cells.h5ad'))).toBe(before);
  });

  it('prints a table for people', async () => {
    const { stdout } = await scdiva('finetune', 'annotation', '--config', 'a.yaml', '--out', 'two', '--set', 'tune.kind=head', '--seeds', '2');
    expect(stdout).toMatch(/test split, 24 cells, mean ± sd of 2 seeds/);
    expect(stdout).toMatch(/ScDiVa, head only +0\.\d{3} ± 0\.\d{3}/);
    expect(stdout).toMatch(/logistic regression on \d+ PCs +[01]\.\d{3}/);
  });

  it('tells a mistake in one line and exits 2', async () => {
    for (const [args, message] of [
      [['--config', 'a.yaml', '--out', 'run'], /run: holds a run already/],
      [['--config', 'a.yaml', '--out', 'x', '--set', 'data.labelKey=celltype'], /obs\['celltype'\]: no such field/],
    ] as const) {
      await expectRefusal(message, 'finetune', 'annotation', ...args);
    }
    for (const [args, message] of [
      [['--checkpoint', 'pretrained', '--out', 'x'], /pretrained: has no annotation head/],
      [['--checkpoint', 'run', '--out', '/proc/x.h5ad'], /\/proc\/x\.h5ad: cannot be written/],
      [['--checkpoint', 'run', '--out', 'a.yaml/x.h5ad'], /a\.yaml\/x\.h5ad: cannot be written: a part of the path is a file/],
    ] as const) {
      await expectRefusal(message, 'annotate', 'cells.h5ad', ...args);
    }
    expect(existsSync(join(folder, 'x'))).toBe(false);
  });
});

async function expectRefusal(message: RegExp, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await scdiva(...args);
  expect([code, stdout], stderr).toEqual([2, '']);
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd().split('\n'), stderr).toHaveLength(1);
}
