import { z } from 'zod';
import { loadConfig } from '../config/load.js';
import { AnnotationConfig } from '../tasks/annotation/config.js';
import { PerturbationConfig } from '../tasks/perturbation/config.js';
import { PretrainingConfig } from '../tasks/pretraining/config.js';
import type { Training } from './probe-spec.js';

/** Keys that only perturbation's configs have; `data.perturbationKey` has a default there. */
const OF_PERTURBATION = ['match', 'split', 'contextGenes', 'cellsPerPerturbation', 'target', 'singleEffects', 'hideSingleEffect', 'evaluationCells'];

/**
 * Reads a training config of any kind: a fine-tuning starts from a checkpoint, a pretraining does not.
 * @throws ConfigError as the training itself would
 */
export async function loadTraining(path: string, overrides: readonly string[]): Promise<Training> {
  const { checkpoint, data, ...others } = await loadConfig(z.looseObject({ checkpoint: z.unknown().optional(), data: z.looseObject({}).optional() }), path, overrides);
  if (checkpoint === undefined) return { task: 'pretraining', config: await loadConfig(PretrainingConfig, path, overrides) };
  const isOfPerturbation = data?.['perturbationKey'] !== undefined || OF_PERTURBATION.some((key) => key in others);
  if (!isOfPerturbation) return { task: 'annotation', config: await loadConfig(AnnotationConfig, path, overrides) };
  const { task, data: own, loader, lora, train, checkpoint: from } = await loadConfig(PerturbationConfig, path, overrides);
  const config = AnnotationConfig.parse({ data: { corpus: own.corpus, labelKey: own.perturbationKey }, checkpoint: from, tune: { kind: 'whole' }, loader, lora, train });
  return { task: 'annotation', standsFor: task, config };
}
