import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import os from 'node:os';
import { dirname } from 'node:path';
import { instructionSets, hasFastBf16, parseCpuInfo } from '../../toolchain/cpu-info.js';

export interface Machine {
  readonly cpu: {
    readonly model: string;
    /** Logical processors this process may run on. */
    readonly cores: number;
    /** Cores' worth of time the control group grants; null = no limit. */
    readonly quota: number | null;
    readonly instructionSets: readonly string[];
    /** Does the hardware multiply bfloat16 matrices? */
    readonly hasFastBf16: boolean;
  };
  readonly memory: {
    readonly totalBytes: number;
    readonly availableBytes: number;
    /** What the control group (container, Slurm job) allows; null = no limit. */
    readonly limitBytes: number | null;
  };
}

/** What the process has to compute with. */
export function thisMachine(): Machine {
  const { model, flags } = parseCpuInfo(read('/proc/cpuinfo') ?? '');
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(read('/proc/meminfo') ?? '')?.[1];
  const { cpuQuota, memoryLimit } = controlGroupLimits();
  return {
    cpu: {
      model: model === 'unknown' ? (os.cpus()[0]?.model ?? model) : model,
      cores: os.availableParallelism(),
      quota: cpuQuota,
      instructionSets: instructionSets(flags),
      hasFastBf16: hasFastBf16(flags),
    },
    memory: { totalBytes: os.totalmem(), availableBytes: available ? Number(available) * 1024 : os.freemem(), limitBytes: memoryLimit },
  };
}

export interface ControlGroupLimits {
  readonly cpuQuota: number | null;
  readonly memoryLimit: number | null;
}

/**
 * The tightest limits of this process's control group and those above it, version 2 or 1.
 * @param readText the contents of a file, or null when there is none (tests pass their own)
 */
export function controlGroupLimits(readText: (path: string) => string | null = read): ControlGroupLimits {
  const quotas: number[] = [];
  const limits: number[] = [];
  const keep = (list: number[], value: number) => void (Number.isFinite(value) && value > 0 && list.push(value));
  for (const line of (readText('/proc/self/cgroup') ?? '').split('\n')) {
    const [id, controllers = '', path = '/'] = line.split(':');
    if (id === '0' && controllers === '') {
      for (const folder of ancestors('/sys/fs/cgroup', path)) {
        const [quota, period] = (readText(`${folder}/cpu.max`) ?? '').split(' ').map(Number);
        keep(quotas, quota! / period!);
        keep(limits, Number(readText(`${folder}/memory.max`) ?? NaN));
      }
    } else if (controllers.split(',').includes('memory')) {
      for (const folder of ancestors('/sys/fs/cgroup/memory', path)) keep(limits, Number(readText(`${folder}/memory.limit_in_bytes`) ?? NaN));
    } else if (controllers.split(',').includes('cpu')) {
      for (const folder of ancestors('/sys/fs/cgroup/cpu', path))
        keep(quotas, Number(readText(`${folder}/cpu.cfs_quota_us`) ?? NaN) / Number(readText(`${folder}/cpu.cfs_period_us`) ?? NaN));
    }
  }
  // Version 1 writes "no limit" as a number near 2^63.
  const real = limits.filter((limit) => limit < 2 ** 60);
  return { cpuQuota: quotas.length > 0 ? Math.min(...quotas) : null, memoryLimit: real.length > 0 ? Math.min(...real) : null };
}

/** Inside a container the path names groups that are not to be seen there; the mount point then is the container's own. */
function ancestors(root: string, path: string): string[] {
  const parts = path.split('/').filter(Boolean);
  return parts.map((_, i) => `${root}/${parts.slice(0, parts.length - i).join('/')}`).concat(root);
}

/** Free bytes where `path` is or would be made. */
export async function freeBytes(path: string): Promise<number> {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || folder === dirname(folder)) throw error;
    }
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}
