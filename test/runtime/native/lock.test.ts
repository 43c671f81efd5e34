import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isStale, removeStale, thisProcess, withLock, type LockHolder } from '../../../src/runtime/native/lock.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scdiva-lock-'));
  path = join(folder, 'stage.lock');
});
afterEach(() => rm(folder, { recursive: true }));

/** A process that has ended, as it would have signed its lock. */
function deadHolder(): LockHolder {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  return { pid, host: hostname(), startTicks: '1' };
}

describe('withLock', () => {
  it('lets one in at a time and tells the others whom they wait for', async () => {
    let numInside = 0;
    let most = 0;
    const waitedFor: number[] = [];
    const enter = () =>
      withLock(
        path,
        async () => {
          most = Math.max(most, ++numInside);
          await sleep(40);
          numInside--;
        },
        { pollMs: 5, onWait: ({ pid }) => void waitedFor.push(pid) },
      );
    await Promise.all([enter(), enter(), enter()]);
    expect(most).toBe(1);
    expect(waitedFor).toEqual([process.pid, process.pid]);
  });

  it('lets go after a failure', async () => {
    await expect(withLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await withLock(path, async () => 'in', { pollMs: 5 })).toBe('in');
  });

  it('takes over from a process that died, whoever of several waiters is first', async () => {
    await writeFile(path, JSON.stringify(deadHolder()));
    let numInside = 0;
    let most = 0;
    const enter = () =>
      withLock(
        path,
        async () => {
          most = Math.max(most, ++numInside);
          await sleep(20);
          numInside--;
        },
        { pollMs: 2 },
      );
    await Promise.all(Array.from({ length: 6 }, enter));
    expect(most).toBe(1);
  });

  it('leaves a fresh lock alone that it found in the place of the stale one', async () => {
    await writeFile(path, 'fresh');
    await removeStale(path, 'stale');
    expect(await readFile(path, 'utf8')).toBe('fresh');
    await removeStale(path, 'fresh');
    await expect(readFile(path)).rejects.toThrow(/ENOENT/);
    await removeStale(path, 'gone already');
  });

  it('leaves a lock alone that has become another’s', async () => {
    const other = JSON.stringify({ ...thisProcess(), host: 'elsewhere' });
    await withLock(path, () => writeFile(path, other));
    expect(await readFile(path, 'utf8')).toBe(other);
  });

  it('stops waiting when told to', async () => {
    await writeFile(path, JSON.stringify(thisProcess()));
    await expect(withLock(path, async () => 'in', { signal: AbortSignal.timeout(30), pollMs: 5 })).rejects.toThrow();
  });

  it('refuses to spin on a lock it may not read', async () => {
    await expect(withLock(folder, async () => 'in')).rejects.toThrow(/EISDIR/);
  });
});

describe('a lock', () => {
  it('is not stale while its process lives, however old it is', async () => {
    await writeFile(path, '');
    await utimes(path, 0, 0);
    expect(isStale(JSON.stringify(thisProcess()), 1e9)).toBe(false);
  });

  it('is stale when another process has got the pid', () => {
    expect(isStale(JSON.stringify({ ...thisProcess(), startTicks: '1' }), 0)).toBe(true);
  });

  it('of another machine is stale once it is no longer touched', () => {
    const elsewhere = JSON.stringify({ ...deadHolder(), host: 'elsewhere' });
    expect(isStale(elsewhere, 30_000)).toBe(false);
    expect(isStale(elsewhere, 90_000)).toBe(true);
  });

  it('without content is given the time to get it', () => {
    expect(isStale('', 1_000)).toBe(false);
    expect(isStale('', 60_000)).toBe(true);
  });
});
