import { execFile } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';
import { structuredCells } from '../support/structured-cells.js';
import { hasNative } from '../support/tensorflow.js';
import { readMetrics } from '../../src/train/metrics-log.js';

const root = resolve(import.meta.dirname, '../..');
const folder = temporaryFolder('sharded');

describe.runIf(hasNative)('an optimiser whose state is divided among workers', () => {
  let corpus: string;
  let runs: string;
  const run = async (numWorkers: number, name: string, steps: number, isSharded: boolean, ...more: string[]): Promise<void> => {
    const settings = [
      `data.corpus=${corpus}`,
      'model.maxGenes=6',
      'model.dropout=0',
      'train.batchSize=8',
      `train.steps=${steps}`,
      'train.schedule.decaySteps=10',
      'train.evaluateEvery=null',
      'train.checkpointEvery=3',
      `train.shardOptimizer=${isSharded}`,
    ];
    const pretrain = [
      'pretrain',
      '--config',
      join(root, 'configs/debug/pretrain.yaml'),
      ...settings.flatMap((setting) => ['--set', setting]),
      '--out',
      join(runs, name),
      ...more,
    ];
    await promisify(execFile)(process.execPath, [
      join(root, 'bin/scdiva.js'),
      ...(numWorkers > 1 ? ['launch', '--workers', String(numWorkers), '--', ...pretrain] : pretrain),
    ]);
  };
  const losses = async (name: string): Promise<number[]> =>
    (await readMetrics(join(runs, name, 'metrics.jsonl'))).filter(({ split }) => split === 'train').map(({ loss }) => loss);

  beforeAll(async () => {
    corpus = (await smallCorpus(await folder(), structuredCells(1, 120))).path;
    runs = await folder();
    await run(2, 'whole', 6, false);
    await run(2, 'divided', 3, true);
  });

  it('trains bit for bit as without, and saves the same files', async () => {
    expect(await losses('divided')).toEqual((await losses('whole')).slice(0, 3));
    for (const file of ['model.safetensors', 'optimizer.safetensors']) {
      const [whole, divided] = ['whole', 'divided'].map((name) => readFileSync(join(runs, name, 'checkpoints/step-000003', file)));
      expect(divided!.equals(whole!), file).toBe(true);
    }
  });

  it.each([
    [3, true],
    [1, false],
  ])('goes on with %i workers, divided: %s', async (numWorkers, isSharded) => {
    const name = `resumed-${numWorkers}`;
    cpSync(join(runs, 'divided'), join(runs, name), { recursive: true, verbatimSymlinks: true });
    await run(numWorkers, name, 6, isSharded, '--resume');
    const [whole, resumed] = [await losses('whole'), await losses(name)];
    expect(resumed).toHaveLength(6);
    resumed.forEach((loss, step) => expect(Math.abs(loss / whole[step]! - 1), `step ${step + 1}`).toBeLessThan(1e-5));
  });
});
