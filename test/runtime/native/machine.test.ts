import { describe, expect, it } from 'vitest';
import { isSupportedNode } from '../../../src/runtime/native/diagnosis.js';
import { controlGroupLimits, freeBytes } from '../../../src/runtime/native/machine.js';
import { obstacle, type Platform } from '../../../src/runtime/native/platform.js';
import { cacheFolder } from '../../../src/toolchain/cache-folder.js';

describe('the limits of a control group', () => {
  const limits = (files: Record<string, string>) => controlGroupLimits((path) => files[path] ?? null);

  it('are the tightest on the way up, version 2', () => {
    expect(
      limits({
        '/proc/self/cgroup': '0::/slurm/job_7/step_0',
        '/sys/fs/cgroup/slurm/job_7/step_0/memory.max': 'max',
        '/sys/fs/cgroup/slurm/job_7/memory.max': '8589934592',
        '/sys/fs/cgroup/slurm/memory.max': '17179869184',
        '/sys/fs/cgroup/slurm/job_7/cpu.max': '150000 100000',
        '/sys/fs/cgroup/slurm/cpu.max': 'max 100000',
      }),
    ).toEqual({ cpuQuota: 1.5, memoryLimit: 8_589_934_592 });
  });

  it('inside a container are those at the mount point', () => {
    expect(limits({ '/proc/self/cgroup': '0::/', '/sys/fs/cgroup/memory.max': '1000000', '/sys/fs/cgroup/cpu.max': '200000 100000' })).toEqual({
      cpuQuota: 2,
      memoryLimit: 1_000_000,
    });
  });

  it('are read from version 1 too, where a huge number means none', () => {
    const files = {
      '/proc/self/cgroup': '4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc',
      '/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': '9223372036854771712',
      '/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us': '-1',
      '/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us': '100000',
    };
    expect(limits(files)).toEqual({ cpuQuota: null, memoryLimit: null });
    expect(
      limits({ ...files, '/sys/fs/cgroup/memory/memory.limit_in_bytes': '4294967296', '/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us': '400000' }),
    ).toEqual({ cpuQuota: 4, memoryLimit: 4_294_967_296 });
  });

  it('are none where there is no control group', () => {
    expect(limits({})).toEqual({ cpuQuota: null, memoryLimit: null });
  });
});

describe('free space', () => {
  it('is that of the nearest folder there is', async () => {
    expect(await freeBytes('/tmp/not/there/yet')).toBeGreaterThan(0);
  });
});

describe('what stands against native TensorFlow', () => {
  const good: Platform = { os: 'linux', arch: 'x64', glibc: '2.36', cpuFlags: new Set(['avx']) };

  it('is nothing on Linux, x86-64, glibc', () => {
    expect(obstacle(good)).toBeNull();
    expect(obstacle({ ...good, glibc: '2.27' })).toBeNull();
  });

  it.each([
    [{ os: 'darwin', arch: 'arm64' }, /no native TensorFlow for darwin on arm64/],
    [{ arch: 'arm64' }, /no native TensorFlow for linux on arm64/],
    [{ glibc: null }, /C library other than glibc/],
    [{ glibc: '2.17' }, /glibc 2.17 is too old/],
    [{ cpuFlags: new Set(['sse4_2']) }, /no AVX/],
  ])('is named: %o', (change, found) => {
    expect(obstacle({ ...good, ...change })?.found).toMatch(found);
  });
});

describe('supported versions of Node', () => {
  const range = '^20.19.0 || ^22.12.0 || >=24';

  it.each(['20.19.0', '20.20.2', '22.12.0', '22.20.1', '24.0.0', '25.1.0'])('include %s', (version) => expect(isSupportedNode(version, range)).toBe(true));
  it.each(['18.20.0', '20.18.3', '21.7.0', '22.11.0', '23.5.0'])('do not include %s', (version) => expect(isSupportedNode(version, range)).toBe(false));
  it('include this one', () => expect(isSupportedNode(process.versions.node)).toBe(true));
});

describe('the cache', () => {
  it('is where SCDIVA_CACHE says, else in the user’s cache folder', () => {
    expect(cacheFolder({ SCDIVA_CACHE: '/big/cache', XDG_CACHE_HOME: '/xdg' })).toBe('/big/cache');
    expect(cacheFolder({ XDG_CACHE_HOME: '/xdg' })).toBe('/xdg/scdiva');
    expect(cacheFolder({})).toMatch(/\/\.cache\/scdiva$/);
  });
});
