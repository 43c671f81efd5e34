import { z } from 'zod';

/** Cells made by a known regulatory network. */
export const SimulationConfig = z
  .strictObject({
    seed: z.int().min(0).default(1),
    numGenes: z.int().min(10).default(300).describe('all genes, transcription factors among them'),
    numMasters: z.int().min(1).default(8).describe('factors that nothing regulates: their levels make the cell types'),
    numFactors: z.int().min(2).default(40).describe('transcription factors, masters among them'),
    minRegulators: z.int().min(1).default(1).describe('fewest regulators of a gene'),
    maxRegulators: z.int().min(1).default(4).describe('most regulators of a gene'),
    repressionShare: z.number().min(0).max(1).default(0.35).describe('share of the edges that repress'),
    synergyShare: z.number().min(0).max(1).default(0.3).describe('share of the genes with several regulators that need all of them'),
    bufferedShare: z
      .number()
      .min(0)
      .max(1)
      .default(0.3)
      .describe('share of the others with several regulators that stand the loss of one and not of two: pairs of perturbations then do far more than add up'),
    numCellTypes: z.int().min(1).default(4),
    cellsPerPerturbation: z.int().min(1).default(100),
    controlCells: z.int().min(1).default(600),
    numSingles: z.int().min(0).default(16).describe('perturbed factors'),
    numDoubles: z.int().min(0).default(8).describe('pairs of them perturbed at once'),
    mode: z.enum(['knockout', 'activation']).default('knockout'),
    efficiency: z.number().min(0).max(1).default(0.95).describe('share of the level that a knock-out takes away'),
    activationFold: z.number().min(1).default(4).describe('times its level that an activated factor has'),
    cellNoise: z.number().min(0).default(0.3).describe('spread of every level from cell to cell, on the log scale; it runs down the network'),
    numBatches: z.int().min(1).default(2),
    batchSpread: z.number().min(0).default(0.25).describe('spread of a batch’s factor of every gene, on the log scale'),
    depth: z.number().positive().default(3000).describe('molecules a cell, median'),
    depthSpread: z.number().min(0).default(0.3).describe('of the depth from cell to cell, on the log scale'),
    numProteins: z.int().min(0).default(0).describe('surface proteins measured beside the genes: each is made from one gene, in obsm'),
    proteinDepth: z.number().positive().default(30).describe('antibody counts of a protein whose gene is at its usual level'),
    proteinBackground: z.number().min(0).default(3).describe('antibody counts of a protein that is not there'),
    proteinNoise: z.number().min(0).default(0.2).describe('spread of a protein’s level around what its gene says, on the log scale'),
    dropletDoublets: z.number().min(0).max(1).default(0).describe('share of the cells that are two in one droplet; labelled as the first'),
  })
  .refine((c) => c.minRegulators <= c.maxRegulators, { path: ['minRegulators'], error: 'at most maxRegulators' })
  .refine((c) => c.numMasters < c.numFactors, { path: ['numMasters'], error: 'fewer than numFactors' })
  .refine((c) => c.numFactors <= c.numGenes, { path: ['numFactors'], error: 'at most numGenes' })
  .refine((c) => c.numProteins <= c.numGenes, { path: ['numProteins'], error: 'at most numGenes' })
  .refine((c) => c.numSingles <= c.numFactors, { path: ['numSingles'], error: 'at most numFactors' })
  .refine((c) => c.numDoubles <= (c.numSingles * (c.numSingles - 1)) / 2, { path: ['numDoubles'], error: 'at most the pairs of the singles' });
export type SimulationConfig = z.infer<typeof SimulationConfig>;
