import { z } from 'zod';
import { TuneConfig } from '../annotation/config.js';
import { finetuneFields, withProtocol } from '../finetune/config.js';

/** The space between encoder and decoders. */
export const LatentConfig = z.strictObject({
  dim: z.int().positive().default(128).describe('dimensions of the latent space: 128 was published for 350 million parameters, 256 for 1.5 billion'),
  klWeight: z.number().min(0).default(1).describe('β: 1 is the evidence lower bound; smaller ones buy reconstruction, at the price of a prior that fits less'),
  warmup: z.number().min(0).max(1).default(0.3).describe('share of the training over which β rises from 0'),
});

/** Latent → Linear → GELU → two numbers a gene: is it shown, and how strongly. */
export const GeneDecoderConfig = z.strictObject({
  hiddenDim: z.int().positive().default(256),
  dropout: z.number().min(0).lt(1).default(0),
  numGenes: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('genes that are decoded, those that most training cells show; null = all that any training cell shows'),
});

/** Latent → Linear → GELU → classifier of cell types, learned beside the genes. */
export const LabelDecoderConfig = z.strictObject({
  labelKey: z.string().min(1).describe('obs field with the cell types; cells without one take no part'),
  weight: z.number().positive().default(1).describe('of its cross-entropy, beside the bound per gene'),
  hiddenDim: z.int().positive().default(128),
  dropout: z.number().min(0).lt(1).default(0.1),
});

/** The gene decoder is told the sequencing batch, so that the latent space need not hold it. */
export const BatchDecoderConfig = z.strictObject({
  batchKey: z.string().min(1).describe('obs field of the sequencing batch'),
});

const fields = z.strictObject({
  ...finetuneFields,
  task: z.literal('variational').default('variational'),
  data: z.strictObject({ corpus: z.string().min(1).describe('corpus folder; its split column says what is trained on') }),
  tune: TuneConfig.default({ kind: 'whole' }).describe('which of the model’s own parameters learn'),
  latent: LatentConfig.prefault({}),
  genes: GeneDecoderConfig.prefault({}),
  labels: LabelDecoderConfig.nullable().default(null).describe('learn cell types in the latent space; null = no labels are used'),
  integration: BatchDecoderConfig.nullable().default(null).describe('keep sequencing batches out of the latent space; null = it may hold them'),
});

/** A variational latent space over the cell state. No protocol was published for it: budget as for integration, stopping on the bound of the validation split. */
export const VariationalConfig = z.preprocess(
  withProtocol({ epochs: 50, batchSize: 256, lr: 1e-4, earlyStopping: { metric: 'elbo', mode: 'max', patience: 10 } }),
  fields,
);
export type VariationalConfig = z.infer<typeof fields>;
