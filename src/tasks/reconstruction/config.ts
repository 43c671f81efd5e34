import { z } from 'zod';
import { Preprocessing } from '../../data/loader/config.js';
import { SamplerConfig } from '../../diffusion/config.js';

/** What the [LAT] token may know of a cell whose genes are hidden. */
export const LATENT_VIEWS = ['visible', 'whole', 'none'] as const;

/** How cells are hidden from a model and given back by it. Nothing is trained. */
export const ReconstructionConfig = z.strictObject({
  maskRatio: z.number().positive().max(1).describe('share of each cell’s genes that is hidden'),
  latent: z
    .enum(LATENT_VIEWS)
    .default('visible')
    .describe('[LAT] summarises the visible genes, or the whole cell with the hidden ones as it does in training, or is seen by no gene (none) [visible]'),
  positions: z.enum(['rotary', 'none']).nullable().default(null).describe('none takes the ranks away; null = as the model was trained'),
  serialisation: Preprocessing.shape.serialisation.unwrap().nullable().default(null).describe('order of the genes; null = as the model was trained'),
  depth: z
    .number()
    .positive()
    .max(1)
    .default(1)
    .describe('share of the molecules that the model is shown, by binomial thinning; it is judged on the cell at full depth [1]'),
  sampler: SamplerConfig.nullable().default(null).describe('reverse diffusion; null = one pass, each slot its likeliest gene'),
});
export type ReconstructionConfig = z.infer<typeof ReconstructionConfig>;

/** Which cells of a file are reconstructed, and from which the baselines learn. */
export const ReconstructionCellsConfig = z.strictObject({
  maxCells: z.int().positive().default(64).describe('cells that are reconstructed, drawn at random; at most half of the file’s [64]'),
  referenceCells: z.int().positive().default(1000).describe('other cells of the file, at most, on which the baselines count [1000]'),
  seed: z.int().nonnegative().default(0).describe('of the cells, of the hidden genes and of the sampler [0]'),
});
export type ReconstructionCellsConfig = z.infer<typeof ReconstructionCellsConfig>;
