// B cells, D cell embedding, E inner width of the head, C classes
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { CheckpointError } from '../../errors.js';
import type { Rng } from '../../rng.js';
import { linear } from '../../runtime/ops/linear.js';
import { dropout, type DropoutSite } from '../../runtime/ops/random.js';
import type { HostTensor, HostTensors, Tensors } from '../../runtime/program/program.js';
import type { ModelConfig } from '../../model/config.js';
import { take } from '../../model/take.js';

/** Names as PyTorch gives them to Sequential(Linear, GELU, Dropout, Linear). */
export const HEAD_PREFIX = 'annotation_head.';
const INNER = `${HEAD_PREFIX}0`;
const OUTER = `${HEAD_PREFIX}3`;

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
  const parameters = headSpecs({ ...info, numClasses: info.classes.length }).map(({ name, shape }): [string, HostTensor] => {
    const tensor = head.parameters[name];
    if (String(tensor?.shape) !== String(shape)) throw damaged('head.safetensors', name, tensor ? `shape [${tensor.shape.join(', ')}]` : 'missing', `shape [${shape.join(', ')}] by head.json`);
    return [name, tensor!];
  });
  return { info, parameters: Object.fromEntries(parameters) };
}

export interface HeadSizes {
  readonly embeddingDim: number;
  readonly hiddenDim: number;
  readonly numClasses: number;
}

function headSpecs({ embeddingDim: D, hiddenDim: E, numClasses: C }: HeadSizes): { name: string; shape: readonly number[]; numIn: number }[] {
  return [
    { name: `${INNER}.weight`, shape: [E, D], numIn: D },
    { name: `${INNER}.bias`, shape: [E], numIn: D },
    { name: `${OUTER}.weight`, shape: [C, E], numIn: E },
    { name: `${OUTER}.bias`, shape: [C], numIn: E },
  ];
}

/** Fresh head parameters: uniform in ±1/√inputs, each from its own stream. */
export function initialHead(sizes: HeadSizes, rng: Rng): HostTensors {
  return Object.fromEntries(headSpecs(sizes).map(({ name, shape, numIn }) => [name, uniform(shape, 1 / Math.sqrt(numIn), rng.fork(`init/${name}`))]));
}

/**
 * @param embedding [B, D] cell embeddings
 * @param site where dropout sits; none outside training
 * @returns [B, C]
 */
export function headLogits(parameters: Tensors, embedding: tf.Tensor2D, site?: DropoutSite): tf.Tensor2D {
  return tf.tidy(() => {
    const p = (name: string) => take(parameters, name);
    const inner = gelu(linear(embedding, p(`${INNER}.weight`), p(`${INNER}.bias`))); // [B, E]
    return linear(dropout(inner, site), p(`${OUTER}.weight`), p(`${OUTER}.bias`)) as tf.Tensor2D; // [B, C]
  });
}

/** x · Φ(x), with the exact normal distribution function, as torch.nn.GELU. */
function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))));
}

function uniform(shape: readonly number[], limit: number, rng: Rng): HostTensor {
  const size = shape.reduce((product, n) => product * n, 1);
  return { dtype: 'float32', shape, data: Float32Array.from({ length: size }, () => limit * (2 * rng.uniform() - 1)) };
}
