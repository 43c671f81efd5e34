import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspect } from '../../../src/runtime/native/marker.js';
import { downloadWheel } from '../../../src/runtime/native/python.js';
import type { WheelPin } from '../../../src/runtime/native/release.js';
import type { Staged } from '../../../src/runtime/native/stage.js';
import { writeFakeWheel } from './fake-wheel.js';

// The real thing on a wheel of two megabytes: pip, Python's zip reader, files, locks and processes; only the network is left out.
let home: string;
let cache: string;
let pin: WheelPin;
let folder: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'scdiva-stage-'));
  cache = join(home, 'cache');
  folder = join(cache, 'fake-1.0');
  pin = writeFakeWheel(home);
});
afterEach(() => rm(home, { recursive: true, force: true }));

const environment = () => ({ ...process.env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: home });

function start(hang = ''): ChildProcess {
  const script = fileURLToPath(new URL('./stage-process.mjs', import.meta.url));
  return spawn(process.execPath, [script, JSON.stringify(pin), cache, hang], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
}

async function finish(child: ChildProcess): Promise<Staged> {
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (text) => (stdout += text));
  child.stderr!.on('data', (text) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Staged;
}

const numBuilds = async () => (await readFile(join(cache, 'built.log'), 'utf8')).trim().split('\n').length;

describe('staging', () => {
  it('does the work once when three set-ups start at the same time', async () => {
    const results = await Promise.all([start(), start(), start()].map(finish));
    expect(results.map(({ isReused }) => isReused).sort()).toEqual([false, true, true]);
    expect(await numBuilds()).toBe(1);
    expect(await inspect(folder, 'fake-1.0')).toBeNull();
    expect((await readdir(folder, { recursive: true })).sort()).toEqual(['addon.node', 'fake', 'fake/libfake.so', 'staged.json']);
    expect((await readdir(cache)).sort()).toEqual(['built.log', 'downloads', 'fake-1.0']);
    expect(await readdir(join(cache, 'downloads'))).toEqual([]);
  });

  it('replaces a folder with a truncated file, and one with a changed byte', async () => {
    await finish(start());
    await truncate(join(folder, 'fake/libfake.so'), 1000);
    expect(await finish(start())).toMatchObject({ isReused: false, mended: 'fake/libfake.so has 1000 bytes, not 2000000' });
    expect(await inspect(folder, 'fake-1.0')).toBeNull();

    const file = await open(join(folder, 'fake/libfake.so'), 'r+');
    await file.write(Uint8Array.of(255), 0, 1, 12_345);
    await file.close();
    expect(await finish(start())).toMatchObject({ isReused: false, mended: 'fake/libfake.so differs from what was staged' });
    expect(await finish(start())).toMatchObject({ isReused: true, mended: null });
    expect(await numBuilds()).toBe(3);
  });

  it('goes on after a set-up that was killed, with the wheel that had arrived', async () => {
    const killed = start('hang');
    for (let i = 0; i < 600 && !existsSync(join(cache, 'built.log')); i++) await sleep(100);
    killed.kill('SIGKILL');
    await once(killed, 'close');
    expect(existsSync(join(cache, 'fake-1.0.lock'))).toBe(true);
    expect((await readdir(cache)).some((name) => name.startsWith('fake-1.0.tmp-'))).toBe(true);

    await rm(join(home, 'scdiva_fake_library-1.0-py3-none-any.whl')); // nothing is left to download it from
    expect(await finish(start())).toMatchObject({ isReused: false });
    expect(await inspect(folder, 'fake-1.0')).toBeNull();
    expect((await readdir(cache)).sort()).toEqual(['built.log', 'downloads', 'fake-1.0']);
  });

  it('leaves no lock and no half-made folder behind a failure', async () => {
    pin = { ...pin, version: '9.9' };
    await expect(finish(start())).rejects.toThrow(/SetupError: scdiva-fake-library 9.9: pip could not download it/);
    expect(await readdir(cache)).toEqual(['downloads']);
  });
});

describe('a download', () => {
  const withEnvironment = async <T>(body: () => Promise<T>): Promise<T> => {
    const before = { ...process.env };
    Object.assign(process.env, environment());
    try {
      return await body();
    } finally {
      process.env = before;
    }
  };

  it('that was cut short is fetched again, one that is whole is not', async () => {
    const path = await withEnvironment(() => downloadWheel(pin, home));
    await truncate(path, 5000);
    await withEnvironment(() => downloadWheel(pin, home));
    expect((await stat(path)).size).toBe(pin.bytes);
    const { mtimeMs } = await stat(path);
    await withEnvironment(() => downloadWheel(pin, home));
    expect((await stat(path)).mtimeMs).toBe(mtimeMs);
  });

  it('of another file under the right name is refused with both sums', async () => {
    const other = { ...pin, sha256: '0'.repeat(64) };
    await expect(withEnvironment(() => downloadWheel(other, home))).rejects.toThrow(new RegExp(`sha256 ${pin.sha256} .expected 0{64}`));
    expect((await readdir(home)).filter((name) => !name.endsWith('py3-none-any.whl'))).toEqual([]);
  });

  it('says how to get pip when there is none', async () => {
    const noPip = join(home, 'python-without-pip');
    await writeFile(noPip, '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.12.1" && exit 0\nexit 1\n', { mode: 0o755 });
    process.env['SCDIVA_PYTHON'] = noPip;
    try {
      await expect(downloadWheel(pin, home)).rejects.toThrow(/Python 3 has no pip \(install it/);
    } finally {
      delete process.env['SCDIVA_PYTHON'];
    }
  });
});
