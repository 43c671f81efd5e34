import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { OutputError } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import type { TrainState } from './state.js';
import type { Baselines, Metrics } from './task.js';

/** What `train.microBatch: auto` came to. */
export interface MicroBatchChoice {
  /** Computed at once. */
  readonly cells: number;
  readonly accumulation: number;
  readonly budgetBytes: number;
  /** What the run is expected to need. */
  readonly peakBytes: number;
  /** For people. */
  readonly reason: string;
}

/** run.json: what ran, on what, and how it ended. */
export interface RunManifest {
  readonly task: string;
  readonly status: 'running' | 'finished' | 'stopped early' | 'interrupted' | 'failed';
  /** The error's message, of a failed run. */
  readonly failure?: string;
  readonly seed: number;
  readonly totalSteps: number;
  readonly step: number;
  readonly bestStep?: number;
  /** Validation scores of the checkpoint that is to be used. */
  readonly metrics?: Metrics;
  /** What simple guesses score on the same cells. */
  readonly baselines?: Baselines;
  /** Where train.microBatch was auto: a resumed run computes in the same pieces. */
  readonly microBatch?: MicroBatchChoice;
  readonly numParameters: number;
  readonly numTrainable: number;
  /** Hashes and sizes of what was read. */
  readonly data: Readonly<Record<string, string | number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly host: Readonly<Record<string, string | number>>;
  readonly startedAt: string;
  readonly resumedAt: readonly string[];
  readonly endedAt?: string;
}

/** run.json of a run that is under way: written at its start, completed at its end, however that comes. */
export class ManifestFile {
  private constructor(
    private readonly path: string,
    private current: RunManifest,
  ) {}

  /** @param isResumed keeps the start of the manifest that is there and its baselines, and adds this moment to its `resumedAt` */
  static async start(path: string, facts: Omit<RunManifest, 'status' | 'startedAt' | 'resumedAt'>, isResumed: boolean): Promise<ManifestFile> {
    const now = new Date().toISOString();
    const earlier = isResumed && existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as RunManifest) : undefined;
    const baselines = earlier?.baselines ?? facts.baselines;
    const file = new ManifestFile(path, {
      ...facts,
      ...(baselines && { baselines }),
      status: 'running',
      startedAt: earlier?.startedAt ?? now,
      resumedAt: earlier ? [...earlier.resumedAt, now] : [],
    });
    await file.write();
    return file;
  }

  get content(): RunManifest {
    return this.current;
  }

  /** @throws OutputError where another process has gone on with the run meanwhile: a worker that was frozen, and taken for dead */
  async requireCurrent(): Promise<void> {
    const onDisk = await readFile(this.path, 'utf8').then(
      (text) => JSON.parse(text) as RunManifest,
      () => undefined,
    );
    const isOurs = onDisk?.startedAt === this.current.startedAt && onDisk.resumedAt.length === this.current.resumedAt.length;
    if (!isOurs)
      throw new OutputError({
        file: this.path,
        found: onDisk ? 'another process has gone on with this run' : 'is gone or damaged',
        hint: 'nothing more is written here; see what else runs in this folder',
      });
  }

  async end(status: RunManifest['status'], { step, best }: TrainState, failure?: string): Promise<void> {
    this.current = {
      ...this.current,
      status,
      ...(failure !== undefined && { failure }),
      step,
      ...(best && { bestStep: best.step, metrics: best.metrics }),
      endedAt: new Date().toISOString(),
    };
    await this.write();
  }

  private async write(): Promise<void> {
    await writeFileAtomic(this.path, `${JSON.stringify(this.current, null, 1)}\n`);
  }
}

const packageFolder = findPackageFolder(dirname(fileURLToPath(import.meta.url)));

/** Versions of the code and of what it stands on. `gitCommit` only in a clone of the repository. */
export async function describeVersions(runtime: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
  const gitCommit = await gitHead();
  return { scdiva: version, ...(gitCommit && { gitCommit }), node: process.versions.node, ...runtime };
}

export function describeHost(): Record<string, string | number> {
  const [cpu] = os.cpus();
  return {
    hostname: os.hostname(),
    platform: `${os.platform()} ${os.release()} ${os.arch()}`,
    cpu: cpu?.model ?? 'unknown',
    numCores: os.availableParallelism(),
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
  };
}

let head: Promise<string | undefined> | undefined;

/** Of the code this process runs, asked once. */
function gitHead(): Promise<string | undefined> {
  return (head ??= askGit());
}

async function askGit(): Promise<string | undefined> {
  if (!existsSync(join(packageFolder, '.git'))) return undefined;
  // Without git, or in a clone it distrusts, the manifest says nothing of the commit: it is an aid, not a condition.
  const git = (...args: string[]) =>
    promisify(execFile)('git', ['-C', packageFolder, ...args]).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    );
  const commit = await git('rev-parse', 'HEAD');
  return commit && (await git('status', '--porcelain', '--untracked-files=no')) ? `${commit} with local changes` : commit;
}

function findPackageFolder(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findPackageFolder(dirname(folder));
}
