// B cells, L gene slots a cell, D cell embedding, C classes, V gene vocabulary
import * as tf from '@tensorflow/tfjs-core';
import { isRealGene } from '../../model/cell-encoder.js';
import { geneHidden, geneLogits, hiddenStates, predictedValues, type ForwardOptions } from '../../model/scdiva.js';
import type { NamedOutput } from '../../runtime/program/portable/saved-model.js';
import type { OpenShape } from '../../runtime/program/portable/portable-graph.js';
import type { HostTensors, ProgramFn, Tensors } from '../../runtime/program/program.js';
import { headLogits, readHead } from '../../tasks/annotation/head.js';
import { UNKNOWN_LABEL } from '../../tasks/annotation/predictions.js';
import { embedCells } from '../../tasks/cell-encoder.js';
import type { OpenCheckpoint } from '../../train/checkpoint.js';

/** One thing an exported model can do: a pure function of the checkpoint's parameters, its head's included, and of cells. */
export interface Signature {
  readonly name: 'embed' | 'annotate' | 'reconstruct';
  /** Shapes with open sizes: `cells` B, `genes` L. */
  readonly inputs: Readonly<Record<string, OpenShape>>;
  readonly fn: ProgramFn;
  /** Outputs that are words, for formats that have them: each looked up by a numeric output. */
  readonly names?: Readonly<Record<string, NamedOutput>>;
}

const CELLS: Readonly<Record<string, OpenShape>> = {
  gene_ids: { dtype: 'int32', shape: ['cells', 'genes'] },
  values: { dtype: 'float32', shape: ['cells', 'genes'] },
};
const IS_MASKED: OpenShape = { dtype: 'bool', shape: ['cells', 'genes'] };

/** What a checkpoint can do outside of this package. Names of inputs and outputs are Python's. */
export function signaturesOf(checkpoint: OpenCheckpoint): Signature[] {
  const embed: Signature = { name: 'embed', inputs: CELLS, fn: (parameters, inputs) => ({ outputs: { latent: embedding(parameters, inputs, checkpoint) } }) };
  const reconstruct: Signature = {
    name: 'reconstruct',
    inputs: { ...CELLS, is_masked: IS_MASKED },
    fn: (parameters, inputs) => ({ outputs: reconstruction(parameters, inputs, checkpoint) }),
  };
  return checkpoint.head?.info.task === 'annotation' ? [embed, annotation(checkpoint), reconstruct] : [embed, reconstruct];
}

/** Parameters that stand beside the model's: those of the annotation head, where a signature uses it. */
export function headParameters(checkpoint: OpenCheckpoint): HostTensors {
  return checkpoint.head?.info.task === 'annotation' ? readHead(checkpoint).parameters : {};
}

/** @returns [B, D]; NaN for a cell without genes */
function embedding(parameters: Tensors, inputs: Tensors, { modelConfig, vocabulary }: OpenCheckpoint): tf.Tensor2D {
  return tf.tidy(() => {
    const { gene_ids: geneIds, values } = inputs as Record<'gene_ids' | 'values', tf.Tensor2D>;
    const latent = embedCells(parameters, { geneIds, values }, modelConfig, vocabulary, anyLength(modelConfig));
    return tf.where(hasGenes(geneIds, vocabulary), latent, NaN) as tf.Tensor2D;
  });
}

/** [B, 1] bool */
function hasGenes(geneIds: tf.Tensor2D, ids: Parameters<typeof isRealGene>[1]): tf.Tensor2D {
  return tf.greater(tf.sum(isRealGene(geneIds, ids), 1, true), 0);
}

const anyLength = ({ maxGenes }: { readonly maxGenes: number }): ForwardOptions => ({ numTablePositions: maxGenes + 1 });

/** Labels with calibrated confidence: as `ScDiVaInference.annotate`, with the checkpoint's own threshold. */
function annotation(checkpoint: OpenCheckpoint): Signature {
  const { classes, temperature, unknownThreshold } = readHead(checkpoint).info;
  const C = classes.length;
  return {
    name: 'annotate',
    inputs: CELLS,
    names: { labels: { of: 'label_ids', names: [...classes, UNKNOWN_LABEL] } },
    fn: (parameters, inputs) => ({
      outputs: tf.tidy(() => {
        const latent = embedding(parameters, inputs, checkpoint); // [B, D]
        const probabilities = tf.softmax(tf.div(headLogits(parameters, latent), temperature)); // [B, C]
        const isKnown = tf.squeeze(hasGenes(inputs['gene_ids'] as tf.Tensor2D, checkpoint.vocabulary), [1]); // [B]
        const confidence = tf.where(isKnown, tf.max(probabilities, 1), 0); // [B]
        const isSure = tf.logicalAnd(isKnown, tf.greaterEqual(confidence, unknownThreshold));
        // argMax gives int32; the word after the classes stands for a withheld label.
        const labelIds = tf.where(isSure, tf.argMax(probabilities, 1), tf.scalar(C, 'int32'));
        return { latent, probabilities, confidence, label_ids: labelIds };
      }),
    }),
  };
}

/**
 * What the model says of hidden slots, one pass: most likely gene and its expression. As in generation, the [LAT] token summarises the slots
 * that are not hidden. Holds [B · L, V] logits while it runs.
 * @returns genes [B, L] int32, values [B, L]; they mean something where is_masked
 */
function reconstruction(parameters: Tensors, inputs: Tensors, { modelConfig, vocabulary }: OpenCheckpoint): Tensors {
  return tf.tidy(() => {
    const { gene_ids: geneIds, values, is_masked: isMasked } = inputs as Record<'gene_ids' | 'values' | 'is_masked', tf.Tensor2D>;
    const [B, L] = geneIds.shape;
    const isReplaced = tf.cast(isMasked, 'float32') as tf.Tensor2D;
    const isSummarised = tf.mul(isRealGene(geneIds, vocabulary), tf.sub(1, isReplaced)) as tf.Tensor2D;
    const hidden = hiddenStates(parameters, { geneIds, values, isReplaced, isSummarised }, modelConfig, vocabulary, anyLength(modelConfig));
    const rows = tf.reshape(geneHidden(hidden), [B * L, modelConfig.hiddenDim]) as tf.Tensor2D; // [B · L, D]
    const genes = tf.argMax(geneLogits(parameters, rows), 1); // [B · L]
    return { genes: tf.reshape(genes, [B, L]), values: tf.reshape(predictedValues(parameters, rows), [B, L]) };
  });
}
