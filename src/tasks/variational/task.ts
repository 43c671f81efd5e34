// B cells, L genes a cell, D cell embedding, Z latent dimensions, G decoded genes, C classes, N sequencing batches
import * as tf from '@tensorflow/tfjs-core';
import type { Corpus } from '../../data/corpus/corpus.js';
import { createLoader } from '../../data/loader/loader.js';
import { scoreLabels } from '../../metrics/classification.js';
import { activeUnits } from '../../metrics/active-units.js';
import { mostLikely } from '../../metrics/most-likely.js';
import type { Rng } from '../../rng.js';
import type { HostTensors, Tensors } from '../../runtime/program/program.js';
import type { ModelDescription } from '../../train/checkpoint.js';
import { PROGRESS } from '../../train/optimizer.js';
import type { Task } from '../../train/task.js';
import type { AnnotationLabels } from '../annotation/labels.js';
import { classificationLoss } from '../annotation/loss.js';
import { isTuned } from '../annotation/trainable.js';
import { cellInputs, embedCells } from '../cell-encoder.js';
import { isFixedScaling } from '../mlp.js';
import type { VariationalConfig } from './config.js';
import { GeneTargets, type DecodedGenes } from './gene-targets.js';
import { decodeGenes, decodeLabels, encodeLatent, initialHead, klToPrior, reparameterise, type VariationalHeadInfo } from './head.js';
import { hurdleNll } from './hurdle.js';

export interface VariationalSetup {
  readonly config: VariationalConfig;
  readonly corpus: Corpus;
  readonly genes: DecodedGenes;
  /** Where cell types are learned. */
  readonly labels: AnnotationLabels | undefined;
  /** [numCells] by corpus row, index into head.techBatches, -1 = none: where the gene decoder is told the batch. */
  readonly techBatches: Int32Array | undefined;
  /** The pretrained model that is fine-tuned. */
  readonly model: ModelDescription & { readonly parameters: HostTensors };
  readonly head: VariationalHeadInfo;
  /** [n, D] of some training cells: what the head scales its input by. */
  readonly sample: Float32Array;
  /** Initial head. */
  readonly rng: Rng;
}

/** The place of the decoders' dropout among the model's: behind those of any number of layers. */
const HEAD_DROPOUT_INDEX = 1_000_000;

/**
 * A variational latent space over the cell state (Kingma & Welling 2014; β of Higgins et al. 2017): μ and log σ² are read from the state of the
 * whole cell, a state is drawn, and from it the gene decoder tells the expression of every decoded gene. With G genes,
 *
 *     loss = (nll + β · KL) / G + weight · cross-entropy of the types
 *
 * so that β = 1 maximises the evidence lower bound and the learning rate keeps its meaning whatever the genes. Everything random is an input: the
 * noise of the draw is the same in every validation.
 *
 * Data: cells of a corpus, labels and batches where the config asks for them. Watched: `elbo` of the validation split, -(nll + KL) a cell in nats.
 * `numActiveUnits` says whether the space is used at all: 0 is a collapsed posterior.
 */
