import { basename, dirname, extname, join } from 'node:path';
import { existsSync } from 'node:fs';
import { ConfigError } from '../errors.js';

/**
 * Config file and run folder of a training verb, each from the other where only one is given.
 * @param example a config file to name in the message
 */
export function locateRun({ file, out, isResumed, example }: { file: string | undefined; out: string | undefined; isResumed: boolean; example: string }): {
  path: string;
  folder: string;
} {
  if (file !== undefined) return { path: file, folder: out ?? join('runs', runName(file)) };
  if (out === undefined || !isResumed)
    throw new ConfigError({
      key: '--config',
      found: 'missing',
      expected: `a YAML file, such as ${example}`,
      hint: out === undefined ? 'or --resume --out RUN' : undefined,
    });
  const path = join(out, 'config.yaml');
  if (!existsSync(path)) throw new ConfigError({ file: path, found: 'no such file', hint: 'name the folder of a run with --out, or its config with --config' });
  return { path, folder: out };
}

/** configs/debug/pretrain.yaml → debug-pretrain, configs/pretrain.yaml → pretrain. */
function runName(file: string): string {
  const name = basename(file, extname(file));
  const parent = basename(dirname(file));
  return ['', '.', '..', 'configs'].includes(parent) ? name : `${parent}-${name}`;
}
