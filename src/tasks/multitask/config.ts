import { z } from 'zod';
import { HeadConfig } from '../annotation/config.js';
import { finetuneFields, withProtocol } from '../finetune/config.js';

const name = z
  .string()
  .regex(/^[a-zA-Z][\w-]*$/)
  .describe('how the task is called in tables and parameter names');
const weight = z.number().positive().default(1).describe('factor of its loss');

/** One of the tasks that share the encoder. */
export const SubtaskConfig = z.discriminatedUnion('kind', [
  z
    .strictObject({ kind: z.literal('classification'), name, weight, labelKey: z.string().min(1).describe('obs field; cells without a value take no part') })
    .describe('cell type, donor, condition …: cross-entropy'),
  z
    .strictObject({
      kind: z.literal('regression'),
      name,
      weight,
      target: z.enum(['logTotal', 'logGenes']).describe('log10 of the library size or of the number of genes seen'),
    })
    .describe('a number of each cell: squared error of the standardised target'),
  z
    .strictObject({ kind: z.literal('reconstruction'), name, weight, valueWeight: z.number().min(0).default(10).describe('λ of the dual loss') })
    .describe('masked genes, as in pretraining; a second pass through the model'),
]);
export type SubtaskConfig = z.infer<typeof SubtaskConfig>;

const fields = z.strictObject({
  ...finetuneFields,
  task: z.literal('multitask').default('multitask'),
  data: z.strictObject({ corpus: z.string().min(1).describe('corpus folder; files with different obs fields may be in it') }),
  tasks: z
    .array(SubtaskConfig)
    .min(1)
    .refine((tasks) => new Set(tasks.map((one) => one.name)).size === tasks.length, 'every task needs a name of its own'),
  head: HeadConfig.prefault({}),
  balance: z.enum(['fixed', 'uncertainty']).default('fixed').describe('fixed: Σ weight · loss; uncertainty: the weights are learned (Kendall et al., 2018)'),
  sampling: z
    .enum(['all', 'even', 'proportional'])
    .default('all')
    .describe('which tasks a batch is for: all of them, or one drawn evenly or by its number of training cells'),
  single: z.boolean().default(true).describe('train every task alone as well, the same budget: what sharing costs'),
});

/** Several tasks at once on one shared encoder, all of whose weights learn. Budget as for annotation where a file says nothing. */
export const MultitaskConfig = z.preprocess(
  withProtocol({ epochs: 30, batchSize: 256, lr: 5e-5, earlyStopping: { metric: 'score', mode: 'max', patience: 10 } }),
  fields,
);
export type MultitaskConfig = z.infer<typeof fields>;
