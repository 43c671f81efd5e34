// B cells, P proteins, D hidden
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Rng } from '../../rng.js';
import { take } from '../../model/take.js';
import { linear } from '../../runtime/ops/linear.js';
import type { HostTensor, HostTensors, Tensors } from '../../runtime/program/program.js';
import { initialScaling, scaled, scalingSpecs } from '../mlp.js';
import { readTaskHead, wrongWidth, type HeadSource } from '../read-head.js';

const PREFIX = 'multimodal_head.';
/** Mean and standard deviation of each protein over training cells: names of fixed scaling. */
const LEVELS = `${PREFIX}proteins.`;
/** Mean and standard deviation of each entry of the states that are read, over training cells, as the model was before: fixed scaling too. */
const STATES = `${PREFIX}states.`;

/** head.json of a multi-modal checkpoint: with the head's tensors, all that is needed to predict proteins. */
export const MultimodalHeadInfo = z.strictObject({
  task: z.literal('multimodal'),
  embeddingDim: z.int().positive(),
  proteins: z.array(z.string()).min(1).describe('names of the proteins, in the order of their tokens'),
  scale: z.enum(['clr', 'log1p', 'none']).describe('what was learned and is predicted'),
});
export type MultimodalHeadInfo = z.infer<typeof MultimodalHeadInfo>;

type HeadSizes = Pick<MultimodalHeadInfo, 'embeddingDim' | 'proteins'>;

function headSpecs({ embeddingDim: D, proteins: { length: P } }: HeadSizes): { readonly name: string; readonly shape: readonly number[] }[] {
  return [
    ...scalingSpecs(LEVELS, P),
    ...scalingSpecs(STATES, (P + 1) * D),
    { name: `${PREFIX}embedding.weight`, shape: [P, D] },
    { name: `${PREFIX}value.0.weight`, shape: [D, 1] },
    { name: `${PREFIX}value.0.bias`, shape: [D] },
    { name: `${PREFIX}value.2.weight`, shape: [D, D] },
    { name: `${PREFIX}value.2.bias`, shape: [D] },
    { name: `${PREFIX}value_mask_emb`, shape: [D] },
    { name: `${PREFIX}type_emb`, shape: [D] },
    { name: `${PREFIX}readout.weight`, shape: [P, D] },
    { name: `${PREFIX}readout.bias`, shape: [P] },
    { name: `${PREFIX}cell_readout.weight`, shape: [P, D] },
  ];
}

/**
 * A fresh head without the scaling of states (`initialStateScaling`): protein embeddings are standard normal as those of genes are, the encoder of values begins as the model's own, the readout at 0, so
 * that the first prediction is the mean of training cells.
 * @param levels [n, P] scaled proteins of training cells
 * @param model parameters of the model that is started from
 */
