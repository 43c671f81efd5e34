// B cells, D cell embedding, E inner width of the head, C classes
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { CheckpointError } from '../../errors.js';
import type { Rng } from '../../rng.js';
import type { DropoutSite } from '../../runtime/ops/random.js';
import type { HostTensors, Tensors } from '../../runtime/program/program.js';
import type { ModelConfig } from '../../model/config.js';
import { initialMlp, initialScaling, isFixedScaling, mlp, mlpSpecs, requireTensors, scaled, scalingSpecs } from '../mlp.js';

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

/** What of a checkpoint the annotation head is read from. */
export interface HeadSource {
  readonly folder: string;
  readonly modelConfig: Pick<ModelConfig, 'hiddenDim'>;
  readonly head?: { readonly info: { readonly task: string }; readonly parameters: HostTensors };
}

/** @throws CheckpointError when the checkpoint has no annotation head, or one that is damaged or of other sizes */
export function readHead({ folder, modelConfig, head }: HeadSource): { info: AnnotationHeadInfo; parameters: HostTensors } {
  if (head?.info.task !== 'annotation') {
    const found = head ? `its head is for ${head.info.task}` : 'has no annotation head';
    throw new CheckpointError({ file: folder, found, hint: 'make one with scdiva finetune annotation, and name its --out folder' });
  }
  const damaged = (file: string, key: string | undefined, found: string, expected?: string) => new CheckpointError({ file: `${folder}/${file}`, key, found, expected, hint: 'the file is damaged or belongs to another checkpoint' });
  const parsed = AnnotationHeadInfo.safeParse(head.info);
  if (!parsed.success) throw damaged('head.json', parsed.error.issues[0]!.path.join('.') || undefined, parsed.error.issues[0]!.message);
  const info = parsed.data;
  if (info.embeddingDim !== modelConfig.hiddenDim) throw damaged('head.json', 'embeddingDim', String(info.embeddingDim), `${modelConfig.hiddenDim}, the model's hidden size`);
  if (info.classSizes.length !== info.classes.length) throw damaged('head.json', 'classSizes', `${info.classSizes.length} numbers`, `one for each of ${info.classes.length} classes`);
  const specs = [...scalingSpecs(HEAD_PREFIX, info.embeddingDim), ...mlpSpecs(HEAD_PREFIX, sizesOf({ ...info, numClasses: info.classes.length }))];
  return { info, parameters: requireTensors(folder, specs, head.parameters) };
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
