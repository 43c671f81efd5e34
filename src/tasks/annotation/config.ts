import { z } from 'zod';
import { finetuneFields, isRecord, withProtocol } from '../finetune/config.js';

/** Which parameters learn. The head always does. */
export const TuneConfig = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('head') }).describe('backbone frozen, its embeddings computed once: the zero-shot protocol'),
  z.strictObject({
    kind: z.literal('lastLayers'),
    numLayers: z.int().positive().default(4).describe('transformer blocks that learn, counted from the last, with the final norm [4]'),
  }),
  z.strictObject({ kind: z.literal('whole') }).describe('everything the cell embedding depends on'),
]);
export type TuneConfig = z.infer<typeof TuneConfig>;

/** The classifier on the cell embedding: Linear → GELU → dropout → Linear. */
export const HeadConfig = z.strictObject({
  hiddenDim: z.int().positive().nullable().default(null).describe('inner width; null = as wide as the cell embedding'),
  dropout: z.number().min(0).lt(1).default(0.1),
});
export type HeadConfig = z.infer<typeof HeadConfig>;

/** When a predicted label is withheld: confidence below a threshold. */
export const UnknownConfig = z.strictObject({
  threshold: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .default(null)
    .describe('smallest confidence of a label; null = chosen on the validation split by the quantile'),
  quantile: z.number().min(0).lt(1).default(0.05).describe('share of the rightly labelled validation cells that the chosen threshold would withhold'),
});
export type UnknownConfig = z.infer<typeof UnknownConfig>;

const fields = z
  .strictObject({
    ...finetuneFields,
    task: z.literal('annotation').default('annotation'),
    data: z.strictObject({
      corpus: z.string().min(1).describe('corpus folder; its split column says what is trained on'),
      labelKey: z.string().min(1).describe('obs field with the cell types'),
      holdOut: z.array(z.string()).default([]).describe('types kept from training and validation: does the confidence tell that the model does not know them?'),
      cellsPerType: z
        .int()
        .positive()
        .nullable()
        .default(null)
        .describe(
          'few-shot: so many training, and at most so many validation cells of each type, drawn by the seed; smaller numbers draw subsets of larger ones',
        ),
    }),
    tune: TuneConfig.default({ kind: 'lastLayers', numLayers: 4 }),
    head: HeadConfig.prefault({}),
    classWeights: z
      .enum(['none', 'balanced', 'sqrt'])
      .default('none')
      .describe('weight of a cell in the loss: 1, 1 / frequency of its class, or the root of that'),
    labelSmoothing: z.number().min(0).lt(1).default(0).describe('share of the target spread evenly over all classes'),
    unknown: UnknownConfig.prefault({}),
  })
  .refine((c) => c.tune.kind !== 'head' || c.depth.kind === 'none', { path: ['depth'], error: 'none while tune.kind is head: embeddings are computed once' })
  .refine((c) => c.tune.kind !== 'head' || c.loader.sampling?.kind !== 'balanced', {
    path: ['loader', 'sampling'],
    error: 'once while tune.kind is head: use classWeights',
  });

/**
 * Fine-tuning for cell type annotation. What a file leaves out follows the published protocol: batches of 256 cells, learning
 * rate 5e-5, 30 epochs (80 where only the head learns), early stopping on the macro-F1 of the validation split.
 */
export const AnnotationConfig = z.preprocess(
  withProtocol(({ tune }) => ({
    epochs: isRecord(tune) && tune['kind'] === 'head' ? 80 : 30,
    batchSize: 256,
    lr: 5e-5,
    earlyStopping: { metric: 'macroF1', mode: 'max', patience: 10 },
  })),
  fields,
);
export type AnnotationConfig = z.infer<typeof fields>;
