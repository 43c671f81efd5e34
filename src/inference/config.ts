import { z } from 'zod';
import { SamplerConfig } from '../diffusion/config.js';

/** What `scdiva generate` makes of each cell. Keys are the flags of the command line. */
export const GenerateConfig = SamplerConfig.extend({
  maskRatio: z.number().min(0).max(1).default(0).describe('share of each cell’s genes that is hidden and generated anew'),
  extraGenes: z.int().nonnegative().default(0).describe('genes to add to each cell, as far as the model has positions'),
  numSamples: z.int().positive().default(1).describe('completions of each cell'),
  maxCells: z.int().positive().nullable().default(null).describe('take the first so many cells only; null = all'),
  seed: z.int().nonnegative().default(0),
}).refine((c) => c.maskRatio > 0 || c.extraGenes > 0, { path: ['maskRatio'], error: 'maskRatio or extraGenes above 0: something to generate' });
export type GenerateConfig = z.infer<typeof GenerateConfig>;