export function createVariationalTask(setup: VariationalSetup): Task {
  const { config, corpus, genes, labels, techBatches, model, head, sample, rng } = setup;
  const { modelConfig, vocabulary, preprocessing, entropy } = model;
  const { klWeight, warmup, dim: Z } = config.latent;
  const G = genes.geneIds.length;
  const N = head.techBatches.length;
  const C = head.classes.length;
  const targets = new GeneTargets(corpus, preprocessing, genes.geneIds);
  const parameters = { ...model.parameters, ...initialHead(head, sample, genes, rng.fork('head')) };
  const tunes = isTuned(config.tune, modelConfig);
  const isClass = (code: number): boolean => code >= 0 && code < C;

  return {
    name: 'variational',
    parameters,
    trainable: Object.keys(parameters).filter((name) => (name in model.parameters ? tunes(name) : !isFixedScaling(name))),

    batches(split, { rng: passRng, batchSize, skipBatches = 0 }) {
      const isTraining = split === 'train';
      const depth = isTraining ? config.depth : { kind: 'none' as const };
      return createLoader(corpus, {
        rows: corpus.splitRows(split),
        batchSize,
        preprocessing,
        rng: isTraining ? passRng : null,
        skipBatches,
        depth,
        entropy,
        loader: config.loader,
      });
    },

    inputs(batch, batchRng, split) {
      const { numCells: B, cellIndex } = batch;
      const noise = batchRng.fork('noise');
      const codes = labels && cellIndex.map((row) => labels.codes[row]!);
      return {
        ...cellInputs(batch),
        targets: { dtype: 'float32', shape: [B, G], data: targets.gather(cellIndex) },
        noise: { dtype: 'float32', shape: [B, Z], data: Float32Array.from({ length: B * Z }, () => noise.normal()) },
        ...(techBatches && {
          techBatches: {
            dtype: 'float32',
            shape: [B, N],
            data: oneHot(
              cellIndex.map((row) => techBatches[row]!),
              N,
            ),
          },
        }),
        ...(codes && {
          labels: { dtype: 'int32', shape: [B], data: codes.map((code) => (isClass(code) ? code : 0)) },
          labelWeights: { dtype: 'float32', shape: [B], data: Float32Array.from(codes, (code) => (isClass(code) ? 1 : 0)) },
        }),
        ...(split === 'train' && { dropoutSeed: { dtype: 'int32', shape: [2], data: Int32Array.from(batchRng.fork('dropout').seedPair()) } }),
      };
    },

    /** Of the bound; the cross-entropy is a mean over labelled cells, so that dividing a batch changes a step slightly where labels are missing. */
    lossWeight: (inputs) => inputs['geneIds']!.shape[0]!,

    loss(state, inputs, { isTraining }) {
      const seed = isTraining ? (inputs['dropoutSeed'] as tf.Tensor1D) : undefined;
      const site = (rate: number, index: number) => seed && { rate, seed, index: HEAD_DROPOUT_INDEX + index };
      const embedding = embedCells(state, inputs, modelConfig, vocabulary, { dropoutSeed: seed, recomputesBlocks: config.train.gradientCheckpointing }); // [B, D]
      const posterior = encodeLatent(state, embedding);
      const z = reparameterise(posterior, inputs['noise'] as tf.Tensor2D); // [B, Z]
      const levels = decodeGenes(state, z, inputs['techBatches'] as tf.Tensor2D | undefined, site(config.genes.dropout, 0));
      const nll = tf.mean(hurdleNll(levels, inputs['targets'] as tf.Tensor2D)) as tf.Scalar;
      const kl = tf.mean(klToPrior(posterior)) as tf.Scalar;
      const risen = isTraining && warmup > 0 ? tf.minimum(tf.div(inputs[PROGRESS] as tf.Scalar, warmup), 1) : tf.scalar(1);
      const bound = tf.div(tf.add(nll, tf.mul(kl, tf.mul(risen, klWeight))), G) as tf.Scalar;
      const aux = { reconstructionLoss: nll, klLoss: kl, elbo: tf.neg(tf.add(nll, kl)) as tf.Scalar };
      if (!config.labels) return { loss: bound, aux };
      const types = classificationLoss(
        decodeLabels(state, z, site(config.labels.dropout, 1)),
        inputs['labels'] as tf.Tensor1D,
        inputs['labelWeights'] as tf.Tensor1D,
        0,
      );
      return {
        loss: tf.add(bound, tf.mul(types.loss, config.labels.weight)) as tf.Scalar,
        aux: { ...aux, labelLoss: types.loss, labelAccuracy: types.accuracy },
      };
    },

    async evaluate(split, context) {
      const losses = await context.meanLoss(split);
      const place = (state: Tensors, inputs: Tensors): Tensors => {
        const { mu } = encodeLatent(state, embedCells(state, inputs, modelConfig, vocabulary));
        return { mu, ...(C > 0 && { logits: decodeLabels(state, mu) }) };
      };
      const mus: number[] = [];
      const logits: number[] = [];
      const truth: number[] = [];
      const batches = this.batches(split, { rng: context.rng, batchSize: context.batchSize });
      try {
        for await (const batch of batches) {
          const out = await context.run('place', place, cellInputs(batch));
          mus.push(...(out['mu']!.data as Float32Array));
          if (!labels) continue;
          logits.push(...(out['logits']!.data as Float32Array));
          truth.push(...Array.from(batch.cellIndex, (row) => labels.codes[row]!));
        }
      } finally {
        await batches.close();
      }
      return { ...losses, numActiveUnits: activeUnits(mus, Z), ...(labels && scoreTypes(truth, logits, C, labels.unseen.length)) };
    },
  };
}

/** Accuracy and macro-F1 of the cells that have a label. */
export function scoreTypes(truth: ArrayLike<number>, logits: ArrayLike<number>, numClasses: number, numUnseen: number): { accuracy: number; macroF1: number } {
  const labelled = Array.from({ length: truth.length }, (_, i) => i).filter((i) => truth[i]! >= 0);
  const { predicted } = mostLikely(
    Float64Array.from(labelled.flatMap((i) => Array.from({ length: numClasses }, (_, c) => logits[i * numClasses + c]!))),
    numClasses,
  );
  const { accuracy, macroF1 } = scoreLabels(
    labelled.map((i) => truth[i]!),
    predicted,
    numClasses + numUnseen,
  );
  return { accuracy, macroF1 };
}

/** @param codes [B], -1 = a row of zeros @returns [B, N] */
function oneHot(codes: Int32Array, N: number): Float32Array {
  const out = new Float32Array(codes.length * N);
  codes.forEach((code, b) => {
    if (code >= 0) out[b * N + code] = 1;
  });
  return out;
}
