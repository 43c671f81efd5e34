import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { hasNative, useTensorFlow } from '../support/tensorflow.js';
import { tinyModel, tinyTask, type TinyTaskOptions } from '../support/tiny-task.js';
import { ScDivaError } from '../../src/errors.js';
import { silentLogger } from '../../src/log.js';
import { silentProgress } from '../../src/progress.js';
import { loadCheckpoint, loadOptimizer } from '../../src/train/checkpoint.js';
import { TrainConfig } from '../../src/train/config.js';
import { readMetrics } from '../../src/train/metrics-log.js';
import { runTraining, type TrainingResult } from '../../src/train/run.js';

useTensorFlow();

let folder: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scdiva-run-'));
  out = join(folder, 'run');
});
afterEach(() => rm(folder, { recursive: true }));

interface Options {
  train?: Record<string, unknown>;
  task?: TinyTaskOptions;
  isResumed?: boolean;
  fingerprint?: string;
  /** Interrupt while the bar shows this step. */
  interruptAt?: number;
  /** Receives the lines said. */
  said?: string[];
}

function run({ train = {}, task = {}, isResumed = false, fingerprint = 'data 1', interruptAt, said = [] }: Options = {}): Promise<TrainingResult> {
  const { parameters, ...model } = tinyModel();
  const abort = new AbortController();
  const progress = { start: () => ({ update: (step: number) => void (step === interruptAt && abort.abort()), stop() {} }) };
  return runTraining({
    task: tinyTask({ beside: parameters, ...task }),
    config: {
      train: TrainConfig.parse({
        steps: 10,
        batchSize: 5,
        executor: 'eager',
        optimizer: { lr: 0.02 },
        schedule: { warmupSteps: 2 },
        evaluateEvery: 4,
        checkpointEvery: 3,
        ...train,
      }),
    },
    model,
    head: { task: 'tiny' },
    data: { path: 'corpus', fingerprint },
    out,
    isResumed,
    backend: { kind: 'native', version: 'test', device: 'cpu' },
    context: { log: silentLogger, progress: interruptAt === undefined ? silentProgress : progress, say: (line) => void said.push(line), signal: abort.signal },
  });
}

const steps = async (): Promise<string[]> => (await readdir(join(out, 'checkpoints'))).filter((name) => name.startsWith('step-'));

