// npm run -s bench -- faults [--json] [--workers 2] [--moments 10] [--kinds kill,freeze,link] [--timeout 5] [--seed 0]
//
// Breaks a training of several workers at seeded moments, goes on from its last checkpoint and compares with a training that nothing
// disturbed. What is broken:
//   kill    one worker gets SIGKILL       scdiva launch starts all again by itself
//   freeze  one worker gets SIGSTOP       the same
//   link    the cable between two hosts (network namespaces; needs root) loses every packet; both workers are started again by hand
// For each: seconds until every surviving worker has said so and ended, the step gone on from, steps taken again, files that cannot be read
// or should not be there, and whether every logged loss and the final weights are bit for bit those of the undisturbed run.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { canMakeHosts, withHosts } from './support/hosts.mjs';
import { round } from './support/measure.mjs';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    workers: { type: 'string', default: '2' },
    moments: { type: 'string', default: '10' },
    kinds: { type: 'string', default: 'kill,freeze,link' },
    timeout: { type: 'string', default: '5' },
    seed: { type: 'string', default: '0' },
  },
});
const [numWorkers, numMoments, timeout] = [flags.workers, flags.moments, flags.timeout].map(Number);
const STEPS = 60;
const CHECKPOINT_EVERY = 5;
/** No trial takes longer, or something hangs. */
const LIMIT_MS = 120_000;

const { Rng } = await import('../dist/rng.js');
const { openCheckpoint } = await import('../dist/train/checkpoint.js');
const { buildCorpus } = await import('../dist/data/corpus/build.js');
const { writeSyntheticCells } = await import('./support/synthetic-cells.mjs');
const bin = join(dirname(fileURLToPath(import.meta.url)), '../bin/scdiva.js');
const folder = mkdtempSync(join(tmpdir(), 'scdiva-faults-'));
const rng = Rng.fromSeed(Number(flags.seed)).fork('faults');
const alive = new Set();
process.on('exit', () => {
  for (const pid of alive) endGroup(pid);
  rmSync(folder, { recursive: true, force: true });
});

try {
  const corpus = join(folder, 'corpus');
  await writeSyntheticCells(join(folder, 'cells.h5ad'), { numCells: 240, numGenes: 120, medianLibrary: 400 });
  await buildCorpus([join(folder, 'cells.h5ad')], { out: corpus });
  const verb = (out) => [
    'pretrain',
    '--config',
    join(folder, 'config.yaml'),
    '--out',
    join(folder, out),
    '--set',
    `train.cluster.timeoutSeconds=${timeout}`,
    '--set',
    'train.cluster.joinSeconds=60',
  ];
  writeFileSync(
    join(folder, 'config.yaml'),
    JSON.stringify({
      data: { corpus },
      model: { hiddenDim: 32, numLayers: 2, numHeads: 4, ffnDim: 64, maxGenes: 64 },
      train: { steps: STEPS, batchSize: 12, optimizer: { lr: 2e-3 }, evaluateEvery: 20, checkpointEvery: CHECKPOINT_EVERY, keepCheckpoints: 2 },
    }),
  );
  const rows = [];
  for (const kind of flags.kinds.split(',')) {
    if (kind === 'link' && !canMakeHosts()) {
      console.error('link: left out, network namespaces need root');
      continue;
    }
    const workers = kind === 'link' ? 2 : numWorkers;
    const whole = `whole-${workers}`;
    if (!existsSync(join(folder, whole))) await launch(workers, verb(whole), { restarts: 0 }).ended;
    for (let i = 0; i < numMoments; i++) {
      const out = `${kind}-${i}`;
      const moment = { step: 1 + rng.int(STEPS - 5), delayMs: rng.int(120), victim: rng.int(workers) };
      const seen = kind === 'link' ? await breakLink(verb(out), out, moment) : await breakWorker(kind, workers, verb(out), out, moment);
      const result = { kind, ...moment, ...seen, ...(await compare(join(folder, out), join(folder, whole))) };
      rows.push(result);
      if (!flags.json) console.log(describe(result));
      rmSync(join(folder, out), { recursive: true, force: true });
    }
  }
  const summary = Object.fromEntries([...new Set(rows.map(({ kind }) => kind))].map((kind) => [kind, summarise(rows.filter((row) => row.kind === kind))]));
  if (flags.json)
    console.log(JSON.stringify({ workers: numWorkers, timeoutS: timeout, steps: STEPS, checkpointEvery: CHECKPOINT_EVERY, summary, trials: rows }));
  else
    for (const [kind, s] of Object.entries(summary))
      console.log(
        `${kind}: ${s.trials} moments; noticed in ${s.detectedS.join(' to ')} s; at most ${s.maxStepsLost} steps taken again; ${s.corruptFiles} corrupt files; ${s.identical} of ${s.trials} identical to the undisturbed run`,
      );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** One worker is killed or frozen; the launcher does the rest. */
async function breakWorker(kind, workers, args, out, { step, delayMs, victim }) {
  const run = launch(workers, args, { restarts: 1 });
  await reached(out, step, run);
  await pause(delayMs);
  const brokenAt = performance.now();
  const lastStep = stepOf(out);
  process.kill(workerPid(run.child.pid, victim), kind === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  const told = run.told(/worker (\d+): worker \d+ .*--resume/, workers - 1);
  const detectedAt = await told;
  await run.ended;
  return { detectedS: round((detectedAt - brokenAt) / 1e3, 2), ...resumption(run.text(), lastStep) };
}

/** The cable between two hosts breaks and is mended; both workers are started anew with the same command. */
async function breakLink(args, out, { step, delayMs }) {
  return withHosts({}, async (hosts) => {
    const worker = hosts.addresses.map((_, i) => ({ type: 'worker', index: i }));
    const start = () =>
      worker.map((task, i) => {
        const [command, rest] = hosts.command(i, process.execPath, bin, ...args, '--auto-resume');
        return run(command, rest, {
          TF_CONFIG: JSON.stringify({ cluster: { worker: hosts.addresses.map((address) => `${address}:24000`) }, task }),
          TF_NUM_INTRAOP_THREADS: '1',
        });
      });
    const first = start();
    await reached(out, step, first[0]);
    await pause(delayMs);
    const brokenAt = performance.now();
    const lastStep = stepOf(out);
    hosts.setLink(false);
    const codes = await Promise.all(first.map(({ ended }) => ended));
    const detectedS = round((performance.now() - brokenAt) / 1e3, 2);
    hosts.setLink(true);
    const second = start();
    await Promise.all(second.map(({ ended }) => ended));
    return { detectedS, exitCodes: codes, ...resumption(second[0].text(), lastStep) };
  });
}

function resumption(text, lastStep) {
  const from = Number(/from step (\d+) to/.exec(text)?.[1] ?? 0);
  return { resumedFrom: from, stepsLost: Math.max(0, lastStep - from) };
}

function launch(workers, args, { restarts }) {
  return run(process.execPath, [bin, 'launch', '--workers', String(workers), '--restarts', String(restarts), '--', ...args], { TF_NUM_INTRAOP_THREADS: '1' });
}

/** A child process whose text is kept and watched. */
function run(command, args, env) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  alive.add(child.pid);
  let text = '';
  const watchers = new Set();
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      text += data;
      for (const watcher of watchers) watcher();
    });
  const timer = setTimeout(() => endGroup(child.pid), LIMIT_MS);
  const ended = new Promise((resolve) =>
    child.on('close', (code) => {
      clearTimeout(timer);
      alive.delete(child.pid);
      for (const watcher of watchers) watcher();
      resolve(code);
    }),
  );
  return {
    child,
    ended,
    text: () => text,
    /** When the last of so many different lines of a kind has come. */
    told: (line, count) =>
      new Promise((resolve) => {
        const look = () => {
          const found = new Set([...text.matchAll(new RegExp(line, 'g'))].map((match) => match[1]));
          if (found.size < count && child.exitCode === null) return;
          watchers.delete(look);
          resolve(performance.now());
        };
        watchers.add(look);
        look();
      }),
  };
}

