// B cells, L genes a cell, P further tokens (of another kind; mostly 0), T = 1 + L + P positions ([LAT] first), D hidden, M rows of gene slots,
// V gene vocabulary
//
//   geneIds, values ──► gene + value encoding ──► replaced by mask vectors ──► input_proj ──┐
//                              │                                                            ├─► [LAT], g1 … gL ──► blocks ──► norm ──► h
//                              └────── mean over the clean cell ──► latent encoder ─────────┘
//
//   h[0] = cell embedding     h[1 …] ──► gene head (identity), value head (expression)
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../runtime/ops/linear.js';
import { rmsNorm } from '../runtime/ops/rms-norm.js';
import { firstPositions, rotaryTable, unturned, type RotaryTable } from '../runtime/ops/rotary.js';
import type { Tensors } from '../runtime/program/program.js';
import { block, type BlockContext, type KeptPositions } from './block.js';
import { encodeGenes, isRealGene, latentToken, maskedGenes, meanGene as weightedMeanGene } from './cell-encoder.js';
import type { ModelConfig } from './config.js';
import type { GeneIdLayout } from './gene-ids.js';
import { recomputedBlock } from './recomputed-block.js';
import { take } from './take.js';

export interface ModelInputs {
  /** [B, L] int32, best-ranked gene first; padding ids behind the last gene. */
  readonly geneIds: tf.Tensor2D;
  /** [B, L] float32, log-normalised expression. */
  readonly values: tf.Tensor2D;
  /** [B, L] float32: 1 where the blocks see the mask vectors instead of the gene. */
  readonly isReplaced: tf.Tensor2D;
  /**
   * [B, L] float32: 1 where the gene enters the [LAT] summary. Default: every real gene, replaced or not, as in training. Generation, which
   * does not know the replaced genes, passes the known ones.
   */
  readonly isSummarised?: tf.Tensor2D;
  /** [B, P, D] tokens of another kind behind the genes, as the blocks see them: attended to by all, each at position 0, as they have no order. */
  readonly further?: tf.Tensor3D;
}

export interface ForwardOptions {
  /** [2] int32: switches dropout on. Without it the pass is deterministic. */
  readonly dropoutSeed?: tf.Tensor1D | undefined;
  /** Keep one tensor a block for the backward pass and compute the others anew: less memory, a quarter more time. */
  readonly recomputesBlocks?: boolean | undefined;
  /** Turns by the first rows of a table of so many positions, the same for every length: for graphs whose length is left open. */
  readonly numTablePositions?: number | undefined;
}

type PaddingIds = Pick<GeneIdLayout, 'padId' | 'padFillId'>;

/**
 * The denoiser: last hidden states of [LAT] and every gene slot, after the final norm. States at padding mean nothing.
 * @param parameters by state-dict name (`parameterSpecs`)
 * @param ids ids that are padding
 * @returns [B, L + 1, D] float32
 */
export function hiddenStates(parameters: Tensors, inputs: ModelInputs, config: ModelConfig, ids: PaddingIds, options: ForwardOptions = {}): tf.Tensor3D {
  return forward(parameters, inputs, config, ids, options) as tf.Tensor3D;
}

/** The cell embedding, as `config.cellState` says: `cellEmbedding(hiddenStates(…))` without the gene slots of the last block, or no block at all. @returns [B, D] */
export function latentStates(parameters: Tensors, inputs: ModelInputs, config: ModelConfig, ids: PaddingIds, options: ForwardOptions = {}): tf.Tensor2D {
  return tf.tidy(() => {
    const [numCells] = inputs.geneIds.shape;
    if (config.cellState === 'genes') return meanGene(parameters, inputs, ids);
    const latent = forward(parameters, inputs, config, ids, options, { numQueries: 1 }); // [B, 1, D]
    return tf.reshape(latent, [numCells, config.hiddenDim]);
  });
}

/**
 * The states of chosen gene slots, without computing the others in the last block.
 * @param positions [M] int32, b · L + l of slot l of cell b
 * @returns [M, D]
 */
