import { ConfigError, DataError } from '../../errors.js';
import type { Rng } from '../../rng.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import type { Split } from '../../train/task.js';

const SPLITS = ['train', 'validation', 'test'] as const satisfies readonly Split[];

/** The labels of a corpus as a classifier needs them. C classes that can be predicted. */
export interface AnnotationLabels {
  readonly key: string;
  /** C names: the labels that have training cells, in the order of the corpus. */
  readonly classes: readonly string[];
  /** Labels that only validation or test cells have: no prediction can be right for them. */
  readonly unseen: readonly string[];
  /** [numCells] by corpus row: 0 … C-1 a class, C and above an unseen label, -1 no label. */
  readonly codes: Int32Array;
  /** Corpus rows with a label. */
  readonly rows: Readonly<Record<Split, Int32Array>>;
  /** Cells of each split left out because they have no label. */
  readonly numUnlabelled: Readonly<Record<Split, number>>;
  /** [C] training cells of each class. */
  readonly classSizes: Int32Array;
}

/**
 * @param holdOut labels whose cells are left in the test split alone
 * @throws ConfigError for a label to hold out that no test cell has; DataError when the corpus has no such field, a label has a single cell, fewer than two labels have training cells, or
 * a split has no labelled cell
 */
export function annotationLabels(
  corpus: Pick<Corpus, 'path' | 'labelNames' | 'labelCodes' | 'splitRows'>,
  key: string,
  holdOut: readonly string[] = [],
): AnnotationLabels {
  const names = corpus.labelNames(key);
  const stored = corpus.labelCodes(key);
  const place = { file: corpus.path, key: `obs['${key}']` };
  const heldOut = new Set(holdOut.map((name) => names.indexOf(name)));
  const splits = Object.fromEntries(
    SPLITS.map((split) => [split, corpus.splitRows(split).filter((row) => split === 'test' || !heldOut.has(stored[row]!))]),
  ) as Record<Split, Int32Array>;
  for (const name of holdOut) {
    const code = names.indexOf(name);
    if (code < 0 || !splits.test.some((row) => stored[row] === code))
      throw new ConfigError({
        key: 'data.holdOut',
        found: `'${name}', which no test cell of ${corpus.path} is`,
        expected: `labels of obs['${key}'], such as '${names[0]}'`,
      });
  }

  const count = (rows: Int32Array) => {
    const sizes = new Int32Array(names.length);
    for (const row of rows) if (stored[row]! >= 0) sizes[stored[row]!]!++;
    return sizes;
  };
  const trainSizes = count(splits.train);
  const sizes = SPLITS.map((split) => count(splits[split])).reduce((sum, part) => sum.map((n, i) => n + part[i]!));
  const single = sizes.indexOf(1);
  if (single >= 0)
    throw new DataError({
      ...place,
      found: `label '${names[single]}' has 1 cell, which cannot be both learned and tested`,
      hint: 'build the corpus with --min-class-cells 3, which leaves such cells unlabelled',
    });

  const known = names.flatMap((_, code) => (trainSizes[code]! > 0 ? [code] : []));
  const foreign = names.flatMap((_, code) => (trainSizes[code] === 0 && sizes[code]! > 0 ? [code] : []));
  if (known.length < 2)
    throw new DataError({
      ...place,
      found: known.length === 0 ? 'no training cell has a label' : `every training cell is '${names[known[0]!]}'`,
      expected: 'at least 2 labels',
      hint: 'choose another data.labelKey',
    });
  const recode = new Int32Array(names.length).fill(-1);
  [...known, ...foreign].forEach((code, i) => (recode[code] = i));

  const codes = stored.map((code) => (code < 0 ? -1 : recode[code]!));
  const rows = Object.fromEntries(SPLITS.map((split) => [split, splits[split].filter((row) => codes[row]! >= 0)])) as Record<Split, Int32Array>;
  for (const split of SPLITS)
    if (rows[split].length === 0)
      throw new DataError({ ...place, found: `no labelled cell in the ${split} split`, hint: 'build the corpus with other --split fractions' });
  return {
    key,
    classes: known.map((code) => names[code]!),
    unseen: foreign.map((code) => names[code]!),
    codes,
    rows,
    numUnlabelled: Object.fromEntries(SPLITS.map((split) => [split, splits[split].length - rows[split].length])) as Record<Split, number>,
    classSizes: Int32Array.from(known, (code) => trainSizes[code]!),
  };
}

/**
 * The same labels with few training and validation cells: of each class the first so many of an order that the stream draws, so that of
 * one stream 5 cells are among the 10.
 */
export function fewShot(labels: AnnotationLabels, cellsPerType: number, rng: Rng): AnnotationLabels {
  const few = (split: 'train' | 'validation'): Int32Array => {
    const rows = labels.rows[split];
    const ofClass = (code: number) => rows.filter((row) => labels.codes[row] === code);
    return Int32Array.from(
      labels.classes.flatMap((name, code) => {
        const own = ofClass(code);
        return [...rng.fork(`few-shot/${split}/${name}`).permutation(own.length).slice(0, cellsPerType)].map((i) => own[i]!);
      }),
    ).sort();
  };
  const train = few('train');
  const classSizes = new Int32Array(labels.classes.length);
  for (const row of train) classSizes[labels.codes[row]!]!++;
  return { ...labels, rows: { ...labels.rows, train, validation: few('validation') }, classSizes };
}

/**
 * Weight of a cell of each class in the loss, scaled so that the training cells' mean weight is 1 and the learning rate keeps its meaning.
 * @param classSizes [C] training cells of each class, each > 0
 * @returns [C]; `balanced` gives every class the same total weight, `sqrt` goes half the way
 */
export function classWeights(classSizes: Int32Array, kind: 'none' | 'balanced' | 'sqrt'): Float32Array {
  const power = { none: 0, sqrt: 0.5, balanced: 1 }[kind];
  const raw = Array.from(classSizes, (size) => size ** -power);
  const numCells = classSizes.reduce((sum, size) => sum + size, 0);
  const total = raw.reduce((sum, weight, c) => sum + weight * classSizes[c]!, 0);
  return Float32Array.from(raw, (weight) => (weight * numCells) / total);
}

/** Class codes of some corpus rows. */
export function codesOf({ codes }: AnnotationLabels, rows: Int32Array): Int32Array {
  return rows.map((row) => codes[row]!);
}
