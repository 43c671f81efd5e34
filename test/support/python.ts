import { spawnSync } from 'node:child_process';

/** A Python that has a module: that of PYTHON, else the one on PATH. Says out loud when there is none. */
export function pythonWith(module: string): string | undefined {
  const python = process.env['PYTHON'] ?? 'python3';
  const found = spawnSync(python, ['-c', `import importlib.util, sys; sys.exit(importlib.util.find_spec(${JSON.stringify(module)}) is None)`]);
  if (found.status === 0) return python;
  console.warn(`SKIPPED, out loud: ${python} has no ${module} (name another Python in PYTHON); the tests that need it do not run`);
  return undefined;
}
