import { z } from 'zod';
import { loadConfig } from '../config/load.js';
import { AnnotationConfig } from '../tasks/annotation/config.js';
import { IntegrationConfig } from '../tasks/integration/config.js';
import { MultimodalConfig } from '../tasks/multimodal/config.js';
import { MultitaskConfig } from '../tasks/multitask/config.js';
import { PerturbationConfig } from '../tasks/perturbation/config.js';
import { PretrainingConfig } from '../tasks/pretraining/config.js';
import { VariationalConfig } from '../tasks/variational/config.js';
import type { Training } from './probe-spec.js';

/** Fine-tunings of the whole encoder beside annotation, and the keys that only their configs have; those with a dot lie in `data`. */
const OTHERS = [
  {
    schema: PerturbationConfig,
    keys: ['data.perturbationKey', 'match', 'split', 'contextGenes', 'cellsPerPerturbation', 'target', 'singleEffects', 'hideSingleEffect', 'evaluationCells'],
  },
  { schema: IntegrationConfig, keys: ['data.batchKey', 'contrastive', 'adversary', 'projection'] },
  { schema: MultitaskConfig, keys: ['tasks', 'balance'] },
  { schema: VariationalConfig, keys: ['latent'] },
  { schema: MultimodalConfig, keys: ['data.proteins', 'data.proteinKey'] },
] as const;

/**
 * Reads a training config of any kind: a fine-tuning starts from a checkpoint, a pretraining does not.
 * @throws ConfigError as the training itself would
 */
export async function loadTraining(path: string, overrides: readonly string[]): Promise<Training> {
  const { checkpoint, data, ...others } = await loadConfig(
    z.looseObject({ checkpoint: z.unknown().optional(), data: z.looseObject({}).optional() }),
    path,
    overrides,
  );
  if (checkpoint === undefined) return { task: 'pretraining', config: await loadConfig(PretrainingConfig, path, overrides) };
  const isThere = (key: string): boolean => (key.startsWith('data.') ? data?.[key.slice('data.'.length)] !== undefined : key in others);
  const other = OTHERS.find(({ keys }) => keys.some(isThere));
  if (!other) return { task: 'annotation', config: await loadConfig(AnnotationConfig, path, overrides) };
  const {
    task,
    data: own,
    loader,
    lora,
    train,
    checkpoint: from,
    cellState,
    maxGenes,
  } = await loadConfig<(typeof OTHERS)[number]['schema']>(other.schema, path, overrides);
  // Its labels are never read: what is tried out is the encoder under a small head.
  const config = AnnotationConfig.parse({
    data: { corpus: own.corpus, labelKey: task },
    checkpoint: from,
    tune: { kind: 'whole' },
    loader,
    lora,
    train,
    cellState,
    maxGenes,
  });
  return { task: 'annotation', standsFor: task, config };
}
