// B cells, T = L + 1 positions, D hidden, H heads, K = D / H, F inner width of the feed-forward part
import * as tf from '@tensorflow/tfjs-core';
import { attention } from '../runtime/ops/attention.js';
import { gatherRows } from '../runtime/ops/embedding.js';
import { linear, linearSideBySide } from '../runtime/ops/linear.js';
import type { DropoutSite } from '../runtime/ops/random.js';
import { addDropped } from '../runtime/ops/residual.js';
import { rmsNorm } from '../runtime/ops/rms-norm.js';
import type { RotaryTable } from '../runtime/ops/rotary.js';
import { swiGlu } from '../runtime/ops/swiglu.js';
import type { Tensors } from '../runtime/program/program.js';
import { take } from './take.js';

/** Weights of a block, in the order of the checkpoint. */
export const BLOCK_WEIGHTS = [
  'norm1',
  'attn.q_proj',
  'attn.k_proj',
  'attn.v_proj',
  'attn.o_proj',
  'norm2',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
] as const;
type BlockWeight = (typeof BLOCK_WEIGHTS)[number];

/** State-dict name of a block's weight. */
export const blockParameter = (layer: number, name: BlockWeight): string => `layers.${layer}.${name}.weight`;

/** What all blocks share in one forward pass. */
export interface BlockContext {
  readonly numHeads: number;
  /** [B, T] float32, 1 = may be attended to. */
  readonly canAttend: tf.Tensor2D;
  readonly rotary: RotaryTable;
  /** Undefined without dropout. */
  readonly dropout?: Omit<DropoutSite, 'index'> | undefined;
}

/** Which positions go on after attention: what nobody reads of the last block need not be computed. */
export interface KeptPositions {
  /** Only so many first positions ask, and go on; all when absent. */
  readonly numQueries?: number;
  /** [M] int32, of [B · T]: these go on, as rows; all when absent. */
  readonly rows?: tf.Tensor1D | undefined;
}

/**
 * One pre-norm transformer block: x += drop(attention(norm1(x))), x += drop(mlp(norm2(x))).
 * @param x [B, T, D] float32, the residual stream
 * @param layer index of the block; its parameters are named layers.<layer>.*
 * @param kept positions to go on with; all when absent
 * @returns [B, T, D], or [B, numQueries, D], or [M, D]
 */
export function block(parameters: Tensors, layer: number, x: tf.Tensor3D, context: BlockContext, kept?: KeptPositions): tf.Tensor {
  return tf.tidy(() => {
    const p = (name: BlockWeight) => take(parameters, blockParameter(layer, name));
    // Each place of dropout in the model has a number.
    const site = (place: 0 | 1 | 2) => context.dropout && { ...context.dropout, index: 3 * layer + place };
    const mixed = selfAttention(p, rmsNorm(x, p('norm1'), { isForProduct: true }), context, site(0), kept?.numQueries);
    const between = addDropped(going(x, kept), linear(going(mixed, kept), p('attn.o_proj')), site(1));
    const fed = feedForward(p, rmsNorm(between, p('norm2'), { isForProduct: true }));
    return addDropped(between, fed, site(2));
  });
}

/** The kept positions of [B, T, D], or of [B, numQueries, D]. */
function going(x: tf.Tensor, { rows, numQueries }: KeptPositions = {}): tf.Tensor {
  if (rows) return gatherRows(tf.reshape(x, [-1, x.shape.at(-1)!]), rows);
  return numQueries !== undefined && numQueries < x.shape[1]! ? tf.slice(x as tf.Tensor3D, [0, 0, 0], [-1, numQueries, -1]) : x;
}

type Weights = (name: BlockWeight) => tf.Tensor;

/** [B, T, D] → [B, T or numQueries, D], the heads' results side by side */
function selfAttention(
  p: Weights,
  x: tf.Tensor,
  { numHeads, canAttend, rotary }: BlockContext,
  site: DropoutSite | undefined,
  numQueries: number | undefined,
): tf.Tensor {
  const qkv = linearSideBySide(x, [p('attn.q_proj'), p('attn.k_proj'), p('attn.v_proj')]) as tf.Tensor3D; // [B, T, 3D]
  return attention(qkv, { numHeads, canAttend, rotary, site, numQueries });
}

function feedForward(p: Weights, x: tf.Tensor): tf.Tensor {
  const inner = swiGlu(linearSideBySide(x, [p('mlp.gate_proj'), p('mlp.up_proj')])); // […, F]
  return linear(inner, p('mlp.down_proj')); // […, D]
}
