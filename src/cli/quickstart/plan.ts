import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../config/load.js';
import type { Fractions } from '../../data/corpus/split.js';
import { AnnotationConfig } from '../../tasks/annotation/config.js';
import { PretrainingConfig } from '../../tasks/pretraining/config.js';

/** Trainings of the annotation, each with its own seed: their spread says how far a single number can be trusted. */
export const NUM_SEEDS = 3;

/** Cells that are enough to validate and to test on: more would cost minutes and tell no more. */
const MOST_VALIDATION_CELLS = 1000;
const MOST_TEST_CELLS = 2000;

const DEFAULT_CONFIGS = fileURLToPath(new URL('../../../configs/quickstart', import.meta.url));

export interface Plan {
  readonly pretraining: PretrainingConfig;
  readonly annotation: AnnotationConfig;
  readonly fractions: Fractions;
}

export interface PlanRequest {
  /** Folder with pretrain.yaml and annotation.yaml; default: configs/quickstart of this package. */
  readonly configs: string | undefined;
  readonly seed: number;
  readonly numCells: number;
  readonly corpus: string;
  readonly pretrained: string;
  readonly labelKey: string;
}

/**
 * The two configs, bound to this run's folders. Their steps are counted, not passes over the data, so
 * that a large file takes no longer to train on than a small one.
 */
export async function planRun({ configs = DEFAULT_CONFIGS, seed, numCells, corpus, pretrained, labelKey }: PlanRequest): Promise<Plan> {
  const set = (values: Record<string, unknown>) => Object.entries(values).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return {
    pretraining: await loadConfig(PretrainingConfig, join(configs, 'pretrain.yaml'), set({ 'data.corpus': corpus, 'train.seed': seed })),
    annotation: await loadConfig(
      AnnotationConfig,
      join(configs, 'annotation.yaml'),
      set({ 'data.corpus': corpus, 'data.labelKey': labelKey, checkpoint: pretrained, 'train.seed': seed }),
    ),
    fractions: splitFractions(numCells),
  };
}

/** A tenth to validate and a fifth to test, or less where that is cells enough. */
export function splitFractions(numCells: number): Fractions {
  const validation = Math.min(0.1, MOST_VALIDATION_CELLS / numCells);
  const test = Math.min(0.2, MOST_TEST_CELLS / numCells);
  return [1 - validation - test, validation, test];
}
