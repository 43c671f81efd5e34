import { z } from 'zod';

/** How TensorFlow runs graphs. The defaults suit one process on one machine. */
export const SessionConfig = z.strictObject({
  interOpThreads: z.int().nonnegative().default(0).describe('ops run side by side; 0 = TensorFlow decides'),
  gpuMemoryGrowth: z.boolean().default(true).describe('take GPU memory as needed instead of all of it at the start'),
  gpuMemoryFraction: z.number().positive().max(1).optional().describe('largest share of a GPU\'s memory to take'),
  softPlacement: z.boolean().default(true).describe('run an op that a GPU lacks on the CPU'),
  xla: z.boolean().default(false).describe('compile clusters of ops with XLA'),
  optimizeGraph: z.boolean().default(true).describe('let TensorFlow (grappler) rewrite graphs before they run'),
});
export type SessionConfig = z.infer<typeof SessionConfig>;
