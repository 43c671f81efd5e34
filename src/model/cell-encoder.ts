// B cells, L genes a cell, D hidden
import * as tf from '@tensorflow/tfjs-core';
import { gatherRows } from '../runtime/ops/embedding.js';
import { layerNorm } from '../runtime/ops/layer-norm.js';
import { linear } from '../runtime/ops/linear.js';
import type { Tensors } from '../runtime/program/program.js';
import type { GeneIdLayout } from './gene-ids.js';
import { take } from './take.js';

/** 1 where a slot holds a gene, known or masked; 0 at padding of either kind. [B, L] float32 */
export function isRealGene(geneIds: tf.Tensor2D, { padId, padFillId }: Pick<GeneIdLayout, 'padId' | 'padFillId'>): tf.Tensor2D {
  return tf.tidy(() => {
    const isPad = tf.logicalOr(tf.equal(geneIds, padId), tf.equal(geneIds, padFillId));
    return tf.sub(1, tf.cast(isPad, 'float32')) as tf.Tensor2D;
  });
}

/**
 * Gene identity plus value, g + v, nothing masked.
 * @param geneIds [B, L] int32
 * @param values [B, L] float32
 * @returns [B, L, D]
 */
export function encodeGenes(parameters: Tensors, geneIds: tf.Tensor2D, values: tf.Tensor2D): tf.Tensor3D {
  return tf.tidy(() => tf.add(gatherRows(take(parameters, 'gene_embedding.weight'), geneIds), encodeValues(parameters, values)) as tf.Tensor3D);
}

/** v: a value becomes a vector by a two-layer perceptron. [B, L] → [B, L, D] */
function encodeValues(parameters: Tensors, values: tf.Tensor2D): tf.Tensor {
  // A linear layer of one input is an outer product: broadcasting spares the matrix product.
  const scale = tf.reshape(take(parameters, 'value_encoder.0.weight'), [-1]); // [D, 1] → [D]
  const inner = tf.relu(tf.add(tf.mul(tf.expandDims(values, -1), scale), take(parameters, 'value_encoder.0.bias'))); // [B, L, D]
  return linear(inner, take(parameters, 'value_encoder.2.weight'), take(parameters, 'value_encoder.2.bias'));
}

/**
 * The [LAT] token: a summary of the clean cell, so that the cell embedding knows what masking hides from the gene slots.
 * @param clean [B, L, D] `encodeGenes`, unmasked
 * @param isSummarised [B, L] float32, 1 = enters the mean; a cell with none of it is summarised from zeros
 * @returns [B, 1, D]
 */
export function latentToken(parameters: Tensors, clean: tf.Tensor3D, isSummarised: tf.Tensor2D): tf.Tensor3D {
  return tf.tidy(() => {
    const sum = tf.sum(tf.mul(clean, tf.expandDims(isSummarised, -1)), 1); // [B, D]
    const numSummarised = tf.maximum(tf.sum(isSummarised, 1, true), 1); // [B, 1]
    const p = (name: string) => take(parameters, `latent_encoder.mlp.${name}`);
    const inner = linear(tf.div(sum, numSummarised), p('0.weight'), p('0.bias'));
    const normed = tf.relu(layerNorm(inner, p('1.weight'), p('1.bias')));
    return tf.expandDims(linear(normed, p('3.weight'), p('3.bias')), 1) as tf.Tensor3D; // [B, 1, D]
  });
}

/**
 * The mean of gene vectors, weighted: with expression as weight the simplest thing to say of a cell that knows genes from one another and
 * how much of each there is. No block is computed.
 * @param geneIds [B, L] int32
 * @param weights [B, L] float32 >= 0, 0 at padding; a cell without weight has the mean 0
 * @returns [B, D]
 */
export function meanGene(parameters: Tensors, geneIds: tf.Tensor2D, weights: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const vectors = gatherRows(take(parameters, 'gene_embedding.weight'), geneIds); // [B, L, D]
    const sum = tf.sum(tf.mul(vectors, tf.expandDims(weights, -1)), 1); // [B, D]
    return tf.div(sum, tf.maximum(tf.sum(weights, 1, true), 1e-6)) as tf.Tensor2D;
  });
}

/**
 * What the blocks see of the genes: at replaced slots the two learned vectors instead of identity and value, then the input projection.
 * @param clean [B, L, D]
 * @param isReplaced [B, L] float32, 1 = replaced
 * @returns [B, L, D]
 */
export function maskedGenes(parameters: Tensors, clean: tf.Tensor3D, isReplaced: tf.Tensor2D): tf.Tensor3D {
  return tf.tidy(() => {
    const replaced = tf.expandDims(isReplaced, -1); // [B, L, 1]
    const maskVector = tf.add(take(parameters, 'gene_mask_emb'), take(parameters, 'value_mask_emb')); // [D]
    const seen = tf.add(tf.mul(clean, tf.sub(1, replaced)), tf.mul(replaced, maskVector));
    return linear(seen, take(parameters, 'input_proj.weight')) as tf.Tensor3D;
  });
}
