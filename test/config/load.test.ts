import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../../src/config/load.js';
import { temporaryFolder } from '../support/small-corpus.js';

const newFolder = temporaryFolder('config');

const Schema = z.strictObject({ steps: z.int().positive().default(10), train: z.strictObject({ lr: z.number().positive().default(1e-3) }).prefault({}) });

async function file(text: string): Promise<string> {
  const path = join(await newFolder(), 'run.yaml');
  await writeFile(path, text);
  return path;
}

describe('loadConfig', () => {
  it('lays overrides over the file and defaults under it, and freezes the result', async () => {
    const config = await loadConfig(Schema, await file('steps: 5'), ['train.lr=0.5']);
    expect(config).toEqual({ steps: 5, train: { lr: 0.5 } });
    expect(() => ((config.train as { lr: number }).lr = 1)).toThrow(TypeError);
  });

  it.each([
    ['stepz: 5', [], /run\.yaml: stepz: no such key/],
    ['train: {lrr: 1}', [], /run\.yaml: train\.lrr: no such key/],
    ['steps: many', [], /run\.yaml: steps: found "many" \(expected number/],
    ['steps: -1', [], /steps: found -1/],
    ['- 1', [], /a list at the top/],
    ['a: [1', [], /mend the YAML/],
    ['steps: 5', ['nonsense'], /--set: 'nonsense'/],
    ['steps: 5', ['steps.deep=1'], /steps is not a section/],
  ])('refuses %j %j in one line', async (text, overrides, message) => {
    await expect(loadConfig(Schema, await file(text), overrides)).rejects.toThrow(message);
  });

  it('names a missing file', async () => {
    await expect(loadConfig(Schema, '/nowhere/run.yaml')).rejects.toThrow('/nowhere/run.yaml: no such file (pass --config FILE)');
  });
});
