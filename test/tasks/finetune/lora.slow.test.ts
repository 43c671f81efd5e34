import { readFileSync, readdirSync, statSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import type { Corpus } from '../../../src/data/corpus/corpus.js';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { AnnotationConfig } from '../../../src/tasks/annotation/config.js';
import { finetuneAnnotation } from '../../../src/tasks/annotation/finetune.js';
import type { AnnotationResult } from '../../../src/tasks/annotation/results.js';
import { extractAdapter, readAdapter } from '../../../src/train/adapter.js';
import { loadCheckpoint } from '../../../src/train/checkpoint.js';
import { mergeCheckpoint } from '../../../src/train/merge-checkpoint.js';
import { quietContext, separableCells, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const folderOf = temporaryFolder('lora');
let folder: string;
let corpus: Corpus;
let checkpoint: string;
let result: AnnotationResult;

const finetune = (out: string, train: object = {}, rest: object = {}, more: object = {}) =>
  finetuneAnnotation({
    config: parseConfig(AnnotationConfig, {
      data: { corpus: corpus.path, labelKey: 'cell_type' },
      checkpoint,
      tune: { kind: 'whole' },
      lora: { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'gate_proj', 'up_proj', 'down_proj', 'input_proj'] },
      loader: { numWorkers: 0 },
      baselines: false,
      train: { epochs: 4, batchSize: 32, optimizer: { lr: 1e-2 }, schedule: { kind: 'constant' }, earlyStopping: { patience: null }, ...train },
      ...rest,
    }),
    out: join(folder, out),
    context: quietContext(),
    ...more,
  });

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  corpus = await smallCorpus(folder, separableCells(1, 240), { label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  checkpoint = await untrainedCheckpoint(folder, corpus);
  result = await finetune('lora');
});

describe('fine-tuning with adapters', () => {
  it('learns, and leaves every weight that is no target as it was', async () => {
    expect(result.methods[0]!.runs[0]!['accuracy']).toBeGreaterThan(0.8);
    const [before, after] = [await loadCheckpoint(checkpoint), await loadCheckpoint(result.out)];
    const changed = Object.keys(before.parameters).filter(
      (name) => Buffer.compare(Buffer.from(before.parameters[name]!.data.buffer), Buffer.from(after.parameters[name]!.data.buffer)) !== 0,
    );
    expect(changed.toSorted()).toEqual((await readAdapter(result.out)).info.targets.toSorted());
  });

  it('trains far fewer numbers than the model has', () => {
    const { numParameters, numTrainable } = JSON.parse(readFileSync(join(result.out, 'run.json'), 'utf8')) as { numParameters: number; numTrainable: number };
    expect(numTrainable).toBeLessThan(numParameters / 2);
  });

  it('ends where the unbroken run ends when it is resumed, bit for bit, averages included', async () => {
    const ema = { decay: 0.9 };
    await finetune('unbroken', { ema, epochs: 2 });
    await finetune('broken', { ema, epochs: 1 });
    await finetune('broken', { ema, epochs: 2 }, {}, { isResumed: true });
    const [whole, resumed] = await Promise.all(['unbroken', 'broken'].map((name) => readAdapter(join(folder, name, 'checkpoints/last'))));
    expect(resumed!.parameters).toEqual(whole!.parameters);
  });

  it('takes the same steps with recomputed blocks, to rounding', async () => {
    await finetune('recomputed', { gradientCheckpointing: true, epochs: null, steps: 2 });
    await finetune('kept', { epochs: null, steps: 2 });
    const [a, b] = await Promise.all(['recomputed', 'kept'].map(async (name) => (await readAdapter(join(folder, name))).parameters));
    for (const [name, { data }] of Object.entries(a!)) data.forEach((value, i) => expect(Math.abs(value - b![name]!.data[i]!), name).toBeLessThan(2e-3));
  });

  it('refuses fresh weights and a training that moves no weight of the model', async () => {
    await expect(finetune('scratch', {}, { start: 'scratch' })).rejects.toThrow(/lora: given, but start is scratch/);
    await expect(finetune('head', {}, { tune: { kind: 'head' } })).rejects.toThrow(/lora\.targets: .*no parameter of the model would learn/);
  });
});

describe('an adapter on its own', () => {
  it('is small, and with its base gives the very weights of the fine-tuned checkpoint', async () => {
    const alone = join(folder, 'alone');
    await extractAdapter(result.out, alone);
    expect(readdirSync(alone).toSorted()).toEqual(['README.md', 'adapter.json', 'adapter.safetensors', 'head.json', 'head.safetensors', 'state.json']);
    expect(statSync(join(alone, 'adapter.safetensors')).size).toBeLessThan(statSync(join(result.out, 'model.safetensors')).size / 2);
    const [loaded, full] = [await loadCheckpoint(alone), await loadCheckpoint(result.out)];
    expect(loaded.parameters).toEqual(full.parameters);
    expect(loaded.head).toEqual(full.head);
    await mergeCheckpoint(alone, join(folder, 'merged'));
    expect((await loadCheckpoint(join(folder, 'merged'))).parameters).toEqual(full.parameters);
  });

  it('names the base checkpoint it misses, and one with other weights', async () => {
    const alone = join(folder, 'orphan');
    await extractAdapter(result.out, alone);
    await rename(checkpoint, `${checkpoint}-away`);
    await expect(loadCheckpoint(alone)).rejects.toThrow(/base\.path: .*not there/);
    await untrainedCheckpoint(folder, corpus, { numLayers: 1 });
    await expect(loadCheckpoint(alone)).rejects.toThrow(/base\.path: .*other weights/);
  });

  it('is not found in a checkpoint that was trained without', async () => {
    await expect(extractAdapter(`${checkpoint}-away`, join(folder, 'none'))).rejects.toThrow(/adapter\.json: no such file/);
  });
});
