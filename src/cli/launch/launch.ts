import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { freePorts } from './free-ports.js';
import { startWorker, type Ended, type Worker } from './worker.js';

export interface LaunchOptions {
  /** The training verb and its flags. */
  readonly args: readonly string[];
  readonly numWorkers: number;
  /** How often to start again. */
  readonly restarts: number;
  /** Aborted: the workers are asked to stop. */
  readonly signal: AbortSignal;
  /** Told in one line why workers are started again, or ended by force. */
  readonly notice: (line: string) => void;
}

/** What another attempt does not mend: done, the user's mistake, interrupted. */
const FINAL = [0, 2, 130];

/** Once one worker has ended, the others come to know of it by themselves, unless they are frozen; they may have something to save first. */
const GRACE_MS = 15_000;
const FROZEN_GRACE_MS = 2_000;

/**
 * Runs a training verb in several processes of this machine, which find each other by TF_CONFIG.
 * @returns the exit code of the first worker that failed, and how often all were started again
 */
export async function launchWorkers({ args, numWorkers, restarts, signal, notice }: LaunchOptions): Promise<{ exitCode: number; numRestarts: number }> {
  for (let attempt = 0; ; attempt++) {
    const { exitCode, reason } = await runOnce(attempt === 0 ? args : asContinuation(args), numWorkers, signal, notice);
    if (FINAL.includes(exitCode) || attempt === restarts || signal.aborted) return { exitCode, numRestarts: attempt };
    notice(`${reason}; starting again from the last checkpoint, ${attempt + 1} of ${restarts}`);
  }
}

/** The same, going on where there is a checkpoint. */
const asContinuation = (args: readonly string[]): string[] => [...args.filter((arg) => arg !== '--resume'), '--auto-resume'];

async function runOnce(
  args: readonly string[],
  numWorkers: number,
  signal: AbortSignal,
  notice: (line: string) => void,
): Promise<{ exitCode: number; reason: string }> {
  const addresses = (await freePorts(numWorkers)).map((port) => `127.0.0.1:${port}`);
  const workers = addresses.map((_, rank) => startWorker({ rank, args, env: environment(addresses, rank) }));
  const forward = (): void => {
    for (const worker of workers) worker.signal('SIGTERM');
  };
  // A second Ctrl-C ends this process by itself (execute.ts), and the workers see its end.
  signal.addEventListener('abort', forward);
  try {
    const ended: Ended[] = [];
    await Promise.all(workers.map((worker) => worker.ended.then((end) => ended.push(end))).concat(endLeftovers(workers, notice)));
    const failure = ended.find(({ exitCode }) => exitCode !== 0);
    return { exitCode: failure?.exitCode ?? 0, reason: failure?.reason ?? '' };
  } finally {
    signal.removeEventListener('abort', forward);
  }
}

/** Ends what has not ended by itself a while after the first failure. */
async function endLeftovers(workers: readonly Worker[], notice: (line: string) => void): Promise<number> {
  const firstFailure = Promise.race(workers.map(async ({ ended }) => ((await ended).exitCode === 0 ? new Promise<never>(() => {}) : undefined)));
  const all = Promise.all(workers.map(({ ended }) => ended));
  await Promise.race([firstFailure, all]);
  for (const [ms, isDue] of [
    [FROZEN_GRACE_MS, (worker: Worker) => worker.isFrozen],
    [GRACE_MS - FROZEN_GRACE_MS, () => true],
  ] as const) {
    await within(ms, all);
    for (const worker of workers)
      if (worker.isRunning && isDue(worker)) {
        notice(`worker ${worker.rank} ${worker.isFrozen ? 'is frozen' : 'does not end by itself'}, and is ended`);
        worker.signal('SIGKILL');
      }
  }
  return 0;
}

/** Waits for something, but not longer. */
async function within(ms: number, event: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const time = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([time, event]);
  clearTimeout(timer);
}

function environment(addresses: readonly string[], rank: number): NodeJS.ProcessEnv {
  const threads = String(Math.max(1, Math.floor(availableParallelism() / addresses.length)));
  const gpus = gpuNumbers();
  return {
    TF_NUM_INTRAOP_THREADS: threads,
    OMP_NUM_THREADS: threads,
    ...(gpus.length > 0 && { CUDA_VISIBLE_DEVICES: String(gpus[rank % gpus.length]) }),
    ...process.env,
    // One process has no cluster; then it is what it would be without this verb.
    TF_CONFIG: addresses.length === 1 ? '' : JSON.stringify({ cluster: { worker: addresses }, task: { type: 'worker', index: rank } }),
  };
}

/** NVIDIA devices of this machine: each worker takes one. */
function gpuNumbers(): number[] {
  return readdirSync('/dev')
    .flatMap((name) => (/^nvidia\d+$/.test(name) ? [Number(name.slice(6))] : []))
    .sort((a, b) => a - b);
}
