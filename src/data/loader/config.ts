import { z } from 'zod';

/** What the stored numbers of a cell are. Scaled or otherwise centred values are refused before they get this far. */
export const ValueKind = z.enum(['counts', 'cpm', 'log1p']);
export type ValueKind = z.infer<typeof ValueKind>;

/** Value kind with the evidence serialisation needs: the sum each cell was scaled to before the logarithm, where it is known. */
export const ValueScale = z.strictObject({
  kind: ValueKind,
  targetSum: z.number().positive().optional().describe('sum of a cell before log1p; known only where the data show it'),
});
export type ValueScale = z.infer<typeof ValueScale>;

/**
 * How raw values become model input. Two runs with the same Preprocessing, vocabulary and entropy table give a cell the same
 * gene ids and values; this is what a checkpoint stores as preprocessing.json.
 */
export const Preprocessing = z.strictObject({
  targetSum: z.number().positive().default(10_000).describe('cells are scaled to this sum, then log1p'),
  maxGenes: z.int().positive().default(1200).describe('best-ranked genes kept of a cell L [1200]'),
  serialisation: z.enum(['entropy', 'expression', 'random']).default('entropy').describe('order of the genes; expression and random are ablations'),
  lengthMultiple: z.int().positive().default(128).describe('a batch is padded to a multiple of this, at most maxGenes: one compiled graph a length'),
});
export type Preprocessing = z.infer<typeof Preprocessing>;

const depthRange = {
  min: z.number().positive().max(1).default(0.25).describe('smallest share of the depth that is left'),
  max: z.number().positive().max(1).default(1),
  probability: z.number().min(0).max(1).default(1).describe('share of the cells that are corrupted'),
};

/** Imitates shallower sequencing while training; see depth.ts for what each kind does to a cell. */
export const DepthCorruption = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    z.strictObject({ kind: z.literal('scale'), ...depthRange }),
    z.strictObject({ kind: z.literal('thin'), ...depthRange }),
  ])
  .refine((depth) => depth.kind === 'none' || depth.min <= depth.max, { path: ['min'], error: 'at most max' });
export type DepthCorruption = z.infer<typeof DepthCorruption>;

/** Which cells a training pass shows. Validation and test passes show each cell once. */
export const Sampling = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('once') }).describe('every cell once a pass'),
  z
    .strictObject({
      kind: z.literal('balanced'),
      labelKey: z.string().min(1).describe('obs field whose classes are evened out; cells without a label are a class of their own'),
      strength: z.number().min(0).max(1).default(1).describe('0: classes keep their shares; 1: all classes are shown equally often [1]'),
    })
    .describe('as many cells a pass, rare classes repeated, frequent ones in part'),
]);
export type Sampling = z.infer<typeof Sampling>;

/** What a training reads: one corpus, or several of the same genes, mixed. */
export const CorpusChoice = z.union(
  [
    z.string().min(1),
    z
      .array(
        z.strictObject({
          path: z.string().min(1),
          weight: z.number().positive().optional().describe('relative; its share of the cells of a pass is weight / sum of weights [each cell once]'),
        }),
      )
      .min(1),
  ],
  { error: 'a corpus folder, or a list of {path, weight}' },
);
export type CorpusChoice = z.infer<typeof CorpusChoice>;

/** How batches are made; none of this changes what a cell looks like to the model. */
export const LoaderConfig = z.strictObject({
  numWorkers: z.int().min(0).max(64).default(1).describe('threads that make batches; 0 makes them in the training thread'),
  compiledLoops: z
    .boolean()
    .default(true)
    .describe('threads run loops compiled for this processor where there is a compiler; false: WebAssembly. The batches are the same'),
  sampling: Sampling.optional().describe('of training passes [once]'),
  sortWindow: z.int().positive().default(16).describe('batches that are sorted by length together, so that little is padding'),
});
export type LoaderConfig = z.infer<typeof LoaderConfig>;