describe('a run', () => {
  it('leaves a folder that tells all: config, metrics, events, checkpoints, manifest', async () => {
    const before = tf.memory().numTensors;
    const result = await run();
    expect(result).toMatchObject({ step: 10, checkpoint: join(out, 'checkpoints/step-000010'), hasStoppedEarly: false });
    expect(await steps()).toEqual(['step-000009', 'step-000010']); // the newest two
    expect(await readlink(join(out, 'checkpoints/last'))).toBe('step-000010');

    const metrics = await readMetrics(join(out, 'metrics.jsonl'));
    expect(metrics.map(({ step, split }) => `${split} ${step}`)).toEqual([
      'validation 0',
      ...[1, 2, 3, 4].map((step) => `train ${step}`),
      'validation 4',
      ...[5, 6, 7, 8].map((step) => `train ${step}`),
      'validation 8',
      'train 9',
      'train 10',
      'validation 10',
    ]);
    for (const record of metrics) expect(Number.isFinite(record.loss)).toBe(true);
    expect(metrics[1]).toMatchObject({ lr: 0.009999999776482582, epoch: 0 });
    expect(metrics[1]).toHaveProperty('cellsPerSec');
    expect(metrics.at(-1)!.loss).toBeLessThan(metrics[0]!.loss);
    expect(result.metrics).toMatchObject({ loss: metrics.at(-1)!.loss });

    expect(parse(await readFile(join(out, 'config.yaml'), 'utf8'))).toMatchObject({ train: { steps: 10, optimizer: { lr: 0.02, beta1: 0.9 } } });
    const manifest = JSON.parse(await readFile(join(out, 'run.json'), 'utf8')) as Record<string, unknown>;
    expect(manifest).toMatchObject({
      task: 'tiny',
      status: 'finished',
      step: 10,
      bestStep: 10,
      totalSteps: 10,
      seed: 0,
      data: { fingerprint: 'data 1' },
      numTrainable: 21,
    });
    if (hasNative) expect(await readdir(join(out, 'events'))).toHaveLength(1);
    // What TensorFlow's event writer holds on to; everything of the run itself is gone.
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(5);
  });

  it('is a checkpoint folder itself once it is finished, without the optimiser', async () => {
    const result = await run();
    const { parameters, head } = await loadCheckpoint(result.checkpoint);
    const published = await loadCheckpoint(out);
    expect(published.folder).toBe(out);
    expect(published.parameters).toEqual(parameters);
    expect(published.head).toEqual(head);
    expect(Object.keys(head!.parameters)).toEqual(['hidden.weight', 'hidden.bias', 'out.weight', 'unit.scale']);
    expect(existsSync(join(out, 'optimizer.safetensors'))).toBe(false);
    expect(await readFile(join(out, 'README.md'), 'utf8')).toContain('step 10');
  });

  it('can be counted in passes over the data', async () => {
    expect((await run({ train: { steps: undefined, epochs: 1.5 } })).step).toBe(8); // 24 cells, 5 a batch: 5 steps a pass
  });

  it('can validate and save after every pass', async () => {
    await run({
      train: { steps: 11, evaluateEvery: 'epoch', checkpointEvery: 'epoch', keepCheckpoints: 9, earlyStopping: { metric: 'score', mode: 'max' } },
      task: { scores: [0] },
    });
    const metrics = await readMetrics(join(out, 'metrics.jsonl'));
    expect(metrics.flatMap(({ step, split }) => (split === 'validation' ? [step] : []))).toEqual([0, 5, 10, 11]);
    expect(await steps()).toEqual(['step-000005', 'step-000010', 'step-000011']);
  });

  it('keeps the best checkpoint, whose score it gives back, and ends when patience is spent', async () => {
    const result = await run({
      task: { scores: [0, 3, 5, 5.05, 4, 4] },
      train: { steps: 100, evaluateEvery: 2, earlyStopping: { metric: 'score', mode: 'max', patience: 3, minDelta: 0.1 } },
    });
    // Scores after 0, 2, 4, 6, 8, 10 steps: best after 4, then three evaluations that are not better by 0.1.
    expect(result).toMatchObject({ step: 10, hasStoppedEarly: true, metrics: { score: 5 } });
    expect(await readlink(join(out, 'checkpoints/best'))).toBe('step-000004');
    expect(await steps()).toContain('step-000004');
    expect((await loadCheckpoint(out)).state!.step).toBe(4);
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))).toMatchObject({ status: 'stopped early', step: 10, bestStep: 4 });
  });

  it('stops at a loss that is not finite and leaves the checkpoint before it', async () => {
    await expect(run({ task: { nanAtBatch: 7 } })).rejects.toThrow(
      /^step 8, batch 2 of epoch 1: loss NaN, .*first gradient that is not finite: hidden\.weight/,
    );
    expect((await loadCheckpoint(join(out, 'checkpoints/last'))).state!.step).toBe(6);
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))).toMatchObject({
      status: 'failed',
      failure: expect.stringContaining('hidden.weight') as string,
    });
  });

  it('keeps no tensor behind when it fails', async () => {
    await run({ task: { nanAtBatch: 2 } }).catch(() => {});
    await rm(out, { recursive: true });
    const before = tf.memory().numTensors;
    await run({ task: { nanAtBatch: 2 } }).catch(() => {});
    expect(tf.memory().numTensors).toBe(before);
  });

  it('saves averages as the weights when it keeps them, and the weights beside the moments', async () => {
    const { checkpoint } = await run({ train: { ema: { decay: 0.9 } } });
    const { head } = await loadCheckpoint(checkpoint);
    const optimizer = await loadOptimizer(checkpoint);
    await rm(out, { recursive: true });
    const raw = (await loadCheckpoint((await run()).checkpoint)).head!.parameters['out.weight']!;
    expect(optimizer['weights/out.weight']).toEqual(raw);
    expect(head!.parameters['out.weight']).not.toEqual(raw);
    expect(head!.parameters['out.weight']!.data[0]).toBeCloseTo(raw.data[0]!, 1);
  });
});

