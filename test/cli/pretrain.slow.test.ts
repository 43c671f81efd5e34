import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { executorKinds } from '../support/tensorflow.js';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';
import { structuredCells } from '../support/structured-cells.js';
import { loadCheckpoint } from '../../src/train/checkpoint.js';
import { readMetrics } from '../../src/train/metrics-log.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder('pretrain-cli');
let corpus: string;
beforeAll(async () => {
  corpus = (await smallCorpus(await folder(), structuredCells(1, 200))).path;
});

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Sends a signal to the process once that many lines are logged. */
interface Interruption {
  readonly afterLines: number;
  readonly signal: NodeJS.Signals;
}

/** Runs `scdiva pretrain` as a user would. @param settings key=value for --set @param flags any other */
function pretrain(out: string, settings: readonly string[], flags: readonly string[] = [], interruption?: Interruption): Promise<Outcome> {
  const small = [
    `data.corpus=${corpus}`,
    'model.hiddenDim=32',
    'model.maxGenes=8',
    'preprocessing.lengthMultiple=8',
    'train.batchSize=8',
    'train.evaluateEvery=4',
    'train.checkpointEvery=4',
  ];
  const sets = [...small, ...settings].flatMap((setting) => ['--set', setting]);
  const child = spawn(
    process.execPath,
    [join(root, 'bin/scdiva.js'), 'pretrain', '--config', join(root, 'configs/debug/pretrain.yaml'), '--out', out, ...sets, ...flags],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const log = join(out, 'metrics.jsonl');
  const watch =
    interruption &&
    setInterval(() => {
      // Read at once: a second signal ends the process without saving.
      if (!existsSync(log) || readFileSync(log, 'utf8').split('\n').length <= interruption.afterLines) return;
      clearInterval(watch);
      child.kill(interruption.signal);
    }, 5);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearInterval(watch);
      resolve({ code, stdout, stderr });
    });
  });
}

/** Bytes of every file of a checkpoint, and the log without its timings. */
async function everything(out: string, step: string) {
  const checkpoint = join(out, 'checkpoints', step);
  const files = Object.fromEntries(
    await Promise.all(readdirSync(checkpoint).map(async (name) => [name, (await readFile(join(checkpoint, name))).toString('base64')] as const)),
  );
  const metrics = (await readMetrics(join(out, 'metrics.jsonl'))).map((record) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => !['stepMs', 'waitMs', 'cellsPerSec'].includes(name))),
  );
  return { files, metrics };
}

describe('scdiva pretrain', () => {
  it('gives one JSON object whose scores are those of the checkpoint it names', async () => {
    const out = join(await folder(), 'run');
    const { code, stdout } = await pretrain(out, ['train.steps=8'], ['--json']);
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    const result = JSON.parse(stdout) as { checkpoint: string; metrics: Record<string, number>; baselines: object; step: number };
    expect(result.step).toBe(8);
    expect((await loadCheckpoint(result.checkpoint)).state!.best!.metrics).toEqual(result.metrics);
    expect(Object.keys(result.baselines)).toEqual(['unigram', 'rank']);
  });

  // The unbroken run prepares its batches in the training thread, the broken one in two others.
  it.each(executorKinds)('takes bit for bit the same ten steps in one process or in two (%s)', async (executor) => {
    const [whole, broken] = [join(await folder(), 'whole'), join(await folder(), 'broken')];
    const shared = [`train.executor=${executor}`, 'train.schedule.decaySteps=10', 'train.schedule.warmupSteps=2', 'train.ema={}', 'train.keepCheckpoints=9'];
    expect((await pretrain(whole, [...shared, 'train.steps=10', 'loader.numWorkers=0'])).code).toBe(0);
    expect((await pretrain(broken, [...shared, 'train.steps=5', 'loader.numWorkers=2'])).code).toBe(0);
    expect((await pretrain(broken, [...shared, 'train.steps=10', 'loader.numWorkers=2'], ['--resume'])).code).toBe(0);
    const [a, b] = [await everything(whole, 'step-000010'), await everything(broken, 'step-000010')];
    for (const name of ['model.safetensors', 'optimizer.safetensors']) expect(b.files[name] === a.files[name], name).toBe(true);
    // The first part of the broken run validated where it ended, after step 5; that line is its own.
    expect(b.metrics.filter(({ step, split }) => step !== 5 || split === 'train')).toEqual(a.metrics);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('saves its state on %s, ends with 130, and goes on as if nothing had happened', async (signal) => {
    const [whole, broken] = [join(await folder(), 'whole'), join(await folder(), 'broken')];
    expect((await pretrain(whole, ['train.steps=80'])).code).toBe(0);
    const { code, stderr } = await pretrain(broken, ['train.steps=80'], [], { afterLines: 20, signal });
    expect(code).toBe(130);
    const step = Number(/interrupted after step (\d+) of 80, everything is saved \(go on with --resume\)$/.exec(stderr.trim().split('\n').at(-1)!)?.[1]);
    expect(step).toBeGreaterThanOrEqual(15);
    expect(step).toBeLessThan(80);
    expect((await loadCheckpoint(join(broken, 'checkpoints/last'))).state!.step).toBe(step);
    expect((await pretrain(broken, ['train.steps=80'], ['--resume'])).code).toBe(0);
    expect(await everything(broken, 'step-000080')).toEqual(await everything(whole, 'step-000080'));
  });

  it('refuses in one line, with exit 2, what it cannot resume and what it would overwrite', async () => {
    const out = join(await folder(), 'run');
    const refusal = async (settings: readonly string[], flags: readonly string[] = []): Promise<string> => {
      const { code, stdout, stderr } = await pretrain(out, settings, flags);
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(stderr.trim().split('\n')).toHaveLength(1);
      return stderr.trim();
    };
    expect(await refusal(['train.steps=4'], ['--resume'])).toContain('run: no such run folder (start without --resume)');
    expect((await pretrain(out, ['train.steps=4'])).code).toBe(0);
    expect(await refusal(['train.steps=4'])).toContain('run: holds a run already (go on with it with --resume, or choose another --out)');
    expect(await refusal(['train.steps=8', 'train.optimizer.lr=0.5'], ['--resume'])).toContain(
      'run: train.optimizer.lr: 0.5, but the run was started with 0.002',
    );
    expect(await refusal(['train.steps=8', 'model.numLayers=3'], ['--resume'])).toContain('run: model.numLayers: 3, but the run was started with 2');
  });
});
