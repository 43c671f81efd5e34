import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { openCellFile } from '../../src/data/readers/open.js';
import { Rng } from '../../src/rng.js';
import { ScDiVaInference } from '../../src/inference/engine.js';
import { evaluateAnnotation } from '../../src/inference/evaluate-annotation.js';
import { ScDiVa } from '../../src/inference/scdiva.js';
import { maxDifference } from '../metrics/golden.js';
import { separableCells, smallAnnotator, TYPES } from '../support/annotated-cells.js';
import { temporaryFolder } from '../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../support/small-h5ad.js';

const folderOf = temporaryFolder('inference');
let folder: string;
let pretrained: string;
let annotator: string;
let model: ScDiVa;
let engine: ScDiVaInference;

/** Cells of which nothing was trained on: other random numbers. */
const fresh = separableCells(9, 45);

beforeAll(async () => {
  folder = await folderOf();
  ({ pretrained, annotator } = await smallAnnotator(folder));
  model = await ScDiVa.fromPretrained(annotator);
  engine = new ScDiVaInference({ model });
});
afterAll(async () => {
  await engine.dispose();
  model.dispose();
});

async function write(name: string, content: SmallH5ad): Promise<string> {
  const path = join(folder, name);
  await writeSmallH5ad(path, content);
  return path;
}

async function withCells<T>(content: SmallH5ad, use: (cells: Awaited<ReturnType<typeof openCellFile>>) => Promise<T>): Promise<T> {
  const cells = await openCellFile(await write(`cells-${Math.random()}.h5ad`, content));
  try {
    return await use(cells);
  } finally {
    cells.close();
  }
}

const rowsOf = ({ latent: { data, shape } }: { latent: { data: Float32Array; shape: readonly [number, number] } }) =>
  Array.from({ length: shape[0] }, (_, i) => data.subarray(i * shape[1], (i + 1) * shape[1]));

