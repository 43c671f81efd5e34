import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { loadConfig, parseConfig } from '../../../src/config/load.js';
import type { Corpus } from '../../../src/data/corpus/corpus.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { ScDiVaInference } from '../../../src/inference/engine.js';
import { ScDiVa } from '../../../src/inference/scdiva.js';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { AnnotationConfig } from '../../../src/tasks/annotation/config.js';
import { finetuneAnnotation } from '../../../src/tasks/annotation/finetune.js';
import { readHead } from '../../../src/tasks/annotation/head.js';
import type { AnnotationResult } from '../../../src/tasks/annotation/results.js';
import { loadCheckpoint } from '../../../src/train/checkpoint.js';
import { createEventWriter } from '../../../src/train/tensorboard.js';
import { quietContext, separableCells, TYPES, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const folderOf = temporaryFolder('finetune');
let folder: string;
let corpus: Corpus;
let checkpoint: string;

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  corpus = await smallCorpus(folder, separableCells(1, 240), { label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  checkpoint = await untrainedCheckpoint(folder, corpus);
});

const configFor = (tune: object, train: object = {}, rest: object = {}) =>
  parseConfig(AnnotationConfig, {
    data: { corpus: corpus.path, labelKey: 'cell_type' },
    checkpoint,
    tune,
    loader: { numWorkers: 0 },
    train: { epochs: 8, batchSize: 32, optimizer: { lr: 3e-3 }, earlyStopping: { patience: null }, ...train },
    ...rest,
  });
const finetune = (out: string, tune: object, train: object = {}, rest: object = {}, more: object = {}) =>
  finetuneAnnotation({ config: configFor(tune, train, rest), out: join(folder, out), context: quietContext(), ...more });
const weights = async (path: string) =>
  Object.fromEntries(
    Object.entries((await loadCheckpoint(path)).parameters).map(([name, { data }]) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
    ]),
  );
const changed = async (path: string) => {
  const [before, after] = [await weights(checkpoint), await weights(path)];
  return Object.keys(before).filter((name) => before[name] !== after[name]);
};
const lines = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number | string>);