async function reached(out, step, { child, text }) {
  while (stepOf(out) < step) {
    if (child.exitCode !== null) throw new Error(`ended before step ${step}:\n${text()}`);
    await pause(4);
  }
}

function stepOf(out) {
  const path = join(folder, out, 'metrics.jsonl');
  if (!existsSync(path)) return 0;
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.length === 0 ? 0 : JSON.parse(lines.at(-1)).step;
}

/** The worker of a launcher by its rank: a child whose TF_CONFIG says so. */
function workerPid(launcher, rank) {
  for (const pid of execFileSync('ps', ['-o', 'pid=', '--ppid', String(launcher)], { encoding: 'utf8' })
    .split(/\s+/)
    .filter(Boolean)) {
    const config = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .find((entry) => entry.startsWith('TF_CONFIG='));
    if (config && JSON.parse(config.slice('TF_CONFIG='.length)).task.index === rank) return Number(pid);
  }
  throw new Error(`no worker ${rank}`);
}

/** Reads everything a run has left. */
async function compare(out, whole) {
  const checkpoints = join(out, 'checkpoints');
  let corruptFiles = readdirSync(checkpoints).filter((name) => name.includes('.tmp-')).length;
  for (const path of [out, ...readdirSync(checkpoints).map((name) => join(checkpoints, name))]) {
    try {
      for await (const [, { data }] of (await openCheckpoint(path)).readParameters()) if (data.some((x) => !Number.isFinite(x))) throw new Error('not finite');
    } catch {
      corruptFiles += 1;
    }
  }
  const losses = (run) =>
    readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ step, split, loss, gradNorm }) => `${step} ${split} ${loss} ${gradNorm}`)
      .join('\n');
  const isIdentical =
    losses(out) === losses(whole) &&
    ['model.safetensors', 'checkpoints/last/optimizer.safetensors'].every((name) => readFileSync(join(out, name)).equals(readFileSync(join(whole, name))));
  return { corruptFiles, isIdentical };
}

function summarise(trials) {
  const detected = trials.map(({ detectedS }) => detectedS);
  return {
    trials: trials.length,
    detectedS: [Math.min(...detected), Math.max(...detected)],
    maxStepsLost: Math.max(...trials.map(({ stepsLost }) => stepsLost)),
    corruptFiles: trials.reduce((sum, { corruptFiles }) => sum + corruptFiles, 0),
    identical: trials.filter(({ isIdentical }) => isIdentical).length,
  };
}

function describe({ kind, step, delayMs, victim, detectedS, resumedFrom, stepsLost, corruptFiles, isIdentical }) {
  return `${kind.padEnd(7)} ${kind === 'link' ? '' : `worker ${victim} `}${delayMs} ms after step ${step}: noticed in ${detectedS} s, resumed from ${resumedFrom}, ${stepsLost} steps again, ${corruptFiles} corrupt files, ${isIdentical ? 'identical' : 'DIFFERENT'}`;
}

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