describe('embedding a cell', () => {
  it('depends on that cell alone: not on batch size, neighbours, order or padding', async () => {
    const together = rowsOf(await withCells(fresh, (cells) => model.encode(cells, { batchSize: 45 })));
    const alone = rowsOf(await withCells(fresh, (cells) => model.encode(cells, { batchSize: 1 })));
    const sevens = rowsOf(await withCells(fresh, (cells) => model.encode(cells, { batchSize: 7 })));
    const order = Rng.fromSeed(4).permutation(45);
    const shuffledRows: SmallH5ad = {
      ...fresh,
      x: { ...fresh.x!, rows: Array.from(order, (i) => fresh.x!.rows[i]!) },
      cellIds: Array.from(order, (i) => fresh.cellIds[i]!),
      obs: {},
    };
    const shuffled = rowsOf(await withCells(shuffledRows, (cells) => model.encode(cells, { batchSize: 7 })));
    together.forEach((row, i) => {
      expect(maxDifference(alone[i]!, row)).toBeLessThan(1e-5);
      expect(maxDifference(sevens[i]!, row)).toBeLessThan(1e-5);
      expect(maxDifference(shuffled[order.indexOf(i)]!, row)).toBeLessThan(1e-5);
    });
    expect(Math.max(...together.map((row) => maxDifference(row, together[0]!)))).toBeGreaterThan(0.1);
  });

  it('does not depend on whether the file holds counts or their log-normalised values', async () => {
    const logged = fresh.x!.rows.map((row) => {
      const total = row.reduce((sum, v) => sum + v, 0);
      return row.map((v) => Math.log1p((10_000 * v) / total));
    });
    const fromCounts = rowsOf(await withCells(fresh, (cells) => model.encode(cells)));
    const fromLogs = await withCells({ ...fresh, x: { rows: logged, encoding: 'dense' } }, (cells) => model.encode(cells));
    expect(fromLogs.source.matrix.valueKind).toBe('log1p');
    rowsOf(fromLogs).forEach((row, i) => expect(maxDifference(row, fromCounts[i]!)).toBeLessThan(1e-3));
  });

  it('is NaN for a cell without any gene the model knows, and says which cells these are', async () => {
    const rows = [...fresh.x!.rows.slice(0, 4), new Array<number>(40).fill(0)];
    const encoded = await withCells({ ...fresh, x: { rows, encoding: 'csr' }, cellIds: rows.map((_, i) => `c${i}`), obs: {} }, (cells) => model.encode(cells));
    expect(encoded.emptyRows).toEqual([4]);
    expect(rowsOf(encoded)[4]!.every(Number.isNaN)).toBe(true);
    expect(rowsOf(encoded)[3]!.every(Number.isFinite)).toBe(true);
  });

  it('leaves no tensor behind, after a failure neither', async () => {
    const numTensors = tf.memory().numTensors;
    await withCells(fresh, (cells) => model.encode(cells));
    await expect(withCells(fresh, (cells) => model.encode(cells, { signal: AbortSignal.abort() }))).rejects.toThrow(/interrupted after 16 of 45 cells/);
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it('refuses a file that shares under a tenth of the genes, and values that are no expression', async () => {
    const foreign = { ...fresh, geneNames: fresh.geneNames.map((name, g) => (g < 3 ? name : `OTHER${g}X`)) };
    await expect(withCells(foreign, (cells) => model.encode(cells))).rejects.toThrow(/3 of 40 genes are in the vocabulary of 40/);
    const scaled: SmallH5ad = { ...fresh, x: { rows: fresh.x!.rows.map((row) => row.map((v) => v - 0.5)), encoding: 'dense' } };
    await expect(withCells(scaled, (cells) => model.encode(cells))).rejects.toThrow(/scaled values/);
    await expect(withCells(fresh, (cells) => model.encode(cells, { batchSize: 0 }))).rejects.toThrow(/batchSize: 0/);
  });
});

describe('annotating cells', () => {
  it('finds types that are plain to see, each with a probability', async () => {
    const { labels, confidence, probabilities, classes, numUnknown } = await withCells(fresh, (cells) => engine.annotate(cells, { threshold: 0 }));
    expect(labels.filter((label, i) => label === fresh.types[i]).length / 45).toBeGreaterThan(0.9);
    expect(numUnknown).toBe(0);
    labels.forEach((_, i) => {
      const row = probabilities.subarray(i * classes.length, (i + 1) * classes.length);
      expect(row.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 6);
      expect(confidence[i]).toBe(Math.max(...row));
    });
  });

  it('withholds labels below the threshold and none above it', async () => {
    const { labels, confidence, mostLikely } = await withCells(fresh, (cells) => engine.annotate(cells, { threshold: 0.9 }));
    labels.forEach((label, i) => expect(label).toBe(confidence[i]! < 0.9 ? 'unknown' : TYPES[mostLikely[i]!]));
    const none = await withCells(fresh, (cells) => engine.annotate(cells, { threshold: 1 }));
    expect(none.numUnknown).toBe(45);
    await expect(withCells(fresh, (cells) => engine.annotate(cells, { threshold: 2 }))).rejects.toThrow(/threshold: 2/);
  });

  it('uses the threshold of the checkpoint where none is given', async () => {
    const { threshold } = await withCells(fresh, (cells) => engine.annotate(cells));
    expect(threshold).toBe(engine.headInfo().unknownThreshold);
  });

  it('calls a cell without known genes unknown, with confidence 0', async () => {
    const rows = [fresh.x!.rows[0]!, new Array<number>(40).fill(0), fresh.x!.rows[2]!];
    const result = await withCells({ ...fresh, x: { rows, encoding: 'csr' }, cellIds: ['a', 'b', 'c'], obs: {} }, (cells) =>
      engine.annotate(cells, { threshold: 0 }),
    );
    expect([result.labels[1], result.confidence[1], result.mostLikely[1], result.numUnknown]).toEqual(['unknown', 0, -1, 1]);
  });

  it('needs an annotation head, and says how to make one', async () => {
    const bare = await ScDiVa.fromPretrained(pretrained);
    await expect(withCells(fresh, (cells) => new ScDiVaInference({ model: bare }).annotate(cells))).rejects.toThrow(
      /pretrained: has no annotation head \(make one with scdiva finetune annotation/,
    );
    bare.dispose();
  });
});

describe('evaluating on a labelled file', () => {
  it('counts labels unseen in training as wrong and leaves cells without a label out', async () => {
    const truth = fresh.types.map((type, i) => (i < 5 ? 'Platelet' : i < 8 ? null : type));
    const result = await withCells({ ...fresh, obs: { truth } }, (cells) => evaluateAnnotation(engine, cells, 'truth', { threshold: 0 }));
    expect(result).toMatchObject({ numCells: 42, numUnlabelled: 3, unseen: { Platelet: 5 } });
    const right = result.annotation.labels.filter((label, i) => label === truth[i]).length;
    expect(result.scores['accuracy']).toBeCloseTo(right / 42, 12);
    expect(result.majorityClass['accuracy']).toBeLessThan(0.45);
    expect(result.classes.find(({ name }) => name === 'Platelet')).toMatchObject({ numCells: 5, recall: 0 });
  });

  it('takes another data set in its own words, and fits simple methods on the training cells of the model’s', async () => {
    const words = { B: 'B lymphocyte', NK: 'natural killer', T: 'T lymphocyte' } as Record<string, string>;
    const truth = fresh.types.map((type, i) => (i < 3 ? 'doublet' : words[type]!));
    const labelMap = new Map([...Object.entries(words).map(([own, theirs]): [string, string] => [theirs, own]), ['doublet', '']]);
    const result = await withCells({ ...fresh, obs: { truth } }, (cells) =>
      evaluateAnnotation(engine, cells, 'truth', { labelMap, reference: join(folder, 'corpus') }),
    );
    expect(result).toMatchObject({ numCells: 42, numUnlabelled: 3, unseen: {} });
    const [majority, neighbours, regression] = result.baselines.map(({ runs }) => runs[0]!['accuracy']!);
    expect(majority).toBeCloseTo(result.majorityClass['accuracy']!, 12);
    expect(Math.min(neighbours!, regression!)).toBeGreaterThan(0.9);
  });

  it('refuses labels of which the model knows none', async () => {
    const obs = { other: fresh.types.map((type) => `my ${type}`), empty: fresh.types.map(() => null) };
    await withCells({ ...fresh, obs }, async (cells) => {
      await expect(evaluateAnnotation(engine, cells, 'other')).rejects.toThrow(/obs\['other'\]: labels such as 'my B', none of which the model knows/);
      await expect(evaluateAnnotation(engine, cells, 'empty')).rejects.toThrow(/no cell has a label/);
      await expect(evaluateAnnotation(engine, cells, 'nothing')).rejects.toThrow(/nothing/);
    });
  });
});

describe('a damaged checkpoint', () => {
  it('is named, not loaded', async () => {
    const copy = join(folder, 'damaged');
    await mkdir(copy);
    for (const name of ['config.json', 'genes.tsv', 'entropy.tsv', 'preprocessing.json', 'model.safetensors', 'head.safetensors'])
      await copyFile(join(annotator, name), join(copy, name));
    const head = JSON.parse(await readFile(join(annotator, 'head.json'), 'utf8')) as { classes: string[]; classSizes: number[] };
    await writeFile(join(copy, 'head.json'), JSON.stringify({ ...head, classes: [...head.classes, 'more'], classSizes: [...head.classSizes, 1] }));
    const loaded = await ScDiVa.fromPretrained(copy);
    expect(() => new ScDiVaInference({ model: loaded }).headInfo()).toThrow(
      /head\.safetensors: annotation_head\.3\.weight: shape \[3, 16\] \(expected shape \[4, 16\]/,
    );
    loaded.dispose();
    await rm(join(copy, 'genes.tsv'));
    await expect(ScDiVa.fromPretrained(copy)).rejects.toThrow(/genes\.tsv/);
  });
});