export function initialHead({ embeddingDim: D, proteins: { length: P } }: HeadSizes, levels: Float32Array, model: HostTensors, rng: Rng): HostTensors {
  const normal = (name: string, shape: readonly number[]): HostTensor => {
    const stream = rng.fork(`init/${name}`);
    return { dtype: 'float32', shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.normal()) };
  };
  const zeros = (shape: readonly number[]): HostTensor => ({ dtype: 'float32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
  const likeModel = (part: string): HostTensor => ({ ...model[`value_encoder.${part}`]!, data: model[`value_encoder.${part}`]!.data.slice() });
  return {
    ...initialScaling(LEVELS, levels, P),
    [`${PREFIX}embedding.weight`]: normal('embedding', [P, D]),
    ...Object.fromEntries(['0.weight', '0.bias', '2.weight', '2.bias'].map((part) => [`${PREFIX}value.${part}`, likeModel(part)])),
    [`${PREFIX}value_mask_emb`]: zeros([D]),
    [`${PREFIX}type_emb`]: zeros([D]),
    [`${PREFIX}readout.weight`]: zeros([P, D]),
    [`${PREFIX}readout.bias`]: zeros([P]),
    [`${PREFIX}cell_readout.weight`]: zeros([P, D]),
  };
}

/** @param states [n, (P + 1) · D] as `readStates` joins them, of training cells, every level hidden, with the fresh head */
export function initialStateScaling(states: Float32Array, { embeddingDim: D, proteins: { length: P } }: HeadSizes): HostTensors {
  return initialScaling(STATES, states, (P + 1) * D);
}

/** @throws CheckpointError when the checkpoint has no multi-modal head, or one that is damaged or of other sizes */
export function readHead(source: HeadSource): { info: MultimodalHeadInfo; parameters: HostTensors } {
  return readTaskHead(source, { task: 'multimodal', schema: MultimodalHeadInfo, wrong: (info) => wrongWidth(info, source), specs: headSpecs });
}

/** Proteins in their own standard deviations from their own means, as tokens hold them and losses compare them. [B, P] */
export function standardised(parameters: Tensors, proteins: tf.Tensor2D): tf.Tensor2D {
  return scaled(parameters, LEVELS, proteins);
}

/**
 * The tokens of a cell's proteins: which protein, that it is one, and how much of it, or that this is hidden; then the model's own input projection.
 * @param levels [B, P] standardised
 * @param isHidden [B, P] float32, 1 = the level is not shown
 * @returns [B, P, D]
 */
export function proteinTokens(parameters: Tensors, levels: tf.Tensor2D, isHidden: tf.Tensor2D): tf.Tensor3D {
  return tf.tidy(() => {
    const p = (name: string) => take(parameters, PREFIX + name);
    const inner = tf.relu(tf.add(tf.mul(tf.expandDims(levels, -1), tf.reshape(p('value.0.weight'), [-1])), p('value.0.bias'))); // [B, P, D]
    const shown = linear(inner, p('value.2.weight'), p('value.2.bias')); // [B, P, D]
    const hidden = tf.expandDims(isHidden, -1); // [B, P, 1]
    const value = tf.add(tf.mul(shown, tf.sub(1, hidden)), tf.mul(hidden, p('value_mask_emb')));
    const identity = tf.add(p('embedding.weight'), p('type_emb')); // [P, D]
    return linear(tf.add(value, identity), take(parameters, 'input_proj.weight')) as tf.Tensor3D;
  });
}

/** What levels are told from: the states of the protein tokens, and the cell's own behind them. @param further [B, P, D] @param latent [B, D] @returns [B, (P + 1) · D] */
export function readStates(further: tf.Tensor3D, latent: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.concat([tf.reshape(further, [latent.shape[0], -1]), latent], 1) as tf.Tensor2D);
}

/**
 * Standardised levels: each protein is read from the state of its own token and from that of the cell, both scaled. What tells cells apart is a small
 * part of a fresh token's state, of which the cell's state holds more.
 * @param states [B, (P + 1) · D] @returns [B, P]
 */
export function readProteinLevels(parameters: Tensors, states: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const readout = take(parameters, `${PREFIX}readout.weight`); // [P, D]
    const [P, D] = readout.shape as [number, number];
    const lively = scaled(parameters, STATES, states);
    const tokens = tf.reshape(tf.slice(lively, [0, 0], [-1, P * D]), [-1, P, D]);
    const ofTokens = tf.sum(tf.mul(tokens, readout), -1); // [B, P]
    const ofCell = linear(tf.slice(lively, [0, P * D], [-1, D]), take(parameters, `${PREFIX}cell_readout.weight`), take(parameters, `${PREFIX}readout.bias`)); // [B, P]
    return tf.add(ofTokens, ofCell) as tf.Tensor2D;
  });
}

/** Back in the scale the proteins were given in. [B, P] */
export function unstandardised(parameters: Tensors, levels: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.add(tf.mul(levels, take(parameters, `${LEVELS}input_std`)), take(parameters, `${LEVELS}input_mean`)) as tf.Tensor2D);
}