export function slotStates(
  parameters: Tensors,
  inputs: ModelInputs,
  positions: tf.Tensor1D,
  config: ModelConfig,
  ids: PaddingIds,
  options: ForwardOptions = {},
): tf.Tensor2D {
  return tf.tidy(() => {
    const rows = slotRows(positions, inputs.geneIds.shape[1]);
    return forward(parameters, inputs, config, ids, options, { rows }) as tf.Tensor2D;
  });
}

/**
 * `latentStates` and `slotStates` of one pass: the cell embedding of a partly masked cell, and the states of its masked slots. The mean of
 * gene vectors is that of the whole cell, as what [LAT] begins as is.
 * @param positions [M] int32, b · L + l of slot l of cell b
 * @returns latent [B, D], slots [M, D]
 */
export function latentAndSlotStates(
  parameters: Tensors,
  inputs: ModelInputs,
  positions: tf.Tensor1D,
  config: ModelConfig,
  ids: PaddingIds,
  options: ForwardOptions = {},
): { latent: tf.Tensor2D; slots: tf.Tensor2D } {
  return tf.tidy(() => {
    const [numCells, seqLen] = inputs.geneIds.shape;
    if (config.cellState === 'genes')
      return { latent: meanGene(parameters, inputs, ids), slots: slotStates(parameters, inputs, positions, config, ids, options) };
    const latentRows = tf.range(0, numCells * (seqLen + 1), seqLen + 1, 'int32'); // [B]
    const rows = tf.concat([latentRows, slotRows(positions, seqLen)]) as tf.Tensor1D; // [B + M]
    const states = forward(parameters, inputs, config, ids, options, { rows }) as tf.Tensor2D; // [B + M, D]
    return { latent: tf.slice(states, [0, 0], [numCells, -1]), slots: tf.slice(states, [numCells, 0], [-1, -1]) };
  });
}

function meanGene(parameters: Tensors, { geneIds, values }: ModelInputs, ids: PaddingIds): tf.Tensor2D {
  return weightedMeanGene(parameters, geneIds, tf.mul(values, isRealGene(geneIds, ids)) as tf.Tensor2D);
}

/**
 * States of one pass over genes and further tokens: of [LAT], of chosen gene slots, and of all further tokens.
 * @param tokens [B, P, D] as `ModelInputs.further`
 * @param positions [M] int32, b · L + l of slot l of cell b; M may be 0
 * @returns latent [B, D], slots [M, D], further [B, P, D]
 */
export function jointStates(
  parameters: Tensors,
  inputs: ModelInputs,
  tokens: tf.Tensor3D,
  positions: tf.Tensor1D,
  config: ModelConfig,
  ids: PaddingIds,
  options: ForwardOptions = {},
): { latent: tf.Tensor2D; slots: tf.Tensor2D; further: tf.Tensor3D } {
  return tf.tidy(() => {
    const [numCells, seqLen] = inputs.geneIds.shape;
    const numFurther = tokens.shape[1];
    const numPositions = 1 + seqLen + numFurther;
    const firstOfCell = tf.mul(tf.range(0, numCells, 1, 'int32'), tf.scalar(numPositions, 'int32')); // [B]
    const furtherRows = tf.reshape(tf.add(tf.expandDims(firstOfCell, 1), tf.range(1 + seqLen, numPositions, 1, 'int32')), [-1]); // [B · P]
    const rows = tf.concat([firstOfCell, furtherRows, slotRows(positions, seqLen, numFurther)]) as tf.Tensor1D; // [B + B · P + M]
    const states = forward(parameters, { ...inputs, further: tokens }, config, ids, options, { rows }) as tf.Tensor2D;
    const numRows = numCells * numFurther;
    return {
      latent: config.cellState === 'genes' ? meanGene(parameters, inputs, ids) : tf.slice(states, [0, 0], [numCells, -1]),
      further: tf.reshape(tf.slice(states, [numCells, 0], [numRows, -1]), [numCells, numFurther, config.hiddenDim]),
      slots: tf.slice(states, [numCells + numRows, 0], [-1, -1]),
    };
  });
}

/** A row of [LAT] stands before the genes of each cell, and further tokens behind: b · L + l → b · (1 + L + P) + 1 + l. */
function slotRows(positions: tf.Tensor1D, seqLen: number, numFurther = 0): tf.Tensor1D {
  const cell = tf.floorDiv(positions, tf.scalar(seqLen, 'int32'));
  return tf.add(tf.add(positions, numFurther === 0 ? cell : tf.mul(cell, tf.scalar(1 + numFurther, 'int32'))), tf.scalar(1, 'int32')) as tf.Tensor1D;
}

