// B cells, T positions, D hidden
import type * as tf from '@tensorflow/tfjs-core';
import { recomputed } from '../runtime/ops/recomputed.js';
import type { Tensors } from '../runtime/program/program.js';
import { BLOCK_WEIGHTS, block, blockParameter, type BlockContext, type KeptPositions } from './block.js';
import { take } from './take.js';

/** `block`, of which nothing but its input is kept for the backward pass (gradient checkpointing; Chen et al., 2016). */
export function recomputedBlock(parameters: Tensors, layer: number, x: tf.Tensor3D, context: BlockContext, kept?: KeptPositions): tf.Tensor {
  const names = BLOCK_WEIGHTS.map((name) => blockParameter(layer, name));
  const { canAttend, rotary, dropout, numHeads } = context;
  return recomputed(
    ([x, ...weights], [canAttend, cos, sin, seed, ...keptRows]) => {
      const again: BlockContext = {
        numHeads,
        canAttend: canAttend as tf.Tensor2D,
        rotary: { cos: cos as tf.Tensor2D, sin: sin as tf.Tensor2D },
        dropout: dropout && { rate: dropout.rate, seed: seed as tf.Tensor1D },
      };
      const rows = kept && { ...kept, rows: keptRows[0] as tf.Tensor1D | undefined };
      return block(Object.fromEntries(names.map((name, i) => [name, weights[i]!])), layer, x as tf.Tensor3D, again, rows);
    },
    [x, ...names.map((name) => take(parameters, name))],
    [canAttend, rotary.cos, rotary.sin, dropout?.seed ?? canAttend, ...(kept?.rows ? [kept.rows] : [])],
  );
}
