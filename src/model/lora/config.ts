import { z } from 'zod';

/** Low-rank adapters in place of the weights of some matrices (Hu et al., 2021). */
export const LoraConfig = z.strictObject({
  rank: z.int().positive().default(8).describe('inner width of an adapter'),
  alpha: z.number().positive().default(16).describe('an adapter adds alpha / rank · B·A to its matrix'),
  targets: z
    .array(z.enum(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj', 'input_proj']))
    .min(1)
    .default(['q_proj', 'v_proj'])
    .describe('matrices that get one, in every layer that would learn'),
});
export type LoraConfig = z.infer<typeof LoraConfig>;