describe('fine-tuning the whole model', () => {
  let result: AnnotationResult;
  beforeAll(async () => {
    result = await finetune('whole', { kind: 'whole' });
  });

  it('learns types that are plain to see, from an untrained model, on cells it never saw', () => {
    expect(result.methods[0]!.runs[0]!['accuracy']).toBeGreaterThan(0.9);
    expect(result.methods[0]!.runs[0]!['macroF1']).toBeGreaterThan(0.9);
    expect(result.numCells).toEqual({
      train: corpus.splitRows('train').length,
      validation: corpus.splitRows('validation').length,
      test: corpus.splitRows('test').length,
    });
  });

  it('trains everything the embedding depends on and nothing else', async () => {
    const names = await changed(result.out);
    expect(names).toContain('gene_embedding.weight');
    expect(names).toContain('layers.0.attn.q_proj.weight');
    expect(names).toContain('latent_encoder.mlp.0.weight');
    expect(names.filter((name) => /^gene_head|^value_head|mask_emb/.test(name))).toEqual([]);
  });

  it('scores the baselines on the same cells', () => {
    expect(result.methods.map(({ name }) => name)).toEqual(['scdiva', 'majorityClass', 'nearestNeighbours', 'logisticRegression']);
    const [, majority, , regression] = result.methods.map(({ runs }) => runs[0]!['accuracy']!);
    expect(majority).toBeLessThan(0.45);
    expect(regression).toBeGreaterThan(0.9);
  });

  it('leaves a folder that explains itself: head, classes, temperature, threshold', async () => {
    const { info } = readHead(await loadCheckpoint(result.out));
    expect(info.classes.toSorted()).toEqual(TYPES);
    expect(info.calibration).toMatchObject({ split: 'validation', numCells: result.numCells.validation });
    expect(info).toMatchObject({ temperature: result.temperature, unknownThreshold: result.unknownThreshold, labelKey: 'cell_type' });
    expect(info.unknownThreshold).toBeGreaterThan(1 / 3);
    expect(readHead(await loadCheckpoint(join(result.out, 'checkpoints/best'))).info).toEqual(info);
  });

  it('writes the results and one prediction a test cell', async () => {
    const json = JSON.parse(await readFile(join(result.out, 'annotation.json'), 'utf8')) as { methods: { runs: { accuracy: number }[] }[] };
    expect(json.methods[0]!.runs[0]!.accuracy).toBe(result.methods[0]!.runs[0]!['accuracy']);
    const [header, ...rows] = (await readFile(join(result.out, 'predictions.tsv'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(header).toEqual(['cell_id', 'cell_type', 'predicted', 'confidence', 'is_unknown']);
    expect(rows).toHaveLength(result.numCells.test);
    expect(rows.filter(([, truth, predicted]) => truth === predicted).length / rows.length).toBeCloseTo(json.methods[0]!.runs[0]!.accuracy, 12);
    expect(rows.map(([id]) => id)).toEqual(corpus.cellIds(corpus.splitRows('test')));
  });

  it('writes down a config that a run can be started from', async () => {
    const again = await loadConfig(AnnotationConfig, join(result.out, 'config.yaml'));
    expect(again).toEqual(configFor({ kind: 'whole' }));
  });

  it('validates after every epoch and keeps the epoch with the best macro-F1', () => {
    const validations = lines(join(result.out, 'metrics.jsonl')).filter(({ split }) => split === 'validation');
    expect(validations).toHaveLength(9); // before the first epoch and after each of eight
    const best = Math.max(...validations.map(({ macroF1 }) => macroF1 as number));
    const { best: kept } = JSON.parse(readFileSync(join(result.out, 'state.json'), 'utf8')) as { best: { value: number } };
    expect(kept.value).toBe(best);
  });
});

describe('freezing', () => {
  it('leaves the whole backbone bit for bit as it was when only the head learns', async () => {
    const result = await finetune('head', { kind: 'head' }, { epochs: 40, optimizer: { lr: 1e-2 } });
    expect(await changed(result.out)).toEqual([]);
    expect(result.methods[0]!.runs[0]!['accuracy']).toBeGreaterThan(0.6);
  });

  it('changes the last layers and the final norm alone when these are asked for', async () => {
    const { out } = await finetune('last', { kind: 'lastLayers', numLayers: 1 }, { epochs: 1 });
    const names = await changed(out);
    expect(names.every((name) => /^layers\.1\.|^final_norm\./.test(name))).toBe(true);
    expect(names).toContain('layers.1.mlp.down_proj.weight');
    expect(names).toContain('final_norm.weight');
  });

  it('refuses more last layers than there are', async () => {
    await expect(finetune('too-many', { kind: 'lastLayers', numLayers: 3 })).rejects.toThrow(/tune\.numLayers: 3, but the checkpoint has 2 layers/);
    expect(existsSync(join(folder, 'too-many'))).toBe(false);
  });
});

describe('cells read as the mean of their genes', () => {
  it('may be longer than those the blocks were trained on, and the checkpoint says so', async () => {
    const { out } = await finetune('genes', { kind: 'head' }, {}, { cellState: 'genes', maxGenes: 40 });
    const { modelConfig, preprocessing } = await loadCheckpoint(out);
    expect([modelConfig.cellState, modelConfig.maxGenes, preprocessing.maxGenes]).toEqual(['genes', 40, 40]);
  });

  it('are the only ones that may', async () => {
    await expect(finetune('too long', { kind: 'head' }, {}, { maxGenes: 40 })).rejects.toThrow(
      /maxGenes: 40, but the checkpoint was trained on 32 genes a cell \(set at most 32, or cellState: genes\)/,
    );
    expect(existsSync(join(folder, 'too long'))).toBe(false);
  });
});

describe('embeddings computed once', () => {
  it('give the head what running the frozen backbone each time would give it', async () => {
    const once = await finetune('once', { kind: 'head' }, { epochs: 2 }, { baselines: false });
    const model = await ScDiVa.fromPretrained(once.out);
    const cells = await openCellFile(join(folder, 'cells.h5ad'));
    const { confidence } = await new ScDiVaInference({ model }).annotate(cells, { batchSize: 7 });
    once.predictions.rows.forEach((row, i) => expect(confidence[row]).toBeCloseTo(once.predictions.confidence[i]!, 5));
    cells.close();
    model.dispose();
  });
});

describe('several seeds', () => {
  it('are runs of their own, of which the first is the checkpoint', async () => {
    const result = await finetune('seeds', { kind: 'head' }, { epochs: 3 }, { baselines: false }, { numSeeds: 3 });
    expect(result.seeds).toEqual([0, 1, 2]);
    expect(result.methods).toHaveLength(1);
    expect(result.methods[0]!.runs).toHaveLength(3);
    const [first, second] = await Promise.all(
      [result.out, join(result.out, 'seeds/1')].map(async (path) => (await loadCheckpoint(path)).head!.parameters['annotation_head.0.weight']!.data),
    );
    expect(first).not.toEqual(second);
    expect(JSON.parse(readFileSync(join(result.out, 'seeds/2/state.json'), 'utf8'))).toMatchObject({ seed: 2 });
  });
});

describe('going on with a run', () => {
  it('ends where the unbroken run ends, bit for bit', async () => {
    const tune = { kind: 'lastLayers', numLayers: 1 };
    const schedule = { kind: 'constant' };
    const whole = await finetune('unbroken', tune, { epochs: 4, schedule }, { baselines: false });
    await finetune('broken', tune, { epochs: 2, schedule }, { baselines: false });
    const resumed = await finetune('broken', tune, { epochs: 4, schedule }, { baselines: false }, { isResumed: true });
    expect((await loadCheckpoint(join(resumed.out, 'checkpoints/last'))).head!.parameters).toEqual(
      (await loadCheckpoint(join(whole.out, 'checkpoints/last'))).head!.parameters,
    );
    expect(resumed.methods).toEqual(whole.methods);
  });

  it('refuses another checkpoint to start from', async () => {
    const other = await untrainedCheckpoint(await folderOf(), corpus, { numLayers: 1 });
    await expect(
      finetune(
        'broken',
        { kind: 'lastLayers', numLayers: 1 },
        { epochs: 4, schedule: { kind: 'constant' } },
        { checkpoint: other, baselines: false },
        { isResumed: true },
      ),
    ).rejects.toThrow(/checkpoint/);
  });
});

describe('an interruption', () => {
  it('while cells are embedded leaves nothing and says so', async () => {
    const interrupted = finetune('interrupted', { kind: 'head' }, {}, {}, { context: quietContext(AbortSignal.abort()) });
    await expect(interrupted).rejects.toThrow(/interrupted while cells were embedded \(nothing was trained yet/);
    expect(existsSync(join(folder, 'interrupted'))).toBe(false);
  });
});

describe('mistakes', () => {
  it('are told in one line before anything is written', async () => {
    await expect(finetune('bad-label', { kind: 'head' }, {}, { data: { corpus: corpus.path, labelKey: 'celltype' } })).rejects.toThrow(
      /obs\['celltype'\]: no such field in this corpus \(expected one of cell_type/,
    );
    await expect(finetune('bad-corpus', { kind: 'head' }, {}, { data: { corpus: folder, labelKey: 'cell_type' } })).rejects.toThrow(/no corpus\.json/);
    await expect(finetune('bad-checkpoint', { kind: 'head' }, {}, { checkpoint: join(folder, 'nowhere') })).rejects.toThrow(/nowhere: no such folder/);
    for (const out of ['bad-label', 'bad-corpus', 'bad-checkpoint']) expect(existsSync(join(folder, out))).toBe(false);
  });

  it('include a folder that holds another run', async () => {
    await expect(finetune('whole', { kind: 'head' })).rejects.toThrow(/holds a run already/);
  });
});

describe('memory', () => {
  it('is given back: no tensor is left when a fine-tuning ends', async () => {
    const numTensors = () => tf.memory().numTensors;
    const start = numTensors();
    // TensorFlow.js has no call to close a TensorBoard writer: what one keeps is no leak of ours.
    createEventWriter(join(folder, 'events'))?.flush();
    const keptByWriter = numTensors() - start;
    const before = numTensors();
    await finetune('leak', { kind: 'whole' }, { epochs: 1, executor: 'eager' }, { baselines: false });
    expect(numTensors() - before).toBe(keptByWriter);
  });
});
