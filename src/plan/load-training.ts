import { z } from 'zod';
import { loadConfig } from '../config/load.js';
import { AnnotationConfig } from '../tasks/annotation/config.js';
import type { FinetuneConfig } from '../tasks/finetune/config.js';
import { PerturbationConfig } from '../tasks/perturbation/config.js';
import { PretrainingConfig } from '../tasks/pretraining/config.js';
import type { Training } from './probe-spec.js';

/** Fine-tunings of the whole encoder whose own heads are small beside it, told by a key of their data section. */
const OF_WHOLE_ENCODER: Readonly<Record<string, z.ZodType<FinetuneConfig>>> = { perturbationKey: PerturbationConfig as unknown as z.ZodType<FinetuneConfig> };

/**
 * Reads a training config of any kind: a fine-tuning starts from a checkpoint, a pretraining does not.
 * @throws ConfigError as the training itself would
 */
export async function loadTraining(path: string, overrides: readonly string[]): Promise<Training> {
  const { checkpoint, data } = await loadConfig(z.looseObject({ checkpoint: z.unknown().optional(), data: z.looseObject({}).optional() }), path, overrides);
  if (checkpoint === undefined) return { task: 'pretraining', config: await loadConfig(PretrainingConfig, path, overrides) };
  const key = Object.keys(OF_WHOLE_ENCODER).find((name) => data?.[name] !== undefined);
  if (key === undefined) return { task: 'annotation', config: await loadConfig(AnnotationConfig, path, overrides) };
  const { task, data: own, loader, lora, train, checkpoint: from } = await loadConfig(OF_WHOLE_ENCODER[key]!, path, overrides);
  const config = AnnotationConfig.parse({ data: { corpus: own.corpus, labelKey: key }, checkpoint: from, tune: { kind: 'whole' }, loader, lora, train });
  return { task: 'annotation', standsFor: task, config };
}
