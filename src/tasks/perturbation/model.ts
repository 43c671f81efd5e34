// B cells, L genes in context, P perturbed genes at most, T = 1 + L + P positions, D hidden, E inner width of the regressor
//
//   [LAT], g1 … gL (a control cell), [PERT]1 … [PERT]P ──► blocks ──► h_j, p = Σ h of the [PERT] tokens
//                                                                      │
//   change_j = effects_j + Linear(gelu(W_g h_j + W_p p + W_x (h_j ∘ p) + W_s scalars_j + b))
import * as tf from '@tensorflow/tfjs-core';
import { block, type BlockContext } from '../../model/block.js';
import { encodeGenes, isRealGene, latentToken } from '../../model/cell-encoder.js';
import type { ModelConfig } from '../../model/config.js';
import type { GeneIdLayout } from '../../model/gene-ids.js';
import { recomputedBlock } from '../../model/recomputed-block.js';
import type { ForwardOptions } from '../../model/scdiva.js';
import { take } from '../../model/take.js';
import type { Rng } from '../../rng.js';
import { gatherRows } from '../../runtime/ops/embedding.js';
import { linear } from '../../runtime/ops/linear.js';
import { dropout } from '../../runtime/ops/random.js';
import { rmsNorm } from '../../runtime/ops/rms-norm.js';
import { rotaryTable } from '../../runtime/ops/rotary.js';
import type { HostTensor, HostTensors, Tensors } from '../../runtime/program/program.js';
import { DIRECTIONS } from './perturbations.js';

export const HEAD_PREFIX = 'perturbation_head.';
const DIRECTION = `${HEAD_PREFIX}direction_emb`;
const GENE = `${HEAD_PREFIX}gene`;
const PERTURBATION = `${HEAD_PREFIX}perturbation`;
const PRODUCT = `${HEAD_PREFIX}product`;
const SCALARS = `${HEAD_PREFIX}scalars`;
const OUT = `${HEAD_PREFIX}out`;

/** Control mean; sum, lowest and highest of the parts' effects; share of the parts whose effect is known; whether the gene itself is perturbed. */
const NUM_SCALARS = 6;

/** The place of the head's dropout among the model's: behind those of any number of layers. */
const HEAD_DROPOUT_INDEX = 1_000_000;

interface HeadSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Uniform in ± this. */
  readonly limit: number;
}

/** Everything the head learns. */
export function headSpecs(D: number, E: number): readonly HeadSpec[] {
  return [
    // As large as a gene embedding: the two are added.
    { name: DIRECTION, shape: [DIRECTIONS.length, D], limit: 1 },
    { name: `${GENE}.weight`, shape: [E, D], limit: 1 / Math.sqrt(D) },
    { name: `${PERTURBATION}.weight`, shape: [E, D], limit: 1 / Math.sqrt(D) },
    { name: `${PRODUCT}.weight`, shape: [E, D], limit: 1 / Math.sqrt(D) },
    { name: `${SCALARS}.weight`, shape: [E, NUM_SCALARS], limit: 1 / Math.sqrt(NUM_SCALARS) },
    { name: `${SCALARS}.bias`, shape: [E], limit: 1 / Math.sqrt(D) },
    // Zero: before training a perturbation does what its parts' known effects add up to, or nothing.
    { name: `${OUT}.weight`, shape: [1, E], limit: 0 },
    { name: `${OUT}.bias`, shape: [1], limit: 0 },
  ];
}

/** A fresh head, every parameter from its own stream. */
export function initialHead(D: number, E: number, rng: Rng): HostTensors {
  return Object.fromEntries(
    headSpecs(D, E).map(({ name, shape, limit }): [string, HostTensor] => {
      const stream = rng.fork(`init/${name}`);
      const size = shape.reduce((product, n) => product * n, 1);
      return [name, { dtype: 'float32', shape, data: Float32Array.from({ length: size }, () => limit * (stream.uint32() / 2 ** 31 - 1)) }];
    }),
  );
}

/** What the model is asked: control cells, and what is done to them. */
export interface PerturbationInputs extends HostTensors {
  /** [B, L] int32 genes in context; padding ids behind the last. */
  readonly geneIds: HostTensor;
  /** [B, L] float32 their expression in the control cell; 0 where it does not express them. */
  readonly values: HostTensor;
  /** [B, P] int32 perturbed genes, expressed or not; padding ids behind the last. */
  readonly perturbedIds: HostTensor;
  /** [B, P] int32 index into DIRECTIONS. */
  readonly directions: HostTensor;
  /** [B, L] float32 mean of the control cells. */
  readonly reference: HostTensor;
  /** [B, L] float32 sum, lowest and highest of the known single effects; 0 where none is. */
  readonly effects: HostTensor;
  readonly lowest: HostTensor;
  readonly highest: HostTensor;
  /** [B] float32 share of the perturbed genes whose single effect is known. */
  readonly knownShare: HostTensor;
}

