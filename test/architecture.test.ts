import { describe, expect, it } from 'vitest';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const src = resolve(dirname(fileURLToPath(import.meta.url)), '../src');

/**
 * Who may import whom: each layer sees itself and what its list names. ARCHITECTURE.md draws the same picture; a change here
 * is a change there.
 */
const BASE = ['errors', 'thread-errors', 'rng', 'log', 'progress', 'files', 'toolchain'];
const LAYERS: Record<string, readonly string[]> = {
  errors: [],
  'thread-errors': ['errors'],
  rng: [],
  log: [],
  progress: [],
  files: ['errors'],
  toolchain: ['errors'],
  config: ['errors'],
  hub: ['errors', 'files', 'progress'],
  metrics: ['errors', 'rng'],
  runtime: [...BASE, 'config'],
  data: [...BASE, 'config'],
  model: [...BASE, 'config', 'runtime', 'data'],
  diffusion: [...BASE, 'config', 'runtime', 'data', 'model'],
  train: [...BASE, 'config', 'runtime', 'data', 'model', 'diffusion'],
  tasks: [...BASE, 'config', 'runtime', 'data', 'model', 'diffusion', 'train', 'metrics'],
  plan: [...BASE, 'config', 'runtime', 'data', 'model', 'diffusion', 'train', 'tasks'],
  inference: [...BASE, 'config', 'runtime', 'data', 'model', 'diffusion', 'train', 'tasks', 'metrics', 'hub'],
  server: [...BASE, 'config', 'data', 'inference'],
  report: [...BASE, 'config', 'metrics', 'data', 'model', 'train', 'tasks'],
  // Bundled for browsers; nothing imports it.
  web: [...BASE, 'config', 'runtime', 'data', 'train', 'tasks', 'inference', 'metrics', 'report'],
  cli: [...BASE, 'config', 'runtime', 'data', 'model', 'diffusion', 'train', 'tasks', 'plan', 'inference', 'metrics', 'report', 'hub', 'server', 'index'],
  index: [...BASE, 'config', 'runtime', 'data', 'model', 'diffusion', 'train', 'tasks', 'plan', 'inference', 'metrics', 'report', 'hub', 'server'],
};

interface Import {
  readonly file: string;
  readonly specifier: string;
  readonly isTypeOnly: boolean;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath ?? (entry as unknown as { path: string }).path, entry.name));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const found: Import[] = [];
  for (const match of text.matchAll(/^\s*(?:import|export)\s+(type\s)?[^'";]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm))
    found.push({ file, specifier: (match[2] ?? match[3] ?? match[4])!, isTypeOnly: Boolean(match[1]) });
  return found;
}

const layerOf = (path: string): string =>
  relative(src, path)
    .split('/')[0]!
    .replace(/\.(ts|js)$/, '');
const files = sourceFiles(src);
const imports = files.flatMap(importsOf);

describe('the import arrows', () => {
  it('sees the code at all', () => {
    expect(files.length).toBeGreaterThan(10);
    expect(imports.length).toBeGreaterThan(files.length);
  });

  it('has a rule for every folder', () => {
    for (const file of files) expect(Object.keys(LAYERS)).toContain(layerOf(file));
  });

  it('points one way', () => {
    const wrong = imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ file, specifier }) => ({ file, specifier, from: layerOf(file), to: layerOf(resolve(dirname(file), specifier)) }))
      .filter(({ from, to }) => from !== to && !LAYERS[from]!.includes(to))
      .map(({ file, specifier }) => `${relative(src, file)} imports ${specifier}`);
    expect(wrong).toEqual([]);
  });

  it('keeps TensorFlow out of data, metrics and report: their workers start in milliseconds', () => {
    const wrong = imports.filter(
      ({ file, specifier, isTypeOnly }) =>
        ['data', 'metrics', 'report'].includes(layerOf(file)) && !isTypeOnly && (specifier.startsWith('@tensorflow/') || specifier === 'koffi'),
    );
    expect(wrong).toEqual([]);
  });

  it('lets config files import zod and other config files only, so that a config is checked without loading TensorFlow', () => {
    const wrong = imports.filter(({ file, specifier }) => /\/config\.ts$/.test(file) && specifier !== 'zod' && !/\/config\.js$/.test(specifier));
    expect(wrong).toEqual([]);
  });

  it('keeps the command line light: a verb loads what computes only when it runs', () => {
    const wrong = imports
      .filter(
        ({ file, specifier, isTypeOnly }) =>
          /\/cli\/(verbs\/|main|verb)/.test(file) && !isTypeOnly && /tensorflow|koffi|vega|arrow|h5wasm|umap|zod/.test(specifier),
      )
      .map(({ file, specifier }) => `${relative(src, file)} imports ${specifier}`);
    expect(wrong).toEqual([]);
  });
});
