// B cells, T = L + 1 positions, D hidden, H heads, K = D / H, F inner width of the feed-forward part
import * as tf from '@tensorflow/tfjs-core';
import { attention } from '../runtime/ops/attention.js';
import { linear } from '../runtime/ops/linear.js';
import { dropout, type DropoutSite } from '../runtime/ops/random.js';
import { rmsNorm } from '../runtime/ops/rms-norm.js';
import { applyRotary, type RotaryTable } from '../runtime/ops/rotary.js';
import { swiGlu } from '../runtime/ops/swiglu.js';
import type { Tensors } from '../runtime/program/program.js';
import { take } from './take.js';

/** What all blocks share in one forward pass. */
export interface BlockContext {
  readonly numHeads: number;
  /** [B, T] float32, 1 = may be attended to. */
  readonly canAttend: tf.Tensor2D;
  readonly rotary: RotaryTable;
  /** The n-th place of dropout in the model; undefined without dropout. */
  readonly dropoutSite: (index: number) => DropoutSite | undefined;
}

/**
 * One pre-norm transformer block: x += drop(attention(norm1(x))), x += drop(mlp(norm2(x))).
 * @param x [B, T, D] float32, the residual stream
 * @param layer index of the block; its parameters are named layers.<layer>.*
 * @returns [B, T, D]
 */
export function block(parameters: Tensors, layer: number, x: tf.Tensor3D, context: BlockContext): tf.Tensor3D {
  return tf.tidy(() => {
    const p = (name: string) => take(parameters, `layers.${layer}.${name}.weight`);
    const site = (place: 0 | 1 | 2) => context.dropoutSite(3 * layer + place);
    const attended = selfAttention(p, rmsNorm(x, p('norm1')) as tf.Tensor3D, context, site(0));
    const between = tf.add(x, dropout(attended, site(1)));
    const fed = feedForward(p, rmsNorm(between, p('norm2')));
    return tf.add(between, dropout(fed, site(2))) as tf.Tensor3D;
  });
}

function selfAttention(p: (name: string) => tf.Tensor, x: tf.Tensor3D, { numHeads, canAttend, rotary }: BlockContext, site: DropoutSite | undefined): tf.Tensor {
  const [numCells, numPositions, hiddenDim] = x.shape;
  const heads = (name: string) => {
    const projected = tf.reshape(linear(x, p(name)), [numCells, numPositions, numHeads, hiddenDim / numHeads]); // [B, T, H, K]
    return tf.transpose(projected, [0, 2, 1, 3]) as tf.Tensor4D; // [B, H, T, K]
  };
  const q = applyRotary(heads('attn.q_proj'), rotary);
  const k = applyRotary(heads('attn.k_proj'), rotary);
  const mixed = tf.transpose(attention(q, k, heads('attn.v_proj'), canAttend, site), [0, 2, 1, 3]); // [B, T, H, K]
  return linear(tf.reshape(mixed, x.shape), p('attn.o_proj')); // [B, T, D]
}

function feedForward(p: (name: string) => tf.Tensor, x: tf.Tensor): tf.Tensor {
  const inner = swiGlu(linear(x, p('mlp.gate_proj')), linear(x, p('mlp.up_proj'))); // [B, T, F]
  return linear(inner, p('mlp.down_proj')); // [B, T, D]
}
