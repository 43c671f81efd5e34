import { DataError } from '../../errors.js';
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
 * @throws DataError when the corpus has no such field, a label has a single cell, fewer than two labels have training cells, or
 * a split has no labelled cell
 */
export function annotationLabels(corpus: Pick<Corpus, 'path' | 'labelNames' | 'labelCodes' | 'splitRows'>, key: string): AnnotationLabels {
  const names = corpus.labelNames(key);
  const stored = corpus.labelCodes(key);
  const place = { file: corpus.path, key: `obs['${key}']` };
  const splits = Object.fromEntries(SPLITS.map((split) => [split, corpus.splitRows(split)])) as Record<Split, Int32Array>;

  const count = (rows: Int32Array) => {
    const sizes = new Int32Array(names.length);
    for (const row of rows) if (stored[row]! >= 0) sizes[stored[row]!]!++;
    return sizes;
  };
  const trainSizes = count(splits.train);
  const sizes = SPLITS.map((split) => count(splits[split])).reduce((sum, part) => sum.map((n, i) => n + part[i]!));
  const single = sizes.indexOf(1);
  if (single >= 0) throw new DataError({ ...place, found: `label '${names[single]}' has 1 cell, which cannot be both learned and tested`, hint: 'build the corpus with --min-class-cells 3, which leaves such cells unlabelled' });

  const known = names.flatMap((_, code) => (trainSizes[code]! > 0 ? [code] : []));
  const foreign = names.flatMap((_, code) => (trainSizes[code] === 0 && sizes[code]! > 0 ? [code] : []));
  if (known.length < 2) throw new DataError({ ...place, found: known.length === 0 ? 'no training cell has a label' : `every training cell is '${names[known[0]!]}'`, expected: 'at least 2 labels', hint: 'choose another data.labelKey' });
  const recode = new Int32Array(names.length).fill(-1);
  [...known, ...foreign].forEach((code, i) => (recode[code] = i));

  const codes = stored.map((code) => (code < 0 ? -1 : recode[code]!));
  const rows = Object.fromEntries(SPLITS.map((split) => [split, splits[split].filter((row) => codes[row]! >= 0)])) as Record<Split, Int32Array>;
  for (const split of SPLITS) if (rows[split].length === 0) throw new DataError({ ...place, found: `no labelled cell in the ${split} split`, hint: 'build the corpus with other --split fractions' });
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
