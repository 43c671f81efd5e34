import { z } from 'zod';

const Metrics = z.record(z.string(), z.number());

/** state.json: where the run stood when the checkpoint was written. With the tensors beside it, all a resumed run needs. */
export const CheckpointState = z.strictObject({
  task: z.string(),
  step: z.int().min(0),
  cursor: z.strictObject({ epoch: z.int().min(0), batchIndex: z.int().min(0) }),
  validation: z.strictObject({ step: z.int().min(0), metrics: Metrics }).nullable(),
  best: z.strictObject({ step: z.int().min(0), value: z.number(), metrics: Metrics }).nullable(),
  evaluationsWithoutImprovement: z.int().min(0),
  seed: z.int().min(0),
  /** Of the data the run reads: a corpus's fingerprint. */
  dataFingerprint: z.string(),
  /** The resolved config of the run. */
  config: z.record(z.string(), z.unknown()),
  versions: z.record(z.string(), z.string()),
});
export type CheckpointState = z.infer<typeof CheckpointState>;
