import { loadConfig } from '../config/load.js';
import { z } from 'zod';
import { AnnotationConfig } from '../tasks/annotation/config.js';
import { PretrainingConfig } from '../tasks/pretraining/config.js';
import type { Training } from './probe-spec.js';

/**
 * Reads a training config of either kind: a fine-tuning starts from a checkpoint, a pretraining does not.
 * @throws ConfigError as the training itself would
 */
export async function loadTraining(path: string, overrides: readonly string[]): Promise<Training> {
  const { checkpoint } = await loadConfig(z.looseObject({ checkpoint: z.unknown().optional() }), path, overrides);
  if (checkpoint === undefined) return { task: 'pretraining', config: await loadConfig(PretrainingConfig, path, overrides) };
  return { task: 'annotation', config: await loadConfig(AnnotationConfig, path, overrides) };
}
