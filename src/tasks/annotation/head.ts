// B cells, D cell embedding, E inner width of the head, C classes
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Rng } from '../../rng.js';
import type { DropoutSite } from '../../runtime/ops/random.js';
import type { HostTensors, Tensors } from '../../runtime/program/program.js';
import { initialMlp, initialScaling, isFixedScaling, mlp, mlpSpecs, scaled, scalingSpecs } from '../mlp.js';
import { readTaskHead, wrongWidth, type HeadSource } from '../read-head.js';

/** Names as PyTorch gives them to Sequential(Linear, GELU, Dropout, Linear), behind a fixed scaling. */
export const HEAD_PREFIX = 'annotation_head.';

/** Parameters of the head that learn; its input statistics do not. */
export const isLearnedByHead = (name: string): boolean => name.startsWith(HEAD_PREFIX) && !isFixedScaling(name);

/** head.json of an annotation checkpoint: with the head's tensors, all that is needed to label cells. */
export const AnnotationHeadInfo = z.strictObject({
  task: z.literal('annotation'),
  labelKey: z.string().describe('obs field the labels came from'),
  classes: z.array(z.string()).min(2).describe('label of each logit'),
  classSizes: z.array(z.int().positive()).describe('training cells of each class'),
  embeddingDim: z.int().positive(),
  hiddenDim: z.int().positive(),
  temperature: z.number().positive().describe('logits are divided by it before the softmax; 1 = not calibrated'),
  unknownThreshold: z.number().min(0).max(1).describe('labels of lower confidence are withheld'),
  calibration: z
    .strictObject({ split: z.literal('validation'), numCells: z.int().positive(), errorBefore: z.number(), errorAfter: z.number(), thresholdFrom: z.string() })
    .nullable()
    .describe('what temperature and threshold were fitted on; null = not yet'),
});
export type AnnotationHeadInfo = z.infer<typeof AnnotationHeadInfo>;

/** @throws CheckpointError when the checkpoint has no annotation head, or one that is damaged or of other sizes */
export function readHead(source: HeadSource): { info: AnnotationHeadInfo; parameters: HostTensors } {
  const wrong = (info: AnnotationHeadInfo) => {
    const { classes, classSizes } = info;
    return (
      wrongWidth(info, source) ??
      (classSizes.length === classes.length
        ? undefined
        : { key: 'classSizes', found: `${classSizes.length} numbers`, expected: `one for each of ${classes.length} classes` })
    );
  };
  const specs = (info: AnnotationHeadInfo) => [
    ...scalingSpecs(HEAD_PREFIX, info.embeddingDim),
    ...mlpSpecs(HEAD_PREFIX, sizesOf({ ...info, numClasses: info.classes.length })),
  ];
  return readTaskHead(source, { task: 'annotation', schema: AnnotationHeadInfo, wrong, specs });
}

export interface HeadSizes {
  readonly embeddingDim: number;
  readonly hiddenDim: number;
  readonly numClasses: number;
}

const sizesOf = ({ embeddingDim, hiddenDim, numClasses }: HeadSizes) => ({ inputDim: embeddingDim, hiddenDim, outputDim: numClasses });

/** A fresh head. @param embeddings [n, D] of training cells, n > 0: what its input is scaled by */
export function initialHead(sizes: HeadSizes, embeddings: Float32Array, rng: Rng, prefix = HEAD_PREFIX): HostTensors {
  return { ...initialScaling(prefix, embeddings, sizes.embeddingDim), ...initialMlp(prefix, sizesOf(sizes), rng) };
}

/**
 * @param embedding [B, D] cell embeddings
 * @param site where dropout sits; none outside training
 * @param prefix of the head's parameters: a model with several heads has one for each
 * @returns [B, C]
 */
export function headLogits(parameters: Tensors, embedding: tf.Tensor2D, site?: DropoutSite, prefix = HEAD_PREFIX): tf.Tensor2D {
  return tf.tidy(() => mlp(parameters, prefix, scaled(parameters, prefix, embedding), site));
}
