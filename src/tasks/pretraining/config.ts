import { z } from 'zod';
import { CorpusChoice, DepthCorruption, LoaderConfig, Preprocessing } from '../../data/loader/config.js';
import { DiffusionConfig } from '../../diffusion/config.js';
import { ModelConfig } from '../../model/config.js';
import { TrainConfig } from '../../train/config.js';

/** Pretraining by masked discrete diffusion. How many genes of a cell are kept is said once, by model.maxGenes. */
export const PretrainingConfig = z.strictObject({
  data: z.strictObject({
    corpus: CorpusChoice.describe('corpus folder, as scdiva data build writes it; or a list of {path, weight}: corpora of the same genes, mixed'),
  }),
  preprocessing: Preprocessing.omit({ maxGenes: true }).prefault({}),
  depth: DepthCorruption.prefault({ kind: 'scale' }).describe('training cells as if sequenced less deeply; validation cells stay as they are'),
  loader: LoaderConfig.prefault({}),
  model: ModelConfig.prefault({}),
  geneVectors: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('random') }).describe('standard normal draws'),
      z
        .strictObject({
          kind: z.literal('expression'),
          maxCells: z.int().positive().default(20_000).describe('training cells looked at'),
          deviationFloor: z
            .number()
            .positive()
            .default(1)
            .describe('added to a gene’s standard deviation before it is divided by: the smaller, the more rare genes count'),
        })
        .describe('placed so that dot products are the genes’ correlations over training cells'),
    ])
    .default({ kind: 'random' })
    .describe('where the rows of the gene embedding start; expression is a head start for few cells'),
  diffusion: DiffusionConfig.prefault({}),
  baselineCells: z.int().positive().default(20_000).describe('training cells the simple guesses are counted on'),
  train: TrainConfig,
});
export type PretrainingConfig = z.infer<typeof PretrainingConfig>;
