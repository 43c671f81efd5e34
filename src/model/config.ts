import { z } from 'zod';

/** Sizes of a ScDiVa model. Data decide the vocabulary size; everything else is the user's. Released values in brackets. */
export const ModelConfig = z
  .strictObject({
    hiddenDim: z.int().positive().default(512).describe('residual stream width D [512]'),
    numLayers: z.int().positive().default(12).describe('transformer blocks [12]'),
    numHeads: z.int().positive().default(8).describe('attention heads H [8]'),
    ffnDim: z.int().positive().default(2048).describe('inner width of SwiGLU F [2048]'),
    dropout: z.number().min(0).lt(1).default(0.1).describe('on attention probabilities and both residual branches [0.1]'),
    maxGenes: z.int().positive().default(1200).describe('gene positions a cell L, without [LAT] [1200]'),
    ropeTheta: z.number().positive().default(10_000).describe('base of the rotary frequencies [10000]'),
    positions: z.enum(['rotary', 'none']).default('rotary').describe('what tells a gene its rank; none is an ablation [rotary]'),
    cellState: z
      .enum(['latent', 'genes'])
      .default('latent')
      .describe('what a cell’s embedding is: the state of [LAT], or the mean of its genes’ vectors weighted by expression, below all blocks [latent]'),
    genesSeeLatent: z
      .boolean()
      .default(true)
      .describe('genes attend to the [LAT] token; false is an ablation, and leaves the cell embedding untrained by the pretraining loss [true]'),
  })
  .refine((c) => c.hiddenDim % c.numHeads === 0, { path: ['numHeads'], error: 'a divisor of hiddenDim' })
  .refine((c) => (c.hiddenDim / c.numHeads) % 2 === 0, { path: ['numHeads'], error: 'hiddenDim / numHeads even (rotary positions turn pairs)' });
export type ModelConfig = z.infer<typeof ModelConfig>;
