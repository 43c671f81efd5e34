import { ConfigError } from '../../errors.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import type { Split } from '../../train/task.js';
import { annotationLabels, type AnnotationLabels } from '../annotation/labels.js';
import type { SubtaskConfig } from './config.js';

/** Target of a regression for every cell, and its mean and standard deviation over the training cells. */
export interface Target {
  /** [numCells] by corpus row. */
  readonly values: Float64Array;
  readonly mean: number;
  readonly std: number;
}

/** A task with what the corpus says about it. */
export type Subtask = { readonly prefix: string; readonly numTrainCells: number } & (
  | { readonly config: Extract<SubtaskConfig, { kind: 'classification' }>; readonly kind: 'classification'; readonly labels: AnnotationLabels }
  | { readonly config: Extract<SubtaskConfig, { kind: 'regression' }>; readonly kind: 'regression'; readonly target: Target }
  | { readonly config: Extract<SubtaskConfig, { kind: 'reconstruction' }>; readonly kind: 'reconstruction' }
);

/** What is shown of a task first, and what `score` is the mean of; higher is better, 1 is perfect. */
export const MAIN_METRIC = { classification: 'macroF1', regression: 'r2', reconstruction: 'valueR2' } as const;

/** @throws DataError as annotationLabels; ConfigError for a library size that is the same in every cell */
export function readSubtask(corpus: Corpus, config: SubtaskConfig): Subtask {
  const common = { prefix: `multitask_head.${config.name}.` };
  const train = corpus.splitRows('train');
  switch (config.kind) {
    case 'classification': {
      const labels = annotationLabels(corpus, config.labelKey);
      return { ...common, kind: 'classification', config, labels, numTrainCells: labels.rows.train.length };
    }
    case 'regression':
      return { ...common, kind: 'regression', config, target: readTarget(corpus, config, train), numTrainCells: train.length };
    case 'reconstruction':
      return { ...common, kind: 'reconstruction', config, numTrainCells: train.length };
  }
}

function readTarget(corpus: Corpus, { name, target }: Extract<SubtaskConfig, { kind: 'regression' }>, train: Int32Array): Target {
  const numGenes = corpus.numGenesPerCell();
  const values = Float64Array.from({ length: corpus.numCells }, (_, row) =>
    Math.log10(1 + (target === 'logGenes' ? numGenes[row]! : corpus.readCell(row).total)),
  );
  const own = Array.from(train, (row) => values[row]!);
  const mean = own.reduce((sum, v) => sum + v, 0) / own.length;
  const std = Math.sqrt(own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / own.length);
  if (!(std > 1e-6))
    throw new ConfigError({
      key: `tasks: ${name}`,
      found: `${target} is the same in every training cell`,
      hint: 'the values were scaled to one sum: choose another task',
    });
  return { values, mean, std };
}

/** Corpus rows of a split that at least one task has something to say about. */
export function usedRows(corpus: Corpus, subtasks: readonly Subtask[], split: Split): Int32Array {
  const rows = corpus.splitRows(split);
  if (subtasks.some(({ kind }) => kind !== 'classification')) return rows;
  const wanted = new Set(subtasks.flatMap((subtask) => (subtask.kind === 'classification' ? [...subtask.labels.rows[split]] : [])));
  return rows.filter((row) => wanted.has(row));
}
