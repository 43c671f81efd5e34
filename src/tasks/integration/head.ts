// B cells, D cell embedding, P coordinates of the integrated space, N sequencing batches
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { CheckpointError } from '../../errors.js';
import type { Rng } from '../../rng.js';
import { reverseGradient } from '../../runtime/ops/gradient-reversal.js';
import type { DropoutSite } from '../../runtime/ops/random.js';
import type { HostTensors, Tensors } from '../../runtime/program/program.js';
import { initialMlp, initialScaling, mlp, mlpSpecs, requireTensors, scaled, scalingSpecs } from '../mlp.js';

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
const adversarySizes = ({ outputDim, adversaryDim, techBatches }: HeadSizes) => ({ inputDim: outputDim, hiddenDim: adversaryDim, outputDim: techBatches.length });

/** A fresh head. @param embeddings [n, D] of training cells: what its input is scaled by */
export function initialHead(sizes: HeadSizes, embeddings: Float32Array, rng: Rng): HostTensors {
  return { ...initialScaling(PREFIX, embeddings, sizes.embeddingDim), ...initialMlp(PROJECTION, projectionSizes(sizes), rng), ...initialMlp(ADVERSARY, adversarySizes(sizes), rng) };
}

/** What of a checkpoint the head is read from. */
export interface HeadSource {
  readonly folder: string;
  readonly modelConfig: { readonly hiddenDim: number };
  readonly head?: { readonly info: { readonly task: string }; readonly parameters: HostTensors };
}

/** @throws CheckpointError when the checkpoint has no integration head, or one that is damaged or of other sizes */
export function readHead({ folder, modelConfig, head }: HeadSource): { info: IntegrationHeadInfo; parameters: HostTensors } {
  if (head?.info.task !== 'integration') {
    const found = head ? `its head is for ${head.info.task}` : 'has no integration head';
    throw new CheckpointError({ file: folder, found, hint: 'make one with scdiva finetune integration, and name its --out folder' });
  }
  const parsed = IntegrationHeadInfo.safeParse(head.info);
  const file = `${folder}/head.json`;
  const hint = 'the file is damaged or belongs to another checkpoint';
  if (!parsed.success) throw new CheckpointError({ file, key: parsed.error.issues[0]!.path.join('.') || undefined, found: parsed.error.issues[0]!.message, hint });
  const info = parsed.data;
  if (info.embeddingDim !== modelConfig.hiddenDim) throw new CheckpointError({ file, key: 'embeddingDim', found: String(info.embeddingDim), expected: `${modelConfig.hiddenDim}, the model's hidden size`, hint });
  const specs = [...scalingSpecs(PREFIX, info.embeddingDim), ...mlpSpecs(PROJECTION, projectionSizes(info)), ...mlpSpecs(ADVERSARY, adversarySizes(info))];
  return { info, parameters: requireTensors(folder, specs, head.parameters) };
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
export function adversaryLoss(parameters: Tensors, directions: tf.Tensor2D, techBatches: tf.Tensor1D, strength: tf.Scalar): { loss: tf.Scalar; accuracy: tf.Scalar } {
  const logits = mlp(parameters, ADVERSARY, reverseGradient(directions, strength)); // [B, N]
  const isBatch = tf.cast(tf.oneHot(techBatches, logits.shape[1]), 'float32'); // [B, N]
  const nll = tf.sub(tf.logSumExp(logits, 1), tf.sum(tf.mul(isBatch, logits), 1)); // [B]
  return { loss: tf.mean(nll) as tf.Scalar, accuracy: tf.mean(tf.cast(tf.equal(tf.argMax(logits, 1), techBatches), 'float32')) as tf.Scalar };
}
