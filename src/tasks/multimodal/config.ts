import { z } from 'zod';
import { TuneConfig } from '../annotation/config.js';
import { finetuneFields, withProtocol } from '../finetune/config.js';
import { ReconstructionConfig } from '../integration/config.js';

/** The surface proteins as tokens behind the genes. */
export const ProteinsConfig = z.strictObject({
  hideAll: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('share of training cells all of whose proteins are hidden, as when they are predicted from RNA; of the others a random share is'),
  weight: z.number().positive().default(1).describe('of the squared error of hidden proteins, each in its own standard deviations'),
});

/** What is asked of the genes meanwhile: as in integration, but weighing less, as the proteins are what is wanted. */
export const GenesConfig = ReconstructionConfig.extend({ weight: z.number().min(0).default(0.01).describe('of the dual loss on masked genes') });

const fields = z.strictObject({
  ...finetuneFields,
  task: z.literal('multimodal').default('multimodal'),
  data: z.strictObject({
    corpus: z.string().min(1).describe('corpus of the genes; its split column says what is trained on'),
    proteins: z.string().min(1).describe('.h5mu or .h5ad with the proteins of the same cells, matched by their names'),
    proteinKey: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('modality of the .h5mu, or entry of obsm; null = the one with a usual name (prot, adt, protein_expression …)'),
    scale: z
      .enum(['auto', 'clr', 'log1p', 'none'])
      .default('auto')
      .describe('of proteins: centred log ratio within each cell, ln(1 + x), or as stored; auto = clr for counts, none for other values'),
  }),
  tune: TuneConfig.default({ kind: 'whole' }).describe('which of the model’s own parameters learn'),
  proteins: ProteinsConfig.prefault({}),
  reconstruction: GenesConfig.prefault({}),
});

/** RNA and surface proteins in one model. No protocol was published: budget as for integration, stopping on the correlation of predicted proteins. */
export const MultimodalConfig = z.preprocess(
  withProtocol({ epochs: 50, batchSize: 256, lr: 1e-4, earlyStopping: { metric: 'proteinPearson', mode: 'max', patience: 10 } }),
  fields,
);
export type MultimodalConfig = z.infer<typeof fields>;
