import { z } from 'zod';

/** Masked discrete diffusion as ScDiVa is trained. Depth corruption, its other half, happens before genes are ranked: data/loader. */
export const DiffusionConfig = z.strictObject({
  minTime: z.number().positive().max(1).default(1e-6).describe('times are drawn uniformly from (0, 1) and raised to this [1e-6]'),
  replaceProbability: z
    .number()
    .min(0)
    .max(1)
    .default(0.9)
    .describe('share of the masked genes that the model sees as masked; it sees the rest as they are and predicts them too [0.9]'),
  valueWeight: z.number().nonnegative().default(10).describe('λ in loss = identity cross-entropy + λ · squared value error [10]'),
});
export type DiffusionConfig = z.infer<typeof DiffusionConfig>;

/** How unknown gene slots are filled by iterative unmasking. */
export const SamplerConfig = z.strictObject({
  steps: z.int().positive().default(16).describe('passes through the model in which a cell is filled, an equal share of its unknown slots in each [16]'),
  order: z
    .enum(['random', 'confidence'])
    .default('random')
    .describe('which slots a step fills: random ones, as the reverse of the masking does, or those the model is surest of [random]'),
  temperature: z.number().nonnegative().default(1).describe('of the gene distribution; 0 takes the most likely gene [1]'),
  topK: z.int().positive().nullable().default(null).describe('draw from the K most likely genes only; null = from all'),
});
export type SamplerConfig = z.infer<typeof SamplerConfig>;
