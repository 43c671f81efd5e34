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

/** Names as PyTorch gives them to Sequential(Linear, GELU, Dropout, Linear), behind a fixed scaling. */
export const HEAD_PREFIX = 'annotation_head.';
const INNER = `${HEAD_PREFIX}0`;
const OUTER = `${HEAD_PREFIX}3`;
/** Fixed: mean and standard deviation of the embedding over training cells, as the model was before fine-tuning. */
const INPUT_MEAN = `${HEAD_PREFIX}input_mean`;
const INPUT_STD = `${HEAD_PREFIX}input_std`;

const rename = (name: string, prefix: string): string => prefix + name.slice(HEAD_PREFIX.length);

/** Parameters of the head that learn; its input statistics do not. */
export const isLearnedByHead = (name: string): boolean => name.startsWith(HEAD_PREFIX) && name !== INPUT_MEAN && name !== INPUT_STD;

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

interface HeadSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly numIn: number;
}

function learnedSpecs({ embeddingDim: D, hiddenDim: E, numClasses: C }: HeadSizes): HeadSpec[] {
  return [
    { name: `${INNER}.weight`, shape: [E, D], numIn: D },
    { name: `${INNER}.bias`, shape: [E], numIn: D },
    { name: `${OUTER}.weight`, shape: [C, E], numIn: E },
    { name: `${OUTER}.bias`, shape: [C], numIn: E },
  ];
}

function headSpecs(sizes: HeadSizes): Pick<HeadSpec, 'name' | 'shape'>[] {
  return [{ name: INPUT_MEAN, shape: [sizes.embeddingDim] }, { name: INPUT_STD, shape: [sizes.embeddingDim] }, ...learnedSpecs(sizes)];
}

/**
 * A fresh head: weights and biases uniform in ±1/√inputs, each from its own stream.
 * @param embeddings [n, D] of training cells, n > 0. All cells share most of their embedding, and what tells types apart may be a
 *   hundredth of it: the head looks at it centred and scaled, so that one learning rate suits every backbone.
 */
export function initialHead(sizes: HeadSizes, embeddings: Float32Array, rng: Rng, prefix = HEAD_PREFIX): HostTensors {
  const { mean, std } = columnStatistics(embeddings, sizes.embeddingDim);
  const learned = learnedSpecs(sizes).map(({ name, shape, numIn }): [string, HostTensor] => [rename(name, prefix), uniform(shape, 1 / Math.sqrt(numIn), rng.fork(`init/${rename(name, prefix)}`))]);
  const fixed = (data: Float32Array): HostTensor => ({ dtype: 'float32', shape: [sizes.embeddingDim], data });
  return { [rename(INPUT_MEAN, prefix)]: fixed(mean), [rename(INPUT_STD, prefix)]: fixed(std), ...Object.fromEntries(learned) };
}

/** Keeps a dimension without spread from being blown up into noise; embeddings leave a norm layer with entries around 1. */
const SMALLEST_STD = 1e-3;

function columnStatistics(x: Float32Array, D: number): { mean: Float32Array; std: Float32Array } {
  const n = x.length / D;
  const column = (j: number) => Float64Array.from({ length: n }, (_, i) => x[i * D + j]!);
  const mean = Float32Array.from({ length: D }, (_, j) => column(j).reduce((sum, v) => sum + v, 0) / n);
  const std = mean.map((m, j) => Math.sqrt(column(j).reduce((sum, v) => sum + (v - m) ** 2, 0) / n + SMALLEST_STD ** 2));
  return { mean, std };
}

/**
 * @param embedding [B, D] cell embeddings
 * @param site where dropout sits; none outside training
 * @param prefix of the head's parameters: a model with several heads has one for each
 * @returns [B, C]
 */
export function headLogits(parameters: Tensors, embedding: tf.Tensor2D, site?: DropoutSite, prefix = HEAD_PREFIX): tf.Tensor2D {
  return tf.tidy(() => {
    const p = (name: string) => take(parameters, rename(name, prefix));
    const scaled = tf.div(tf.sub(embedding, p(INPUT_MEAN)), p(INPUT_STD)); // [B, D]
    const inner = gelu(linear(scaled, p(`${INNER}.weight`), p(`${INNER}.bias`))); // [B, E]
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
