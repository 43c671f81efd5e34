import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Who holds a lock. `startTicks` tells a living holder from a later process that got its pid. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  readonly startTicks: string | null;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when the lock is held by another living process. */
  readonly onWait?: ((holder: LockHolder) => void) | undefined;
  readonly pollMs?: number;
}

const HEARTBEAT_MS = 5_000;
/** A holder on another machine (shared home) is believed dead when its lock file was not touched for so long. */
const SILENCE_MS = 60_000;

/**
 * Runs `body` while this process alone holds the lock file. A lock left behind by a dead process is taken over.
 *
 * It saves work; it is not what correctness rests on (two machines may disagree about time): whoever writes under the lock
 * still writes beside and renames.
 */
export async function withLock<T>(path: string, body: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const mine = JSON.stringify(thisProcess());
  await acquire(path, mine, options);
  const heartbeat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await body();
  } finally {
    clearInterval(heartbeat);
    // Not ours any more if somebody took us for dead: leave theirs alone.
    if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true });
  }
}

async function acquire(path: string, mine: string, { signal, onWait, pollMs = 500 }: LockOptions): Promise<void> {
  for (let hasWaited = false; ;) {
    signal?.throwIfAborted();
    if (await create(path, mine)) return;
    const found = await readIfThere(path);
    if (found === null) continue; // released in between
    const ageMs =
      Date.now() -
      (await stat(path).then(
        (s) => s.mtimeMs,
        () => Date.now(),
      ));
    if (isStale(found, ageMs)) {
      await removeStale(path, found);
      continue;
    }
    const holder = parseHolder(found);
    if (!hasWaited && holder) {
      onWait?.(holder);
      hasWaited = true;
    }
    await sleep(pollMs, undefined, signal ? { signal } : {});
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function create(path: string, content: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx');
    try {
      await handle.writeFile(content);
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Two waiters may both find a lock stale, and the slower one must not remove the fresh lock of the faster: one at a time looks again
 * and removes. A stale lock changes in no other way, so nothing can come between the look and the removal.
 */
export async function removeStale(path: string, stale: string): Promise<void> {
  const takeover = `${path}.takeover`;
  if (!(await create(takeover, ''))) {
    const ageMs =
      Date.now() -
      (await stat(takeover).then(
        (s) => s.mtimeMs,
        () => Date.now(),
      ));
    if (ageMs > 2 * HEARTBEAT_MS) await rm(takeover, { force: true }); // whoever was at it died
    await sleep(1);
    return;
  }
  try {
    if ((await readIfThere(path)) === stale) await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}

/** Is the process that wrote `content` into a lock file last touched `ageMs` ago gone? */
export function isStale(content: string, ageMs: number): boolean {
  const holder = parseHolder(content);
  if (!holder) return ageMs > 2 * HEARTBEAT_MS; // created, and its writer died (or still is) before the content came
  if (holder.host !== hostname()) return ageMs > SILENCE_MS;
  return !isAlive(holder);
}

function parseHolder(content: string): LockHolder | null {
  try {
    const holder = JSON.parse(content) as LockHolder;
    return typeof holder.pid === 'number' && typeof holder.host === 'string' ? holder : null;
  } catch {
    return null;
  }
}

function isAlive({ pid, startTicks }: LockHolder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return startTicks === null || startTicksOf(pid) === startTicks;
}

export function thisProcess(): LockHolder {
  return { pid: process.pid, host: hostname(), startTicks: startTicksOf(process.pid) };
}

/** Clock ticks between boot and the start of a process (field 22 of /proc/PID/stat), or null where there is no /proc. */
function startTicksOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may itself hold blanks and brackets.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
