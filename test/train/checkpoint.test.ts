import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tinyModel } from '../support/tiny-task.js';
import { Vocabulary } from '../../src/data/genes/vocabulary.js';
import type { HostTensor } from '../../src/runtime/program/program.js';
import { loadCheckpoint, loadOptimizer, requireVocabulary, saveCheckpoint, type CheckpointContent } from '../../src/train/checkpoint.js';

let folder: string;
let at: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scdiva-checkpoint-'));
  at = join(folder, 'step-000003');
});
afterEach(() => rm(folder, { recursive: true }));

const tensor = (...values: number[]): HostTensor => ({ dtype: 'float32', shape: [values.length], data: Float32Array.from(values) });

function content(): CheckpointContent {
  const model = tinyModel();
  return {
    ...model,
    parameters: { ...model.parameters, 'classifier.weight': tensor(1, 2) },
    head: { task: 'tiny', classes: ['T', 'B'] },
    optimizer: { 'adam.m/final_norm.weight': tensor(0.1, 0.2, 0.3, 0.4) },
    state: {
      task: 'tiny',
      step: 3,
      cursor: { epoch: 1, batchIndex: 1 },
      validation: null,
      best: null,
      evaluationsWithoutImprovement: 0,
      seed: 7,
      dataFingerprint: 'abc',
      config: { train: { steps: 5 } },
      versions: { scdiva: '0' },
    },
    card: '# card\n',
  };
}

describe('a checkpoint folder', () => {
  it('gives back everything it was given', async () => {
    const saved = content();
    await saveCheckpoint(at, saved);
    const loaded = await loadCheckpoint(at);
    const { 'classifier.weight': head, ...parameters } = saved.parameters;
    expect(loaded.parameters).toEqual(parameters);
    expect(loaded.head).toEqual({ info: saved.head, parameters: { 'classifier.weight': head } });
    expect(loaded.modelConfig).toEqual(saved.modelConfig);
    expect(loaded.vocabulary.hash).toBe(saved.vocabulary.hash);
    expect(loaded.entropy).toEqual(saved.entropy);
    expect(loaded.preprocessing).toEqual(saved.preprocessing);
    expect(loaded.state).toEqual(saved.state);
    expect(await loadOptimizer(at)).toEqual(saved.optimizer);
  });

  it('has the same bytes when it is written again, and nothing else lies beside it', async () => {
    await saveCheckpoint(at, content());
    await saveCheckpoint(join(folder, 'again'), content());
    for (const name of await readdir(at)) expect(await readFile(join(at, name)), name).toEqual(await readFile(join(folder, 'again', name)));
    expect(await readdir(folder)).toEqual(['again', 'step-000003']);
  });

  it('is found through its run folder: the best one, else the last', async () => {
    const run = join(folder, 'run');
    await mkdir(join(run, 'checkpoints'), { recursive: true });
    await expect(loadCheckpoint(run)).rejects.toThrow(/run: no config\.json in it and no checkpoints\/ below it/);
    await saveCheckpoint(join(run, 'checkpoints/step-000003'), content());
    await symlink('step-000003', join(run, 'checkpoints/last'));
    expect((await loadCheckpoint(run)).folder).toBe(join(run, 'checkpoints/last'));
    await symlink('step-000003', join(run, 'checkpoints/best'));
    expect((await loadCheckpoint(run)).folder).toBe(join(run, 'checkpoints/best'));
  });

  it.each([
    ['config.json', /config\.json in it/],
    ['genes.tsv', /genes\.tsv: no such file \(put the ordered gene list of these weights there, or name it with genes \(.*\)\)$/],
    ['entropy.tsv', /entropy\.tsv: no such file/],
    ['preprocessing.json', /preprocessing\.json: no such file/],
    ['model.safetensors', /model\.safetensors: no such file/],
    ['head.safetensors', /head\.safetensors: no such file/],
  ])('names %s when it is missing', async (name, message) => {
    await saveCheckpoint(at, content());
    await rm(join(at, name));
    await expectRefusal(at, message);
  });

  it('names the file that was cut short', async () => {
    await saveCheckpoint(at, content());
    await truncate(join(at, 'model.safetensors'), 500);
    await expectRefusal(at, /model\.safetensors/);
    await saveCheckpoint(at, content());
    await truncate(join(at, 'state.json'), 20);
    await expectRefusal(at, /state\.json: not JSON/);
  });

  it('names the first tensor of another size', async () => {
    await saveCheckpoint(at, content());
    await edit('config.json', (text) => text.replace(/"D_HID": 6/, '"D_HID": 8'));
    await expectRefusal(at, /model\.safetensors: layers\.0\.mlp\.gate_proj\.weight: shape \[6, 4\] \(expected \[8, 4\] by config\.json\)/);
  });

  it('refuses genes in another order than the weights were trained on', async () => {
    await saveCheckpoint(at, content());
    await edit('genes.tsv', (text) => text.replace('CD3D', 'X').replace('LYZ', 'CD3D').replace('X', 'LYZ'));
    await expectRefusal(at, /genes\.tsv: other genes, or another order/);
    await edit('genes.tsv', (text) => text.trimEnd().split('\n').slice(0, -1).join('\n'));
    await expectRefusal(at, /genes\.tsv: 2 genes \(expected 3 by VOCAB_SIZE of config\.json\)/);
  });

  it('refuses an entropy table that is not one', async () => {
    await saveCheckpoint(at, content());
    await edit('entropy.tsv', (text) => text.replace(/LYZ\t.*/, 'LYZ\tx'));
    await expectRefusal(at, /entropy\.tsv: line 3: '3\tLYZ\tx'/);
  });

  it('refuses data of another vocabulary, saying how to build them', async () => {
    await saveCheckpoint(at, content());
    const checkpoint = await loadCheckpoint(at);
    const other = new Vocabulary([...checkpoint.vocabulary.genes].reverse());
    expect(() => requireVocabulary(checkpoint, { path: 'pbmc.corpus', vocabulary: other })).toThrow(
      /pbmc\.corpus \(build the corpus with --genes .*genes\.tsv\)/,
    );
    expect(() => requireVocabulary(checkpoint, { path: 'pbmc.corpus', vocabulary: checkpoint.vocabulary })).not.toThrow();
  });

  it('keeps the checkpoint that was there when a new one cannot be written', async () => {
    await saveCheckpoint(at, content());
    const broken = { ...content(), optimizer: { bad: { ...tensor(1, 2), shape: [3] } } };
    await expect(saveCheckpoint(at, broken)).rejects.toThrow();
    expect((await loadCheckpoint(at)).state?.step).toBe(3);
    expect(await readdir(folder)).toEqual(['step-000003']);
  });

  const edit = async (name: string, change: (text: string) => string): Promise<void> => {
    const file = join(at, name);
    const before = await readFile(file, 'utf8');
    expect(change(before)).not.toBe(before);
    await writeFile(file, change(before));
  };
});

async function expectRefusal(path: string, message: RegExp): Promise<void> {
  const error = await loadCheckpoint(path).then(
    () => undefined,
    (error: unknown) => error as Error,
  );
  expect(error).toMatchObject({ name: 'CheckpointError', exitCode: 2 });
  expect(error!.message).toMatch(message);
  expect(error!.message).not.toContain('\n');
}
