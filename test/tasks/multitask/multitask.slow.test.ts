import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { parseConfig } from '../../../src/config/load.js';
import type { Corpus } from '../../../src/data/corpus/corpus.js';
import { Rng } from '../../../src/rng.js';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { MultitaskConfig } from '../../../src/tasks/multitask/config.js';
import { finetuneMultitask, type MultitaskResult } from '../../../src/tasks/multitask/finetune.js';
import { readSubtask, usedRows } from '../../../src/tasks/multitask/subtask.js';
import { createMultitask } from '../../../src/tasks/multitask/task.js';
import { loadCheckpoint } from '../../../src/train/checkpoint.js';
import { quietContext, separableCells, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../../support/small-corpus.js';
import { toTensors } from '../../support/tiny-model.js';

const folderOf = temporaryFolder('multitask');
let folder: string;
let corpus: Corpus;
let checkpoint: string;

const TASKS = [
  { kind: 'classification', name: 'types', labelKey: 'cell_type' },
  { kind: 'classification', name: 'lineage', labelKey: 'lineage', weight: 0.5 },
  { kind: 'regression', name: 'size', target: 'logTotal' },
];
const GENES = { kind: 'reconstruction', name: 'genes', weight: 0.1 };
const configFor = (tasks: object[], rest: object = {}, train: object = {}) =>
  parseConfig(MultitaskConfig, {
    data: { corpus: corpus.path },
    checkpoint,
    tasks,
    loader: { numWorkers: 0 },
    train: { epochs: 20, batchSize: 32, evaluateEvery: null, optimizer: { lr: 5e-3 }, ...train },
    ...rest,
  });

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  const cells = separableCells(1, 240);
  // A third of the cells have no lineage: such cells teach the other tasks.
  const lineage = cells.types.map((type, i) => (i % 9 < 3 ? null : type === 'B' ? 'B lineage' : 'T/NK lineage'));
  corpus = await smallCorpus(folder, { ...cells, obs: { cell_type: cells.types, lineage } }, { label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  checkpoint = await untrainedCheckpoint(folder, corpus);
});

describe('three tasks at once', () => {
  let result: MultitaskResult;
  beforeAll(async () => {
    result = await finetuneMultitask({ config: configFor(TASKS, { balance: 'uncertainty' }), out: join(folder, 'run'), context: quietContext() });
  }, 120_000);

  it('scores all of them on test cells, beside each alone and the simple methods; both labels are learned', () => {
    const [together, alone, ...baselines] = result.methods;
    expect(together!.runs[0]!['types/macroF1']).toBeGreaterThan(0.7);
    expect(together!.runs[0]!['lineage/macroF1']).toBeGreaterThan(0.8);
    expect(
      Object.keys(together!.runs[0]!)
        .filter((key) => key.includes('/'))
        .toSorted(),
    ).toEqual(expect.arrayContaining(Object.keys(alone!.runs[0]!).filter((key) => key.includes('/'))));
    expect(baselines.map(({ name }) => name)).toEqual(['majorityClass', 'nearestNeighbours', 'logisticRegression']);
    expect(baselines[2]!.runs[0]!['types/macroF1']).toBeGreaterThan(0.9);
  });

  it('says what each task loses, as the difference of the two trainings', () => {
    expect(result.drops.map(({ name, metric }) => [name, metric])).toEqual([
      ['types', 'macroF1'],
      ['lineage', 'macroF1'],
      ['size', 'r2'],
    ]);
    for (const { name, metric, together, alone, drop } of result.drops) {
      expect(together).toBe(result.methods[0]!.runs[0]![`${name}/${metric}`]);
      expect(alone).toBe(result.methods[1]!.runs[0]![`${name}/${metric}`]);
      expect(drop).toBeCloseTo(alone - together, 12);
    }
  });

  it('leaves heads, classes and learned balance in the checkpoint', async () => {
    const { head } = await loadCheckpoint(result.out);
    expect(head!.info).toMatchObject({
      task: 'multitask',
      tasks: [{ name: 'types' }, { name: 'lineage', classes: ['B lineage', 'T/NK lineage'] }, { name: 'size', kind: 'regression' }],
    });
    const variance = head!.parameters['multitask_head.log_variance']!.data;
    expect([...variance].some((s) => s !== 0)).toBe(true);
  });
});

describe('the loss of several tasks', () => {
  const build = async (tasks: object[], rest: object = {}) => {
    const config = configFor(tasks, rest);
    const model = await loadCheckpoint(checkpoint);
    const subtasks = config.tasks.map((one) => readSubtask(corpus, one));
    const sample = Float32Array.from({ length: 4 * 16 }, (_, i) => Math.sin(i));
    return { subtasks, task: createMultitask({ config, corpus, subtasks, model, sample, rng: Rng.fromSeed(2) }) };
  };
  const firstBatch = async (task: ReturnType<typeof createMultitask>) => {
    for await (const batch of task.batches('train', { rng: Rng.fromSeed(3), batchSize: 24 })) return batch;
    throw new Error('no batch');
  };

  it('is the weighted sum of the losses of each, reconstruction included', async () => {
    const { task } = await build([...TASKS, GENES]);
    const inputs = task.inputs(await firstBatch(task), Rng.fromSeed(4), 'train');
    const { loss, aux } = tf.tidy(() => {
      const out = task.loss(toTensors(task.parameters), toTensors(inputs), { isTraining: false });
      return { loss: out.loss.dataSync()[0]!, aux: Object.fromEntries(Object.entries(out.aux).map(([name, value]) => [name, value.dataSync()[0]!])) };
    });
    expect(loss).toBeCloseTo(aux['types/loss']! + 0.5 * aux['lineage/loss']! + aux['size/loss']! + 0.1 * aux['genes/loss']!, 4);
    expect(aux['genes/loss']).toBeCloseTo(aux['genes/identityLoss']! + 10 * aux['genes/valueLoss']!, 4);
  });

  it('is that of one drawn task where batches are for one, and every task is drawn', async () => {
    const { task, subtasks } = await build(TASKS, { sampling: 'even' });
    const batch = await firstBatch(task);
    const drawn = Array.from({ length: 30 }, (_, i) => [...task.inputs(batch, Rng.fromSeed(i), 'train')['active']!.data].indexOf(1));
    expect(new Set(drawn)).toEqual(new Set([0, 1, 2]));
    expect([...task.inputs(batch, Rng.fromSeed(0), 'validation')['active']!.data]).toEqual([1, 1, 1]);
    const { task: proportional } = await build(TASKS, { sampling: 'proportional' });
    const many = Array.from({ length: 300 }, (_, i) => [...proportional.inputs(batch, Rng.fromSeed(i), 'train')['active']!.data].indexOf(1));
    const share = subtasks[1]!.numTrainCells / subtasks.reduce((sum, { numTrainCells }) => sum + numTrainCells, 0);
    expect(many.filter((k) => k === 1).length / 300).toBeCloseTo(share, 1);
  });

  it('reads no cell that no task has a label for', async () => {
    const { subtasks } = await build([TASKS[1]!]);
    const rows = usedRows(corpus, subtasks, 'train');
    expect(rows.length).toBeLessThan(corpus.splitRows('train').length);
    expect([...rows].every((row) => corpus.labelCodes('lineage')[row]! >= 0)).toBe(true);
  });

  it('trains the gene heads only where genes are reconstructed', async () => {
    expect((await build(TASKS)).task.trainable).not.toContain('gene_head.weight');
    expect((await build([...TASKS, GENES])).task.trainable).toContain('gene_head.weight');
  });
});
