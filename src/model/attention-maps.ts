// B cells, L genes a cell, T = L + 1 positions ([LAT] first), D hidden, H heads, K head width, N layers
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../runtime/ops/linear.js';
import { rmsNorm } from '../runtime/ops/rms-norm.js';
import { applyRotary, rotaryTable } from '../runtime/ops/rotary.js';
import { swiGlu } from '../runtime/ops/swiglu.js';
import type { Tensors } from '../runtime/program/program.js';
import { blockParameter, type BLOCK_WEIGHTS } from './block.js';
import { encodeGenes, isRealGene, latentToken, maskedGenes } from './cell-encoder.js';
import type { ModelConfig } from './config.js';
import type { GeneIdLayout } from './gene-ids.js';
import type { ModelInputs } from './scdiva.js';
import { take } from './take.js';

/** Added to the scores of padding. */
const CLOSED = -1e30;

export interface AttentionMaps {
  /** N of [B, H, T, T]: row = position that asks, column = position that is asked; rows sum to 1, columns of padding are 0. */
  readonly probabilities: readonly tf.Tensor4D[];
  /** [B, T, D] the same as `hiddenStates` gives. */
  readonly hidden: tf.Tensor3D;
}

/**
 * The forward pass spelled out, giving what the fused one never holds: every layer's attention probabilities. Slow, and memory grows with
 * T²: for looking into a model, not for training it. Without dropout.
 */
export function attentionMaps(parameters: Tensors, inputs: ModelInputs, config: ModelConfig, ids: Pick<GeneIdLayout, 'padId' | 'padFillId'>): AttentionMaps {
  const { geneIds, values, isReplaced } = inputs;
  const [B, L] = geneIds.shape;
  const { numHeads: H, hiddenDim: D, numLayers } = config;
  const K = D / H;
  const isReal = isRealGene(geneIds, ids);
  const clean = encodeGenes(parameters, geneIds, values); // [B, L, D]
  let x = tf.concat([latentToken(parameters, clean, inputs.isSummarised ?? isReal), maskedGenes(parameters, clean, isReplaced)], 1) as tf.Tensor3D; // [B, T, D]
  const closed = tf.mul(tf.sub(1, tf.concat([tf.ones([B, 1]), isReal], 1)), CLOSED); // [B, T]
  const bias = tf.reshape(closed, [B, 1, 1, L + 1]);
  const rotary = rotaryTable(L + 1, K, config.ropeTheta);
  const probabilities: tf.Tensor4D[] = [];
  for (let layer = 0; layer < numLayers; layer++) {
    const p = (name: (typeof BLOCK_WEIGHTS)[number]) => take(parameters, blockParameter(layer, name));
    const normed = rmsNorm(x, p('norm1'));
    const [q, k, v] = (['attn.q_proj', 'attn.k_proj', 'attn.v_proj'] as const).map(
      (name) => tf.transpose(tf.reshape(linear(normed, p(name)), [B, L + 1, H, K]), [0, 2, 1, 3]) as tf.Tensor4D,
    ); // [B, H, T, K] each
    const scores = tf.mul(tf.matMul(applyRotary(q!, rotary), applyRotary(k!, rotary), false, true), 1 / Math.sqrt(K)); // [B, H, T, T]
    const attention = tf.softmax(tf.add(scores, bias), -1) as tf.Tensor4D;
    probabilities.push(attention);
    const mixed = tf.reshape(tf.transpose(tf.matMul(attention, v!), [0, 2, 1, 3]), [B, L + 1, D]); // [B, T, D]
    x = tf.add(x, linear(mixed, p('attn.o_proj'))) as tf.Tensor3D;
    const inner = swiGlu(tf.concat([linear(rmsNorm(x, p('norm2')), p('mlp.gate_proj')), linear(rmsNorm(x, p('norm2')), p('mlp.up_proj'))], -1));
    x = tf.add(x, linear(inner, p('mlp.down_proj'))) as tf.Tensor3D;
  }
  return { probabilities, hidden: rmsNorm(x, take(parameters, 'final_norm.weight')) as tf.Tensor3D };
}
