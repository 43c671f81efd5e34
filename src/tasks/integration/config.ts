import { z } from 'zod';
import { finetuneFields, isRecord, withProtocol } from '../finetune/config.js';

/** What the encoder is asked of the genes while it learns to forget batches: the dual loss on masked genes. */
export const ReconstructionConfig = z.strictObject({
  weight: z
    .number()
    .min(0)
    .default(0.1)
    .describe('with λ = 10 the dual loss has far larger gradients than the two others; 0 = it is not computed, and what only it needs stays as it is'),
  maskRatio: z.number().gt(0).max(1).default(0.1).describe('share of a cell’s genes that are masked'),
  genesPerCell: z
    .int()
    .positive()
    .default(16)
    .describe('most masked genes of a cell that the loss is taken over, drawn anew each step: the dear part for large vocabularies'),
  valueWeight: z.number().min(0).default(10).describe('λ of the value error in the dual loss'),
});

/** The discriminator of sequencing batches behind the gradient reversal. */
export const AdversaryConfig = z.strictObject({
  weight: z.number().min(0).default(1).describe('strength of the reversed gradient at the end of the ramp'),
  steepness: z.number().positive().default(10).describe('of the ramp 2 / (1 + exp(-steepness · progress)) - 1'),
  hiddenDim: z.int().positive().nullable().default(null).describe('inner width; null = as wide as the cell embedding'),
});

/** Cells of one kind together, of different kinds apart. */
export const ContrastiveConfig = z.strictObject({
  kind: z
    .enum(['labels', 'clusters'])
    .describe('who says what is of one kind: data.labelKey, or, without labels, clusters of training and validation cells after Harmony'),
  weight: z.number().min(0).default(1),
  temperature: z.number().positive().default(0.5).describe('a low one weighs the nearest cells, which says little while places are noisy'),
  resolution: z.number().positive().default(1).describe('of the Leiden clusters; of clusters only'),
});

export const ProjectionConfig = z.strictObject({
  hiddenDim: z.int().positive().nullable().default(null).describe('inner width; null = as wide as the cell embedding'),
  outputDim: z.int().positive().default(64).describe('coordinates of the integrated space'),
  dropout: z.number().min(0).lt(1).default(0),
});

const fields = z
  .strictObject({
    ...finetuneFields,
    task: z.literal('integration').default('integration'),
    data: z.strictObject({
      corpus: z.string().min(1).describe('corpus folder; its split column says what is trained on'),
      batchKey: z.string().min(1).describe('obs field of the sequencing batch: donor, plate, technology …'),
      labelKey: z.string().min(1).nullable().default(null).describe('obs field of the cell type; null = there is none. Scores of biology need one'),
    }),
    projection: ProjectionConfig.prefault({}),
    reconstruction: ReconstructionConfig.prefault({}),
    adversary: AdversaryConfig.prefault({}),
    contrastive: ContrastiveConfig,
  })
  .refine((c) => c.contrastive.kind !== 'labels' || c.data.labelKey !== null, {
    path: ['contrastive', 'kind'],
    error: 'labels needs data.labelKey; clusters needs none',
  });

/**
 * Fine-tuning for multi-batch integration. What a file leaves out follows the published protocol: the whole encoder, batches of 256
 * cells, learning rate 1e-4, 50 epochs, early stopping on Avg-Bio of the validation split: against the labels where these are learned
 * from, else against the clusters. Without labels the contrast is by clusters.
 */
export const IntegrationConfig = z.preprocess(
  (raw) => withKind(withProtocol({ epochs: 50, batchSize: 256, lr: 1e-4, earlyStopping: { metric: 'avgBio', mode: 'max', patience: 10 } })(raw)),
  fields,
);
export type IntegrationConfig = z.infer<typeof fields>;

function withKind(raw: unknown): unknown {
  if (!isRecord(raw) || (raw['contrastive'] !== undefined && !isRecord(raw['contrastive']))) return raw;
  const hasLabels = isRecord(raw['data']) && typeof raw['data']['labelKey'] === 'string';
  return { ...raw, contrastive: { kind: hasLabels ? 'labels' : 'clusters', ...raw['contrastive'] } };
}