/**
 * Predicted change of the mean expression of every gene in context.
 * @param parameters of model and head
 * @param inputs `PerturbationInputs` as tensors
 * @param headDropout rate; needs options.dropoutSeed
 * @returns [B, L], log1p units; means nothing at padding
 */
export function predictedChange(
  parameters: Tensors,
  inputs: Tensors,
  config: ModelConfig,
  ids: Pick<GeneIdLayout, 'padId' | 'padFillId'>,
  options: ForwardOptions = {},
  headDropout = 0,
): tf.Tensor2D {
  return tf.tidy(() => {
    const geneIds = inputs['geneIds'] as tf.Tensor2D;
    const perturbedIds = inputs['perturbedIds'] as tf.Tensor2D;
    const [B, L] = geneIds.shape;
    const [, P] = perturbedIds.shape;
    const D = config.hiddenDim;
    const isPerturbed = isRealGene(perturbedIds, ids); // [B, P]
    const h = encodePerturbed(parameters, inputs, config, ids, isPerturbed, options); // [B, T, D]
    const genes = tf.slice(h, [0, 1, 0], [B, L, D]);
    const states = tf.mul(tf.slice(h, [0, 1 + L, 0], [B, P, D]), tf.expandDims(isPerturbed, -1));
    const perturbation = tf.sum(states, 1, true); // [B, 1, D]
    // The gene itself, where it is perturbed and in context.
    const isSelf = tf.max(tf.mul(tf.cast(tf.equal(tf.expandDims(geneIds, -1), tf.expandDims(perturbedIds, 1)), 'float32'), tf.expandDims(isPerturbed, 1)), -1); // [B, L]
    const effects = inputs['effects'] as tf.Tensor2D;
    const knownShare = tf.mul(tf.onesLike(effects), tf.reshape(inputs['knownShare']!, [B, 1]));
    const scalars = tf.stack([inputs['reference']!, effects, inputs['lowest']!, inputs['highest']!, knownShare, isSelf], -1); // [B, L, 6]
    const p = (name: string) => take(parameters, name);
    const fromGene = tf.add(linear(genes, p(`${GENE}.weight`)), linear(perturbation, p(`${PERTURBATION}.weight`))); // [B, L, E]
    const fromBoth = linear(tf.mul(genes, perturbation), p(`${PRODUCT}.weight`));
    const fromScalars = linear(scalars, p(`${SCALARS}.weight`), p(`${SCALARS}.bias`));
    const inner = gelu(tf.add(tf.add(fromGene, fromBoth), fromScalars));
    const kept = dropout(inner, options.dropoutSeed && { rate: headDropout, seed: options.dropoutSeed, index: HEAD_DROPOUT_INDEX });
    const correction = tf.reshape(linear(kept, p(`${OUT}.weight`), p(`${OUT}.bias`)), [B, L]);
    return tf.add(effects, correction) as tf.Tensor2D;
  });
}

/** The model's own blocks over [LAT], the control cell's genes and the [PERT] tokens. [B, T, D] */
function encodePerturbed(
  parameters: Tensors,
  inputs: Tensors,
  config: ModelConfig,
  ids: Pick<GeneIdLayout, 'padId' | 'padFillId'>,
  isPerturbed: tf.Tensor2D,
  { dropoutSeed, recomputesBlocks }: ForwardOptions,
): tf.Tensor3D {
  const geneIds = inputs['geneIds'] as tf.Tensor2D;
  const perturbedIds = inputs['perturbedIds'] as tf.Tensor2D;
  const [B, L] = geneIds.shape;
  const isReal = isRealGene(geneIds, ids);
  const clean = encodeGenes(parameters, geneIds, inputs['values'] as tf.Tensor2D); // [B, L, D]
  const tokens = tf.add(gatherRows(take(parameters, 'gene_embedding.weight'), perturbedIds), gatherRows(take(parameters, DIRECTION), inputs['directions']!)); // [B, P, D]
  const project = (x: tf.Tensor) => linear(x, take(parameters, 'input_proj.weight'));
  const context: BlockContext = {
    numHeads: config.numHeads,
    canAttend: tf.concat([tf.ones([B, 1]), isReal, isPerturbed], 1) as tf.Tensor2D, // [B, T]
    rotary: rotaryTable(1 + L + perturbedIds.shape[1], config.hiddenDim / config.numHeads, config.ropeTheta),
    dropout: dropoutSeed && { rate: config.dropout, seed: dropoutSeed },
  };
  const run = recomputesBlocks ? recomputedBlock : block;
  let x = tf.concat([latentToken(parameters, clean, isReal), project(clean), project(tokens)], 1) as tf.Tensor3D; // [B, T, D]
  for (let layer = 0; layer < config.numLayers; layer++) x = run(parameters, layer, x, context) as tf.Tensor3D;
  return rmsNorm(x, take(parameters, 'final_norm.weight')) as tf.Tensor3D;
}

/** x · Φ(x), with the exact normal distribution function. */
function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))));
}
