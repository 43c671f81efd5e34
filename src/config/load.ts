import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { ConfigError } from '../errors.js';

/**
 * Reads a YAML file, lays `key.path=value` overrides over it and checks the whole against a schema.
 * @param path the file; undefined starts from an empty document, so that defaults and overrides alone make the config
 * @param overrides as given to `--set`: `train.steps=100`; the value is read as YAML
 * @returns the parsed config, deeply frozen: nothing mutates a config after this line
 * @throws ConfigError naming file, key, what was found and what was expected
 */
export async function loadConfig<S extends z.ZodType>(schema: S, path: string | undefined, overrides: readonly string[] = []): Promise<z.output<S>> {
  const raw = path === undefined ? {} : await readYaml(path);
  for (const override of overrides) applyOverride(raw, override);
  return parseConfig(schema, raw, path);
}

/** Checks a plain object against a schema; `file` only serves the message. */
export function parseConfig<S extends z.ZodType>(schema: S, raw: unknown, file?: string): z.output<S> {
  const parsed = schema.safeParse(raw);
  if (!parsed.success) throw configError(parsed.error, raw, file);
  return deepFreeze(parsed.data);
}

async function readYaml(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new ConfigError({ file: path, found: code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`, hint: 'pass --config FILE', cause: error });
  }
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem) throw new ConfigError({ file: path, found: problem.message.split('\n')[0] ?? 'not YAML', hint: 'mend the YAML syntax' });
  const value: unknown = document.toJS() ?? {};
  if (!isRecord(value))
    throw new ConfigError({ file: path, found: `a ${Array.isArray(value) ? 'list' : typeof value} at the top`, expected: 'keys and values' });
  return value;
}

function applyOverride(raw: Record<string, unknown>, override: string): void {
  const at = override.indexOf('=');
  if (at < 1) throw new ConfigError({ key: '--set', found: `'${override}'`, expected: 'key.path=value' });
  const keys = override.slice(0, at).split('.');
  const document = parseDocument(override.slice(at + 1));
  if (document.errors.length) throw new ConfigError({ key: `--set ${override}`, found: 'the value is not YAML', hint: 'quote it' });
  let node = raw;
  for (const key of keys.slice(0, -1)) {
    const next = node[key] ?? {};
    if (!isRecord(next)) throw new ConfigError({ key: `--set ${override}`, found: `${key} is not a section` });
    node = node[key] = next;
  }
  node[keys.at(-1)!] = document.toJS() as unknown;
}

function configError(error: z.ZodError, raw: unknown, file: string | undefined): ConfigError {
  const [issue] = error.issues;
  if (!issue) return new ConfigError({ file, found: 'is not valid' });
  // zod reports an unknown key on its parent: name the key itself.
  if (issue.code === 'unrecognized_keys') {
    const key = [...issue.path, issue.keys[0]].join('.');
    return new ConfigError({ file, key, found: 'no such key', hint: 'remove it or check its spelling' });
  }
  const key = issue.path.join('.');
  const value = issue.path.reduce<unknown>(
    (node, part) => (isRecord(node) || Array.isArray(node) ? (node as Record<PropertyKey, unknown>)[part] : undefined),
    raw,
  );
  const more = error.issues.length > 1 ? `and ${error.issues.length - 1} more` : undefined;
  return new ConfigError({
    file,
    key,
    found: value === undefined ? 'missing' : `found ${JSON.stringify(value)}`,
    expected: issue.message.replace(/^(Invalid input|Invalid option|Too big|Too small): expected /, '').replace(/, received .*$/, ''),
    hint: more,
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
