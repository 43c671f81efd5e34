import { z } from 'zod';
import { ClusterConfig } from '../runtime/cluster/config.js';
import { SessionConfig } from '../runtime/program/config.js';

/** AdamW (Loshchilov & Hutter, 2019). Norm weights, biases and the learned mask vectors are never decayed. */
export const OptimizerConfig = z.strictObject({
  lr: z.number().positive().default(1e-4).describe('peak learning rate'),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.999),
  eps: z.number().positive().default(1e-8),
  weightDecay: z.number().min(0).default(0.01).describe('decoupled: each step takes lr · weightDecay of a weight away'),
  clipNorm: z.number().positive().nullable().default(1).describe('largest global gradient norm; null = no clipping'),
});
export type OptimizerConfig = z.infer<typeof OptimizerConfig>;

export const ScheduleConfig = z.strictObject({
  kind: z.enum(['cosine', 'linear', 'constant']).default('cosine').describe('how the learning rate falls after warm-up'),
  warmupSteps: z.int().min(0).default(0).describe('steps of linear rise to lr'),
  decaySteps: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('step at which the fall ends; null = the length of the run. Set it when a run may be prolonged later'),
  minLrRatio: z.number().min(0).max(1).default(0.1).describe('where the fall ends, as a share of lr'),
});
export type ScheduleConfig = z.infer<typeof ScheduleConfig>;

export const EarlyStoppingConfig = z.strictObject({
  metric: z.string().min(1).default('loss').describe('validation metric that names the best checkpoint'),
  mode: z.enum(['min', 'max']).default('min').describe('which way that metric is better'),
  patience: z.int().positive().nullable().default(null).describe('evaluations without improvement before the run ends; null = never'),
  minDelta: z.number().min(0).default(0).describe('smallest change that counts as an improvement'),
});
export type EarlyStoppingConfig = z.infer<typeof EarlyStoppingConfig>;

const Period = z.union([z.int().positive(), z.literal('epoch')]).nullable();
export type Period = z.infer<typeof Period>;

/** How a model is trained, whatever the task. One step = one optimiser update. */
export const TrainConfig = z
  .strictObject({
    steps: z.int().positive().nullish().describe('length of the run in steps (give steps or epochs)'),
    epochs: z.number().positive().nullish().describe('length of the run in passes over the training split'),
    batchSize: z.int().positive().default(32).describe('cells an optimiser step'),
    accumulation: z.int().positive().default(1).describe('micro-batches a step is computed in: same result, less memory'),
    microBatch: z
      .literal('auto')
      .nullable()
      .default(null)
      .describe('auto: as many cells at once as fit the memory budget; sets accumulation when the run begins'),
    memoryBudgetGb: z.number().positive().nullable().default(null).describe('what microBatch auto may fill; null = 80 % of the memory that is free'),
    precision: z.enum(['f32', 'bf16']).default('f32').describe('bf16: matrix products in bfloat16, the rest in float32'),
    gradientCheckpointing: z
      .boolean()
      .default(false)
      .describe('compute the insides of each block anew on the way back: far less memory, about a quarter more time'),
    executor: z.enum(['auto', 'eager', 'graph']).default('auto'),
    session: SessionConfig.prefault({}).describe('how TensorFlow runs graphs; the eager executor knows nothing of it'),
    shardOptimizer: z
      .boolean()
      .default(false)
      .describe(
        'where several workers train together: each keeps the moments of its share of the parameters alone; less memory, new weights travel as the gradients do',
      ),
    cluster: ClusterConfig.prefault({}).describe('where several workers train together; batchSize counts the cells of all of them'),
    seed: z.int().min(0).default(0),
    optimizer: OptimizerConfig.prefault({}),
    schedule: ScheduleConfig.prefault({}),
    ema: z
      .strictObject({ decay: z.number().min(0).lt(1).default(0.999) })
      .nullable()
      .default(null)
      .describe('exponential moving average of the weights; evaluated and saved in their place'),
    earlyStopping: EarlyStoppingConfig.prefault({}),
    evaluateEvery: Period.default(500).describe('steps between validations, or epoch; null = only at the end'),
    checkpointEvery: Period.default(500).describe('steps between checkpoints, or epoch; null = only the best and the last'),
    keepCheckpoints: z.int().positive().default(2).describe('newest checkpoints kept, beside the best'),
    logEvery: z.int().positive().default(1).describe('steps between lines of metrics.jsonl'),
  })
  .refine((c) => (c.steps == null) !== (c.epochs == null), { path: ['steps'], error: 'steps or epochs: one of the two, the other null or absent' })
  .refine((c) => c.accumulation <= c.batchSize, { path: ['accumulation'], error: 'at most batchSize' })
  .refine((c) => (c.schedule.decaySteps ?? Infinity) >= c.schedule.warmupSteps, { path: ['schedule', 'decaySteps'], error: 'at least warmupSteps' });
export type TrainConfig = z.infer<typeof TrainConfig>;