describe('a resumed run', () => {
  const timeless = (records: Awaited<ReturnType<typeof readMetrics>>) =>
    records.map((record) => Object.fromEntries(Object.entries(record).filter(([name]) => !['stepMs', 'waitMs', 'cellsPerSec'].includes(name))));
  const everything = async (checkpoint: string) => ({
    model: await loadCheckpoint(checkpoint),
    optimizer: await loadOptimizer(checkpoint),
    metrics: timeless(await readMetrics(join(out, 'metrics.jsonl'))),
  });

  it.each([
    ['plain', {}],
    ['accumulated and averaged', { accumulation: 2, ema: {} }],
  ])('takes the very steps the unbroken one takes (%s)', async (_, train) => {
    const whole = await everything((await run({ train })).checkpoint);
    await rm(out, { recursive: true });
    await expect(run({ train, interruptAt: 5 })).rejects.toThrow(`${out}: interrupted after step 5 of 10, everything is saved (go on with --resume)`);
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))).toMatchObject({ status: 'interrupted', step: 5 });
    const resumed = await everything((await run({ train, isResumed: true })).checkpoint);
    expect(resumed).toEqual(whole);
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))).toMatchObject({ status: 'finished', resumedAt: [expect.any(String)] });
  });

  it('drops what was logged after its checkpoint, a torn line included', async () => {
    const whole = await everything((await run()).checkpoint);
    await rm(out, { recursive: true });
    await run({ task: { nanAtBatch: 7 } }).catch(() => {}); // logged up to step 7, saved after step 6
    await writeFile(join(out, 'metrics.jsonl'), `${await readFile(join(out, 'metrics.jsonl'), 'utf8')}{"step":8,"spl`);
    const resumed = await everything((await run({ isResumed: true })).checkpoint);
    expect(resumed).toEqual(whole);
  });

  it('goes on where a finished run is made longer, and does nothing where it is not', async () => {
    await run();
    const done = await readFile(join(out, 'metrics.jsonl'));
    expect(await run({ isResumed: true })).toMatchObject({ step: 10 });
    expect(await readFile(join(out, 'metrics.jsonl'))).toEqual(done);
    const said: string[] = [];
    expect(await run({ isResumed: true, train: { steps: 12 }, said })).toMatchObject({ step: 12 });
    expect(said.filter((line) => line.includes('learning rate'))).toHaveLength(1);
  });

  it('can be interrupted before its first step, and begins then', async () => {
    await expect(run({ interruptAt: 0 })).rejects.toThrow(/interrupted after step 0 of 10/);
    await run({ isResumed: true });
    expect((await readMetrics(join(out, 'metrics.jsonl'))).map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 10]);
  });

  it.each<[string, Options, RegExp]>([
    ['a changed learning rate', { train: { optimizer: { lr: 0.5 } } }, /train\.optimizer\.lr: 0\.5, but the run was started with 0\.02/],
    ['an added section', { train: { ema: {} } }, /train\.ema: .* the run was started with null/],
    ['other data', { fingerprint: 'data 2' }, /data: other data than the run was started with/],
  ])('refuses %s in one line', async (_, options, message) => {
    await run({ interruptAt: 5 }).catch(() => {});
    await expectRefusal(run({ isResumed: true, ...options }), message);
  });

  it('refuses where there is nothing to resume', async () => {
    await expectRefusal(run({ isResumed: true }), /run: no such run folder \(start without --resume\)/);
    await run({ task: { nanAtBatch: 1 } }).catch(() => {});
    await expectRefusal(run({ isResumed: true }), /run: no checkpoint to resume from \(remove the folder and start without --resume\)/);
  });
});

describe('a run that cannot start', () => {
  it('does not touch a run that is there', async () => {
    await run();
    const before = await readdir(out);
    await expectRefusal(run(), /run: holds a run already \(go on with it with --resume, or choose another --out\)/);
    expect(await readdir(out)).toEqual(before);
  });

  it('names the metrics there are when the watched one is none of them, and leaves no folder', async () => {
    await expectRefusal(
      run({ train: { earlyStopping: { metric: 'macroF1' } } }),
      /train\.earlyStopping\.metric: no metric 'macroF1' \(expected one of loss, absError\)/,
    );
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses bf16 where it is not to be had', async () => {
    await expectRefusal(run({ train: { precision: 'bf16', executor: 'eager' } }), /train\.precision: bf16, which the eager executor does not have/);
    expect(await readdir(folder)).toEqual([]);
  });
});

async function expectRefusal(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error as ScDivaError,
  );
  expect(error?.message).toMatch(message);
  expect(error).toBeInstanceOf(ScDivaError);
  expect(error!.exitCode).toBe(2);
  expect(error!.message).not.toContain('\n');
}
