import { z } from 'zod';

/** How several workers train together; a worker alone knows nothing of it. */
export const ClusterConfig = z.strictObject({
  joinSeconds: z.number().positive().default(300).describe('how long a worker waits at the start for the others to come'),
  timeoutSeconds: z.number().min(2).default(20).describe('how long a worker may be silent before the others give it up'),
  stallSeconds: z
    .number()
    .min(10)
    .default(1800)
    .describe('how long a step waits for a worker that answers but does not take part, as while the first one saves'),
  wire: z.enum(['f32', 'bf16']).default('f32').describe('bf16: gradients travel in bfloat16, half the bytes; each worker they pass rounds them to 8 bits'),
  bucketMb: z.number().positive().default(16).describe('gradients travel in buffers of this many megabytes, sent as soon as the backward pass has filled them'),
});
export type ClusterConfig = z.infer<typeof ClusterConfig>;
