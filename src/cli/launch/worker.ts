import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCDIVA = fileURLToPath(new URL('../../../bin/scdiva.js', import.meta.url));

export interface Ended {
  readonly exitCode: number;
  /** For people. */
  readonly reason: string;
}

export interface Worker {
  readonly rank: number;
  readonly isRunning: boolean;
  /** Stopped by a signal: it does nothing, not even end, until it is woken. */
  readonly isFrozen: boolean;
  readonly ended: Promise<Ended>;
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
}

/**
 * Starts one worker. The first one has this process's stdout and stderr; of the others stderr is passed on, line by line, under their number.
 * Each has a process group of its own, so that a Ctrl-C reaches it once, through this process, and stdin as a thread that breaks with it.
 */
export function startWorker({ rank, args, env }: { rank: number; args: readonly string[]; env: NodeJS.ProcessEnv }): Worker {
  const isFirst = rank === 0;
  const child = spawn(process.execPath, [...process.execArgv, SCDIVA, ...args], {
    env: { ...env, SCDIVA_LAUNCHED: '1' },
    detached: true,
    stdio: ['pipe', isFirst ? 'inherit' : 'ignore', isFirst ? 'inherit' : 'pipe'],
  });
  child.stdin!.on('error', () => {}); // a worker that has ended reads no more
  if (child.stderr) createInterface(child.stderr).on('line', (line) => process.stderr.write(`[${rank}] ${line}\n`));
  let isRunning = true;
  const ended = new Promise<Ended>((resolve) => {
    child.once('error', (error) => resolve({ exitCode: 1, reason: `worker ${rank} could not be started: ${error.message}` }));
    child.once('exit', (code, signal) => {
      if (signal) resolve({ exitCode: 128 + constants.signals[signal], reason: `worker ${rank} was ended by ${signal}` });
      else resolve({ exitCode: code!, reason: `worker ${rank} ended with exit code ${code}` });
    });
  }).finally(() => (isRunning = false));
  return {
    rank,
    get isRunning() {
      return isRunning;
    },
    get isFrozen() {
      return isRunning && isStopped(child.pid);
    },
    ended,
    signal: (name) => void child.kill(name),
  };
}

/** By the kernel's word on a process: state T. */
function isStopped(pid: number | undefined): boolean {
  try {
    return /^\d+ \(.*\) [Tt]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // it has ended meanwhile
  }
}