function forward(
  parameters: Tensors,
  inputs: ModelInputs,
  config: ModelConfig,
  ids: PaddingIds,
  { dropoutSeed, recomputesBlocks, numTablePositions }: ForwardOptions,
  kept?: KeptPositions,
): tf.Tensor {
  return tf.tidy(() => {
    const { geneIds, values, isReplaced, further } = inputs;
    const [numCells, seqLen] = geneIds.shape;
    const numFurther = further?.shape[1] ?? 0;
    const headDim = config.hiddenDim / config.numHeads;
    const isReal = isRealGene(geneIds, ids); // [B, L]
    const clean = encodeGenes(parameters, geneIds, values); // [B, L, D]
    const latent = latentToken(parameters, clean, inputs.isSummarised ?? isReal); // [B, 1, D]
    const canAttend = [config.genesSeeLatent ? tf.ones([numCells, 1]) : tf.zeros([numCells, 1]), isReal, ...(further ? [tf.ones([numCells, numFurther])] : [])];
    const positions =
      config.positions === 'rotary'
        ? firstPositions(rotaryTable(numTablePositions ?? seqLen + 1, headDim, config.ropeTheta), seqLen + 1)
        : unturned(seqLen + 1, headDim);
    const context: BlockContext = {
      numHeads: config.numHeads,
      canAttend: tf.concat(canAttend, 1) as tf.Tensor2D, // [B, T]
      rotary: further ? withUnturned(positions, numFurther, headDim) : positions,
      dropout: dropoutSeed && { rate: config.dropout, seed: dropoutSeed },
    };
    const run = recomputesBlocks ? recomputedBlock : block;
    let x: tf.Tensor = tf.concat([latent, maskedGenes(parameters, clean, isReplaced), ...(further ? [further] : [])], 1); // [B, T, D]
    for (let layer = 0; layer < config.numLayers; layer++)
      x = run(parameters, layer, x as tf.Tensor3D, context, layer === config.numLayers - 1 ? kept : undefined);
    return rmsNorm(x, take(parameters, 'final_norm.weight'));
  });
}

/** The table with rows behind it that turn nothing. */
function withUnturned({ cos, sin }: RotaryTable, numFurther: number, headDim: number): RotaryTable {
  const still = unturned(numFurther, headDim);
  return { cos: tf.concat([cos, still.cos]) as tf.Tensor2D, sin: tf.concat([sin, still.sin]) as tf.Tensor2D };
}

/** The state of [LAT]. [B, L + 1, D] → [B, D] */
export function cellEmbedding(hidden: tf.Tensor3D): tf.Tensor2D {
  return tf.tidy(() => {
    const [numCells, , hiddenDim] = hidden.shape;
    return tf.reshape(tf.slice(hidden, [0, 0, 0], [numCells, 1, hiddenDim]), [numCells, hiddenDim]);
  });
}

/** The states of the gene slots. [B, L + 1, D] → [B, L, D] */
export function geneHidden(hidden: tf.Tensor3D): tf.Tensor3D {
  const [numCells, numPositions, hiddenDim] = hidden.shape;
  return tf.slice(hidden, [0, 1, 0], [numCells, numPositions - 1, hiddenDim]);
}

/** Identity logits of gene slots. The training loss takes `crossEntropy` instead, which never holds all of them. [M, D] → [M, V] */
export function geneLogits(parameters: Tensors, rows: tf.Tensor2D): tf.Tensor2D {
  return linear(rows, take(parameters, 'gene_head.weight')) as tf.Tensor2D;
}

/** Expression predicted at gene slots. [M, D] → [M] */
export function predictedValues(parameters: Tensors, rows: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const p = (name: string) => take(parameters, `value_head.${name}`);
    const inner = tf.relu(linear(rows, p('0.weight'), p('0.bias'))); // [M, D]
    return tf.reshape(linear(inner, p('2.weight'), p('2.bias')), [rows.shape[0]]); // [M]
  });
}
