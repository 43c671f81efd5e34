// B cells, D cell embedding, Z latent dimensions, E inner width of a decoder, G decoded genes, C classes, N sequencing batches
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Rng } from '../../rng.js';
import { take } from '../../model/take.js';
import { linear } from '../../runtime/ops/linear.js';
import type { DropoutSite } from '../../runtime/ops/random.js';
import type { HostTensor, HostTensors, Tensors } from '../../runtime/program/program.js';
import { initialMlp, initialScaling, mlp, mlpSpecs, scaled, scalingSpecs, type MlpSizes } from '../mlp.js';
import { readTaskHead, wrongWidth, type HeadSource } from '../read-head.js';
import { SMALLEST_SPREAD, type GeneLevels } from './hurdle.js';

const PREFIX = 'variational_head.';
const MU = `${PREFIX}mu.`;
const LOG_VARIANCE = `${PREFIX}logvar.`;
const GENES = `${PREFIX}genes.`;
const SPREAD = `${PREFIX}genes.spread`;
const LABELS = `${PREFIX}labels.`;

/** head.json of a variational checkpoint: with the head's tensors, all that is needed to place cells in the latent space and to make new ones. */
export const VariationalHeadInfo = z.strictObject({
  task: z.literal('variational'),
  embeddingDim: z.int().positive(),
  latentDim: z.int().positive(),
  likelihood: z.literal('hurdle').describe('shown or not, and normal where shown'),
  klWeight: z.number().min(0),
  hiddenDim: z.int().positive().describe('inner width of the gene decoder'),
  labelKey: z.string().nullable(),
  classes: z.array(z.string()).describe('label of each logit of the label decoder; none without one'),
  labelDim: z.int().positive().describe('inner width of the label decoder'),
  batchKey: z.string().nullable(),
  techBatches: z.array(z.string()).describe('sequencing batches that the gene decoder is told; none where it is not'),
  geneIds: z.array(z.int()).min(1).describe('vocabulary id of each decoded gene'),
});
export type VariationalHeadInfo = z.infer<typeof VariationalHeadInfo>;

type HeadSizes = Pick<VariationalHeadInfo, 'embeddingDim' | 'latentDim' | 'hiddenDim' | 'classes' | 'labelDim' | 'techBatches' | 'geneIds'>;

const geneSizes = ({ latentDim, techBatches, hiddenDim, geneIds }: HeadSizes): MlpSizes => ({
  inputDim: latentDim + techBatches.length,
  hiddenDim,
  outputDim: 2 * geneIds.length,
});
const labelSizes = ({ latentDim, labelDim, classes }: HeadSizes): MlpSizes => ({ inputDim: latentDim, hiddenDim: labelDim, outputDim: classes.length });

/** What the training cells say of a decoded gene before anything is learned. [G] each */
export interface GeneSummary {
  /** Share of the cells that show it, and its mean value over all cells. */
  readonly shares: ArrayLike<number>;
  readonly means: ArrayLike<number>;
}

/**
 * A fresh head. Its gene decoder begins at what training cells are on average, whatever the latent state; its variances at a tenth, so that what
 * is decoded first is the cell and not noise.
 * @param embeddings [n, D] of training cells: what its input is scaled by
 */
export function initialHead(sizes: HeadSizes, embeddings: Float32Array, { shares, means }: GeneSummary, rng: Rng): HostTensors {
  const { embeddingDim: D, latentDim: Z, geneIds, classes } = sizes;
  const G = geneIds.length;
  const linearMap = (prefix: string, bias: number): HostTensors => {
    const { [`${prefix}0.weight`]: weight } = initialMlp(prefix, { inputDim: D, hiddenDim: Z, outputDim: 1 }, rng);
    return { [`${prefix}weight`]: weight!, [`${prefix}bias`]: float([Z], new Float32Array(Z).fill(bias)) };
  };
  const start = new Float32Array(2 * G);
  for (let g = 0; g < G; g++) {
    const share = Math.min(1 - 1e-3, Math.max(1e-3, shares[g]!));
    start[g] = Math.log(share / (1 - share));
    start[G + g] = means[g]! / Math.max(1e-3, shares[g]!);
  }
  return {
    ...initialScaling(PREFIX, embeddings, D),
    ...linearMap(MU, 0),
    ...linearMap(LOG_VARIANCE, Math.log(0.1)),
    ...initialMlp(GENES, geneSizes(sizes), rng),
    [`${GENES}3.bias`]: float([2 * G], start),
    [SPREAD]: float([G], new Float32Array(G)),
    ...(classes.length > 0 && initialMlp(LABELS, labelSizes(sizes), rng)),
  };
}

