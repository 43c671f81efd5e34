import { z } from 'zod';

const Rewrite = z.enum(['default', 'on', 'off', 'aggressive']).default('default');

/** TensorFlow's graph rewrites (grappler), one by one; `default` leaves a rewrite to TensorFlow. */
export const GraphRewrites = z.strictObject({
  constantFolding: Rewrite.describe('compute what does not depend on inputs once'),
  arithmetic: Rewrite.describe('simplify sums, products, transposes and conversions'),
  remapping: Rewrite.describe('fuse a product with the bias or activation behind it'),
  layout: Rewrite.describe('choose the order of dimensions for the device'),
  dependencies: Rewrite.describe('drop control edges that order nothing'),
  commonSubgraphs: Rewrite.describe('compute equal subgraphs once'),
});
export type GraphRewrites = z.infer<typeof GraphRewrites>;

/** How TensorFlow runs graphs. The defaults suit one process on one machine. */
export const SessionConfig = z.strictObject({
  intraOpThreads: z.int().nonnegative().default(0).describe('threads that share one op; 0 = one for each core. The result does not depend on it'),
  interOpThreads: z
    .int()
    .nonnegative()
    .default(0)
    .describe('ops run side by side; 0 = one where kernels are fused, for two at once push each other out of the caches, else TensorFlow decides'),
  gpuMemoryGrowth: z.boolean().default(true).describe('take GPU memory as needed instead of all of it at the start'),
  gpuMemoryFraction: z.number().positive().max(1).optional().describe("largest share of a GPU's memory to take"),
  softPlacement: z.boolean().default(true).describe('run an op that a GPU lacks on the CPU'),
  xla: z.boolean().default(false).describe('compile clusters of ops with XLA'),
  fusedKernels: z.boolean().default(true).describe('on a CPU, ops of our own for what stands between matrix products'),
  optimizeGraph: z
    .boolean()
    .default(true)
    .describe('let TensorFlow (grappler) rewrite graphs before they run: faster steps, but some seconds more for each new batch shape'),
  rewrites: GraphRewrites.prefault({}).describe('which rewrites, where optimizeGraph is true'),
});
export type SessionConfig = z.infer<typeof SessionConfig>;
