import { DataError } from '../../errors.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import type { Split } from '../../train/task.js';

/** The cells of a corpus as integration needs them. All arrays by corpus row. */
export interface IntegrationCells {
  readonly batchKey: string;
  readonly labelKey: string | null;
  /** Sequencing batches with training cells, then those that only validation or test cells have. */
  readonly techBatchNames: readonly string[];
  /** How many of these have training cells: the adversary tells them apart. */
  readonly numKnownBatches: number;
  /** [numCells] index into the names, -1 = none. */
  readonly techBatches: Int32Array;
  /** [numCells] label code, -1 = none or no labels at all. */
  readonly labels: Int32Array;
  readonly numLabels: number;
  /** Rows that have a batch. */
  readonly rows: Readonly<Record<Split, Int32Array>>;
}

const SPLITS = ['train', 'validation', 'test'] as const;

/** @throws DataError when a field is missing, fewer than two batches have training cells, or a split has no cell with a batch */
export function integrationCells(
  corpus: Pick<Corpus, 'path' | 'labelNames' | 'labelCodes' | 'splitRows' | 'numCells'>,
  batchKey: string,
  labelKey: string | null,
): IntegrationCells {
  const names = corpus.labelNames(batchKey);
  const stored = corpus.labelCodes(batchKey);
  const rows = Object.fromEntries(SPLITS.map((split) => [split, corpus.splitRows(split).filter((row) => stored[row]! >= 0)])) as Record<Split, Int32Array>;
  const place = { file: corpus.path, key: `obs['${batchKey}']` };
  for (const split of SPLITS)
    if (rows[split].length === 0)
      throw new DataError({ ...place, found: `no cell of the ${split} split has a batch`, hint: 'build the corpus with other --split fractions' });
  const hasTraining = new Set(Array.from(rows.train, (row) => stored[row]!));
  const order = [...hasTraining].sort((a, b) => a - b);
  if (order.length < 2)
    throw new DataError({
      ...place,
      found: `every training cell is of '${names[order[0]!]}'`,
      expected: 'at least 2 batches',
      hint: 'choose another data.batchKey',
    });
  const others = names.flatMap((_, code) => (hasTraining.has(code) ? [] : [code]));
  const recode = new Int32Array(names.length);
  [...order, ...others].forEach((code, i) => (recode[code] = i));
  return {
    batchKey,
    labelKey,
    techBatchNames: [...order, ...others].map((code) => names[code]!),
    numKnownBatches: order.length,
    techBatches: stored.map((code) => (code < 0 ? -1 : recode[code]!)),
    labels: labelKey === null ? new Int32Array(corpus.numCells).fill(-1) : corpus.labelCodes(labelKey),
    numLabels: labelKey === null ? 0 : corpus.labelNames(labelKey).length,
    rows,
  };
}

/** Codes of some rows. */
export const codesOf = (codes: Int32Array, rows: Int32Array): Int32Array => rows.map((row) => codes[row]!);