const float = (shape: readonly number[], data: Float32Array): HostTensor => ({ dtype: 'float32', shape, data });

function headSpecs(info: HeadSizes): { readonly name: string; readonly shape: readonly number[] }[] {
  const { embeddingDim: D, latentDim: Z } = info;
  const linearMap = (prefix: string) => [
    { name: `${prefix}weight`, shape: [Z, D] },
    { name: `${prefix}bias`, shape: [Z] },
  ];
  return [
    ...scalingSpecs(PREFIX, D),
    ...linearMap(MU),
    ...linearMap(LOG_VARIANCE),
    ...mlpSpecs(GENES, geneSizes(info)),
    { name: SPREAD, shape: [info.geneIds.length] },
    ...(info.classes.length > 0 ? mlpSpecs(LABELS, labelSizes(info)) : []),
  ];
}

/** @throws CheckpointError when the checkpoint has no variational head, or one that is damaged or of other sizes */
export function readHead(source: HeadSource): { info: VariationalHeadInfo; parameters: HostTensors } {
  return readTaskHead(source, { task: 'variational', schema: VariationalHeadInfo, wrong: (info) => wrongWidth(info, source), specs: headSpecs });
}

/** A normal distribution over latent states for each cell, its dimensions independent. */
export interface Posterior {
  /** [B, Z] */
  readonly mu: tf.Tensor2D;
  /** [B, Z] log σ² */
  readonly logvar: tf.Tensor2D;
}

/** Bounds of log σ²: exp of it stays a number, and a sample stays more than rounding. */
const LOG_VARIANCE_RANGE = [-12, 6] as const;

/** @param embedding [B, D] cell embeddings */
export function encodeLatent(parameters: Tensors, embedding: tf.Tensor2D): Posterior {
  const x = scaled(parameters, PREFIX, embedding); // [B, D]
  const map = (prefix: string) => linear(x, take(parameters, `${prefix}weight`), take(parameters, `${prefix}bias`)) as tf.Tensor2D; // [B, Z]
  return { mu: map(MU), logvar: tf.clipByValue(map(LOG_VARIANCE), ...LOG_VARIANCE_RANGE) as tf.Tensor2D };
}

/** z = μ + σ · noise: a draw from the posterior through which gradients pass (Kingma & Welling 2014). @param noise [B, Z] standard normal */
export function reparameterise({ mu, logvar }: Posterior, noise: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.add(mu, tf.mul(tf.exp(tf.mul(logvar, 0.5)), noise)) as tf.Tensor2D);
}

/** KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ (μ² + σ² - 1 - log σ²) of each cell, in nats. [B] */
export function klToPrior({ mu, logvar }: Posterior): tf.Tensor1D {
  return tf.tidy(() => tf.mul(0.5, tf.sum(tf.sub(tf.add(tf.square(mu), tf.exp(logvar)), tf.add(1, logvar)), 1)) as tf.Tensor1D);
}

/**
 * @param z [B, Z]
 * @param techBatches [B, N] one-hot where the decoder is told the batch; rows of zeros for batches it does not know
 */
export function decodeGenes(parameters: Tensors, z: tf.Tensor2D, techBatches?: tf.Tensor2D, site?: DropoutSite): GeneLevels {
  const spread = take(parameters, SPREAD) as tf.Tensor1D; // [G]
  const G = spread.shape[0];
  const out = mlp(parameters, GENES, techBatches ? tf.concat([z, techBatches], 1) : z, site); // [B, 2G]
  return {
    logits: tf.slice(out, [0, 0], [-1, G]),
    means: tf.slice(out, [0, G], [-1, G]),
    spreads: tf.add(tf.softplus(spread), SMALLEST_SPREAD) as tf.Tensor1D,
  };
}

/** The spreads of `decodeGenes`, which depend on no cell, outside TensorFlow. [G] */
export function decodedSpreads(parameters: HostTensors): Float32Array {
  return Float32Array.from(parameters[SPREAD]!.data, (raw) => Math.log1p(Math.exp(raw)) + SMALLEST_SPREAD);
}

/** @returns [B, C] */
export function decodeLabels(parameters: Tensors, z: tf.Tensor2D, site?: DropoutSite): tf.Tensor2D {
  return mlp(parameters, LABELS, z, site);
}
