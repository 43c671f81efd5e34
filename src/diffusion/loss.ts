// B cells, L gene slots a cell, M loss rows (masked slots and filling of weight 0), D hidden
import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../model/config.js';
import type { GeneIdLayout } from '../model/gene-ids.js';
import { predictedValues, slotStates } from '../model/scdiva.js';
import { take } from '../model/take.js';
import { crossEntropy } from '../runtime/ops/cross-entropy.js';
import type { Tensors } from '../runtime/program/program.js';
import type { DiffusionConfig } from './config.js';

export interface DualLoss {
  /** identityLoss + λ · valueLoss */
  readonly loss: tf.Scalar;
  /** Mean negative log-likelihood of the gene at masked slots, in nats. */
  readonly identityLoss: tf.Scalar;
  /** Mean squared error of its value. */
  readonly valueLoss: tf.Scalar;
}

/**
 * The training loss on one masked batch.
 * @param inputs a `MaskedBatch` as tensors
 * @param model what the parameters are of
 * @param dropoutSeed [2] int32 while training; none = no dropout
 */
export function diffusionLoss(
  parameters: Tensors,
  inputs: Tensors,
  model: { readonly config: ModelConfig; readonly ids: Pick<GeneIdLayout, 'padId' | 'padFillId'> },
  { valueWeight }: Pick<DiffusionConfig, 'valueWeight'>,
  dropoutSeed?: tf.Tensor1D,
): DualLoss {
  return tf.tidy(() => {
    const cells = { geneIds: inputs['geneIds'] as tf.Tensor2D, values: inputs['values'] as tf.Tensor2D, isReplaced: inputs['isReplaced'] as tf.Tensor2D };
    const rows = slotStates(parameters, cells, inputs['lossPositions'] as tf.Tensor1D, model.config, model.ids, { dropoutSeed });
    return dualLoss(
      parameters,
      rows,
      inputs['targetIds'] as tf.Tensor1D,
      inputs['targetValues'] as tf.Tensor1D,
      inputs['lossWeights'] as tf.Tensor1D,
      valueWeight,
    ) as DualLoss & tf.TensorContainerObject;
  });
}

/**
 * Cross-entropy of the identity plus λ times squared error of the value, both means over the rows of weight 1.
 * @param rows [M, D] states of the masked slots
 * @param targetIds [M] int32
 * @param targetValues [M] float32
 * @param weights [M] float32
 */
export function dualLoss(
  parameters: Tensors,
  rows: tf.Tensor2D,
  targetIds: tf.Tensor1D,
  targetValues: tf.Tensor1D,
  weights: tf.Tensor1D,
  valueWeight: number,
): DualLoss {
  return tf.tidy(() => {
    const identityLoss = weightedMean(crossEntropy(rows, take(parameters, 'gene_head.weight'), targetIds), weights);
    const valueLoss = weightedMean(tf.square(tf.sub(predictedValues(parameters, rows), targetValues)) as tf.Tensor1D, weights);
    return { loss: tf.add(identityLoss, tf.mul(valueLoss, valueWeight)) as tf.Scalar, identityLoss, valueLoss };
  });
}

/** Σ weight · x / Σ weight, and 0 where all weights are 0. @param x [M] @param weights [M], ≥ 0 */
export function weightedMean(x: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
  return tf.tidy(() => {
    const total = tf.sum(weights);
    const denominator = tf.add(total, tf.cast(tf.equal(total, 0), 'float32'));
    return tf.div(tf.sum(tf.mul(x, weights)), denominator) as tf.Scalar;
  });
}
