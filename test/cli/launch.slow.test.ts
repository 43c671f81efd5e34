import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { hasNative } from '../support/tensorflow.js';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';
import { structuredCells } from '../support/structured-cells.js';
import { readMetrics, type MetricsRecord } from '../../src/train/metrics-log.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const newFolder = temporaryFolder('launch');
let folder: string;
let corpus: string;
beforeAll(async () => {
  folder = await newFolder();
  corpus = (await smallCorpus(folder, structuredCells(1, 160), { fractions: [0.7, 0.15, 0.15], label: 'program' })).path;
});

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function scdiva(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [join(root, 'bin/scdiva.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TF_NUM_INTRAOP_THREADS: '1', ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

/** A pretraining of a tiny model without dropout: 13 cells a batch, so that parts are uneven and the last batch of an epoch is short. */
function pretrain(out: string, settings: readonly string[] = [], flags: readonly string[] = []): string[] {
  const small = [
    `data.corpus=${corpus}`,
    'model.hiddenDim=16',
    'model.numHeads=2',
    'model.ffnDim=24',
    'model.maxGenes=8',
    'model.dropout=0',
    'preprocessing.lengthMultiple=8',
    'train.steps=14',
    'train.batchSize=13',
    'train.evaluateEvery=5',
    'train.checkpointEvery=5',
  ];
  return [
    'pretrain',
    '--config',
    join(root, 'configs/debug/pretrain.yaml'),
    '--out',
    join(folder, out),
    ...[...small, ...settings].flatMap((setting) => ['--set', setting]),
    ...flags,
  ];
}

const launch = (workers: number, args: readonly string[], flags: readonly string[] = []): string[] => [
  'launch',
  '--workers',
  String(workers),
  ...flags,
  '--',
  ...args,
];
const metricsOf = (out: string): Promise<MetricsRecord[]> => readMetrics(join(folder, out, 'metrics.jsonl'));

/** Every number of every line but the timings, to a share of 1e-5. */
async function expectSameCurve(out: string, like: string, split?: string): Promise<void> {
  const linesOf = async (run: string) => (await metricsOf(run)).filter((record) => split === undefined || record.split === split);
  const [found, expected] = [await linesOf(out), await linesOf(like)];
  expect(found.length).toBeGreaterThan(3);
  expect(found.map(({ step, split }) => `${split} ${step}`)).toEqual(expected.map(({ step, split }) => `${split} ${step}`));
  found.forEach((record, i) => {
    for (const name of ['loss', 'identityLoss', 'valueLoss', 'gradNorm'].filter((key) => key in expected[i]!)) {
      const [a, b] = [Number(record[name]), Number(expected[i]![name])];
      expect(Math.abs(a - b), `${name} of step ${record.step}: ${a}, not ${b}`).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(b)));
    }
  });
}

describe.runIf(hasNative)('several workers', () => {
  it('compute what one computes: losses, norms and scores of 1, 2 and 4, whole or in micro-batches', { timeout: 120_000 }, async () => {
    expect(await scdiva(launch(1, pretrain('one')))).toMatchObject({ code: 0 });
    const two = await scdiva(launch(2, pretrain('two')));
    expect(two).toMatchObject({ code: 0, stdout: expect.stringMatching(/^2 workers \(TF_CONFIG\), gradients in f32\npretraining: /) as unknown });
    expect(two.stdout.match(/finished at step 14/g)).toHaveLength(1); // one speaks
    expect(await scdiva(launch(4, pretrain('four', ['train.accumulation=2'])))).toMatchObject({ code: 0 });
    await expectSameCurve('two', 'one');
    await expectSameCurve('four', 'one', 'train'); // a validation pass takes as many cells at once as a micro-batch has, and hides other genes then
  });

  it('go on with another number of workers', { timeout: 60_000 }, async () => {
    expect(await scdiva(launch(2, pretrain('grown', ['train.steps=5', 'train.schedule.decaySteps=150'])))).toMatchObject({ code: 0 });
    expect(await scdiva(launch(3, pretrain('grown', ['train.steps=14', 'train.schedule.decaySteps=150'], ['--resume'])))).toMatchObject({ code: 0 });
    const losses = async (out: string) => (await metricsOf(out)).filter(({ split }) => split === 'train').map(({ loss }) => loss);
    const [grown, whole] = [await losses('grown'), await losses('one')];
    expect(grown).toHaveLength(14);
    grown.forEach((loss, i) => expect(loss / whole[i]!).toBeCloseTo(1, 5));
  });

  it('start again where one is killed, and end as if nothing had happened', { timeout: 90_000 }, async () => {
    const settings = ['train.steps=40', 'model.dropout=0.1'];
    const undisturbed = scdiva(launch(2, pretrain('calm', settings)));
    await undisturbed;
    const running = scdiva(launch(2, pretrain('hit', settings), ['--restarts', '1', '--timeout', '30']));
    await killWorkerAfter('hit', 13, 1);
    const outcome = await running;
    expect(outcome.stderr).toMatch(
      /scdiva: worker 0: worker 1 \(127\.0\.0\.1:\d+\) has ended \(go on from the last checkpoint with --resume\)\nscdiva: worker 1 was ended by SIGKILL; starting again from the last checkpoint, 1 of 1\n/,
    );
    expect(outcome).toMatchObject({ code: 0, stdout: expect.stringMatching(/from step \d+ to 40/) as unknown });
    expect((await metricsOf('hit')).map(({ step, split, loss }) => [step, split, loss])).toEqual(
      (await metricsOf('calm')).map(({ step, split, loss }) => [step, split, loss]),
    );
    expect((await readFile(join(folder, 'hit/model.safetensors'))).equals(await readFile(join(folder, 'calm/model.safetensors')))).toBe(true);
  });

  it('fine-tune as one', { timeout: 90_000 }, async () => {
    const settings = [
      `data.corpus=${corpus}`,
      'data.labelKey=program',
      `checkpoint=${join(folder, 'one')}`,
      'head.dropout=0',
      'baselines=false',
      'train.epochs=2',
      'train.batchSize=13',
      'train.optimizer.lr=1e-3',
    ].flatMap((setting) => ['--set', setting]);
    const finetune = (out: string): string[] => [
      'finetune',
      'annotation',
      '--config',
      join(root, 'configs/debug/annotation.yaml'),
      '--out',
      join(folder, out),
      ...settings,
    ];
    expect(await scdiva(finetune('label-one'))).toMatchObject({ code: 0 });
    expect(await scdiva(launch(2, finetune('label-two')))).toMatchObject({ code: 0 });
    await expectSameCurve('label-two', 'label-one');
    expect(await scdiva(launch(2, [...finetune('label-seeds'), '--seeds', '2']))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/scdiva: --seeds: 2 trainings, and 2 workers for one/) as unknown,
    });
  });

  it('say in one line why they cannot start, and never wait for ever', { timeout: 60_000 }, async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const as = (worker: readonly string[], index: number): NodeJS.ProcessEnv => ({
      TF_CONFIG: JSON.stringify({ cluster: { worker }, task: { type: 'worker', index } }),
    });
    const soon = ['train.cluster.joinSeconds=3'];
    const spare = 21_000 + (process.pid % 10_000);
    const [busy, missing, unknown, foreign] = await Promise.all([
      scdiva(pretrain('no', soon), as([`127.0.0.1:${port}`, 'b:2'], 0)),
      scdiva(pretrain('no', soon), as([`127.0.0.1:${spare}`, '127.0.0.1:1'], 0)),
      scdiva(pretrain('no', soon), as([`127.0.0.1:${spare + 1}`, 'no-such-host.invalid:2'], 0)),
      scdiva(pretrain('no', ['train.batchSize=1', ...soon]), { TF_CONFIG: '{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}' }),
    ]);
    taken.close();
    expect(busy).toMatchObject({
      code: 2,
      stderr: `scdiva: worker 0: port ${port} is taken by another process (end that process, or give TF_CONFIG another port)\n`,
    });
    expect(missing).toMatchObject({
      code: 1,
      stderr:
        'scdiva: worker 0: worker 1 (127.0.0.1:1) did not come within 3 seconds: nobody listens there (see what that worker says, or raise train.cluster.joinSeconds)\n',
    });
    expect(unknown).toMatchObject({ code: 1, stderr: 'scdiva: worker 0: worker 1 (no-such-host.invalid:2): no such host (correct the name in TF_CONFIG)\n' });
    expect(foreign).toMatchObject({ code: 2, stderr: 'scdiva: TF_CONFIG: cluster.worker.1: "b" is not host:port\n' });
    expect(existsSync(join(folder, 'no'))).toBe(false);

    const pair = [`127.0.0.1:${spare + 2}`, `127.0.0.1:${spare + 3}`];
    const [first, second] = await Promise.all([scdiva(pretrain('differ'), as(pair, 0)), scdiva(pretrain('differ', ['train.optimizer.lr=3e-3']), as(pair, 1))]);
    for (const { code, stderr } of [first, second]) {
      expect(stderr).toBe('scdiva: train.optimizer.lr: 0.003 at worker 1, 0.002 at worker 0 (start all workers with the same config and the same data)\n');
      expect(code).toBe(2);
    }
  });
});

/** Kills a worker of this launch once its run has logged so many lines. */
async function killWorkerAfter(out: string, numLines: number, rank: number): Promise<void> {
  const log = join(folder, out, 'metrics.jsonl');
  while (!existsSync(log) || readFileSync(log, 'utf8').split('\n').length <= numLines) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const [command, environment] = ['cmdline', 'environ'].map((file) => readOrNothing(`/proc/${pid}/${file}`));
    if (command!.includes(join(folder, out)) && environment!.includes(`"index":${rank}}`)) process.kill(Number(pid), 'SIGKILL');
  }
}

/** A process may end while it is looked at. */
function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
