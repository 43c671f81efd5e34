import { z } from 'zod';
import { finetuneFields, withProtocol } from '../finetune/config.js';

/** What is held out, whole perturbations at a time: no cell of a test perturbation is trained on. */
export const PerturbationSplitConfig = z.strictObject({
  unseenGeneShare: z
    .number()
    .min(0)
    .lt(1)
    .default(0.25)
    .describe('share of the perturbed genes whose every perturbation, alone or combined, is held out; 0 = only combinations are'),
  unseenCombinationShare: z.number().min(0).lt(1).default(0.25).describe('share of the combinations of seen genes that are held out'),
  validationShare: z.number().gt(0).lt(1).default(0.12).describe('share of the remaining ones that early stopping watches'),
  test: z.array(z.string()).min(1).nullable().default(null).describe('exactly these are the test perturbations; null = drawn by the shares'),
  seed: z.int().min(0).default(0).describe('of the draw; train.seed does not change it'),
});
export type PerturbationSplitConfig = z.infer<typeof PerturbationSplitConfig>;

const fields = z
  .strictObject({
    task: z.literal('perturbation').default('perturbation'),
    data: z.strictObject({
      corpus: z.string().min(1).describe('corpus folder; its own split column is not used, see split'),
      perturbationKey: z.string().min(1).default('perturbation').describe('obs field that says what was done to a cell: GENE, GENE+GENE, GENE+ctrl'),
      control: z.string().nullable().default(null).describe('its value for untouched cells; null = control, ctrl or non-targeting, whichever is there'),
      separator: z.string().min(1).default('+').describe('joins the genes of a combination'),
      direction: z.enum(['knockout', 'activation']).default('knockout').describe('what was done to the genes'),
      directionKey: z.string().nullable().default(null).describe('obs field that says it cell by cell (CRISPRi, CRISPRa, knock-out, over-expression …)'),
    }),
    match: z
      .strictObject({
        keys: z.array(z.string()).default([]).describe('obs fields (batch, cell type) in which a control cell is to equal its perturbed cell'),
        kind: z.enum(['random', 'nearest']).default('random').describe('which of those control cells: any, or the nearest in principal components'),
      })
      .prefault({}),
    split: PerturbationSplitConfig.prefault({}),
    contextGenes: z
      .int()
      .positive()
      .nullable()
      .default(null)
      .describe('genes a cell shows at once, those of a larger panel take turns; null = as many as the model takes'),
    cellsPerPerturbation: z.int().positive().nullable().default(null).describe('most cells of a perturbation shown in one pass; null = all'),
    target: z
      .enum(['cell', 'mean'])
      .default('cell')
      .describe('what the change is learned from: the perturbed cell, or the mean of its perturbation and match group (less noise, same mean)'),
    singleEffects: z
      .enum(['none', 'input'])
      .default('none')
      .describe(
        'input: a combination is predicted from the trained effects of its single perturbations, whose sum the regressor corrects, seeing what each of them does to the gene',
      ),
    hideSingleEffect: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe('how often such an effect is hidden in training, so that genes without one are learned, too'),
    head: z
      .strictObject({
        hiddenDim: z.int().positive().nullable().default(null).describe('inner width of the regressor; null = twice the cell embedding'),
        dropout: z.number().min(0).lt(1).default(0),
      })
      .prefault({}),
    loss: z
      .strictObject({
        changedWeight: z.number().min(0).default(2).describe('weight, beside 1, of a gene that the perturbation changes'),
        rankingWeight: z.number().min(0).default(0.1).describe('of the ranking loss beside the squared error'),
        rankingScale: z.number().positive().default(0.1).describe('difference of log fold changes that the ranking calls clear'),
      })
      .prefault({}),
    evaluationCells: z.int().positive().default(100).describe('most control cells a perturbation is predicted from'),
    ...finetuneFields,
  })
  .refine((c) => c.depth.kind === 'none', { path: ['depth'], error: 'none: the control cell is what the change is counted from' })
  .refine((c) => c.loader.sampling === undefined, { path: ['loader', 'sampling'], error: 'nothing here: use cellsPerPerturbation' });

/**
 * Fine-tuning for the response to perturbations. What a file leaves out follows the published protocol: the whole encoder learns,
 * batches of 128 cells, learning rate 1e-4, 40 epochs, early stopping on `deScore`, the mean of DE-AUPRC and LFC Spearman over
 * the validation perturbations.
 */
export const PerturbationConfig = z.preprocess(
  withProtocol({ epochs: 40, batchSize: 128, lr: 1e-4, earlyStopping: { metric: 'deScore', mode: 'max', patience: 10 } }),
  fields,
);
export type PerturbationConfig = z.infer<typeof fields>;
