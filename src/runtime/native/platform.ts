import { readFileSync } from 'node:fs';
import type { ErrorFacts } from '../../errors.js';
import { parseCpuInfo } from '../../toolchain/cpu-info.js';
import { compareVersions } from './requirements.js';

/** What the wheels ask of a machine: their platform tag names Linux, x86-64 and a GNU C library of at least this version. */
const MIN_GLIBC = '2.27';

export interface Platform {
  readonly os: string;
  readonly arch: string;
  /** Version of the GNU C library; null with another one (Alpine's musl). */
  readonly glibc: string | null;
  readonly cpuFlags: ReadonlySet<string>;
}

export function thisPlatform(): Platform {
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  const cpuFlags = process.platform === 'linux' ? parseCpuInfo(readFileSync('/proc/cpuinfo', 'utf8')).flags : new Set<string>();
  return { os: process.platform, arch: process.arch, glibc: report.header.glibcVersionRuntime ?? null, cpuFlags };
}

/** Why native TensorFlow can never run on this machine, or null. */
export function obstacle({ os, arch, glibc, cpuFlags }: Platform): Pick<ErrorFacts, 'found' | 'expected'> | null {
  const expected = `Linux on x86-64 with glibc ${MIN_GLIBC} or newer`;
  if (os !== 'linux' || arch !== 'x64') return { found: `there is no native TensorFlow for ${os} on ${arch}`, expected };
  if (glibc === null) return { found: 'there is no native TensorFlow for a C library other than glibc', expected };
  if (compareVersions(glibc, MIN_GLIBC) < 0) return { found: `this system's glibc ${glibc} is too old for TensorFlow`, expected };
  if (!cpuFlags.has('avx')) return { found: 'this processor has no AVX instructions, which TensorFlow is compiled for' };
  return null;
}
