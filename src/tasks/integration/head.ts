// B cells, D cell embedding, P coordinates of the integrated space, N sequencing batches
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Rng } from '../../rng.js';
import { reverseGradient } from '../../runtime/ops/gradient-reversal.js';
import type { DropoutSite } from '../../runtime/ops/random.js';
import type { HostTensors, Tensors } from '../../runtime/program/program.js';
import { initialMlp, initialScaling, mlp, mlpSpecs, scaled, scalingSpecs } from '../mlp.js';
import { readTaskHead, wrongWidth, type HeadSource } from '../read-head.js';

const PREFIX = 'integration_head.';
const PROJECTION = `${PREFIX}projection.`;
const ADVERSARY = `${PREFIX}adversary.`;

/** head.json of an integration checkpoint: with the head's tensors, all that is needed to place cells in the integrated space. */
export const IntegrationHeadInfo = z.strictObject({
  task: z.literal('integration'),
  batchKey: z.string(),
  labelKey: z.string().nullable(),
  contrastive: z.enum(['labels', 'clusters']).describe('who said what is of one kind'),
  techBatches: z.array(z.string()).min(2).describe('sequencing batches it was trained to forget'),
  embeddingDim: z.int().positive(),
  hiddenDim: z.int().positive(),
  outputDim: z.int().positive(),
  adversaryDim: z.int().positive(),
});
export type IntegrationHeadInfo = z.infer<typeof IntegrationHeadInfo>;

type HeadSizes = Pick<IntegrationHeadInfo, 'embeddingDim' | 'hiddenDim' | 'outputDim' | 'adversaryDim' | 'techBatches'>;

const projectionSizes = ({ embeddingDim, hiddenDim, outputDim }: HeadSizes) => ({ inputDim: embeddingDim, hiddenDim, outputDim });
const adversarySizes = ({ outputDim, adversaryDim, techBatches }: HeadSizes) => ({
  inputDim: outputDim,
  hiddenDim: adversaryDim,
  outputDim: techBatches.length,
});

/** A fresh head. @param embeddings [n, D] of training cells: what its input is scaled by */
export function initialHead(sizes: HeadSizes, embeddings: Float32Array, rng: Rng): HostTensors {
  return {
    ...initialScaling(PREFIX, embeddings, sizes.embeddingDim),
    ...initialMlp(PROJECTION, projectionSizes(sizes), rng),
    ...initialMlp(ADVERSARY, adversarySizes(sizes), rng),
  };
}

/** @throws CheckpointError when the checkpoint has no integration head, or one that is damaged or of other sizes */
export function readHead(source: HeadSource): { info: IntegrationHeadInfo; parameters: HostTensors } {
  const specs = (info: IntegrationHeadInfo) => [
    ...scalingSpecs(PREFIX, info.embeddingDim),
    ...mlpSpecs(PROJECTION, projectionSizes(info)),
    ...mlpSpecs(ADVERSARY, adversarySizes(info)),
  ];
  return readTaskHead(source, { task: 'integration', schema: IntegrationHeadInfo, wrong: (info) => wrongWidth(info, source), specs });
}

/** A cell's place in the integrated space. Where its origin lies means nothing: distances do. [B, D] → [B, P] */
export function integratedCells(parameters: Tensors, embedding: tf.Tensor2D, site?: DropoutSite): tf.Tensor2D {
  return tf.tidy(() => mlp(parameters, PROJECTION, scaled(parameters, PREFIX, embedding), site));
}

/**
 * Directions of places from the middle of their batch: what the losses compare. Without the middle taken away, places that are noise at first are
 * drawn into one point, from which no gradient leads out.
 * @param places [B, P] @returns [B, P], rows of length 1, or 0 at the middle itself
 */
export function directions(places: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const fromMiddle = tf.sub(places, tf.mean(places, 0, true));
    return tf.mul(fromMiddle, tf.rsqrt(tf.add(tf.sum(tf.square(fromMiddle), 1, true), 1e-12))) as tf.Tensor2D;
  });
}

/** Negative log-likelihood of the right batch and the share that is right: the adversary learns, all before it unlearns. */
export function adversaryLoss(
  parameters: Tensors,
  directions: tf.Tensor2D,
  techBatches: tf.Tensor1D,
  strength: tf.Scalar,
): { loss: tf.Scalar; accuracy: tf.Scalar } {
  const logits = mlp(parameters, ADVERSARY, reverseGradient(directions, strength)); // [B, N]
  const isBatch = tf.cast(tf.oneHot(techBatches, logits.shape[1]), 'float32'); // [B, N]
  const nll = tf.sub(tf.logSumExp(logits, 1), tf.sum(tf.mul(isBatch, logits), 1)); // [B]
  return { loss: tf.mean(nll) as tf.Scalar, accuracy: tf.mean(tf.cast(tf.equal(tf.argMax(logits, 1), techBatches), 'float32')) as tf.Scalar };
}
