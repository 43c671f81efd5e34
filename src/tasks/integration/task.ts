// B cells, L genes a cell, M loss rows, D cell embedding, P coordinates of the integrated space
import * as tf from '@tensorflow/tfjs-core';
import type { Corpus } from '../../data/corpus/corpus.js';
import { createLoader } from '../../data/loader/loader.js';
import { DiffusionConfig } from '../../diffusion/config.js';
import { dualLoss } from '../../diffusion/loss.js';
import { latentAndSlotStates } from '../../model/scdiva.js';
import type { Rng } from '../../rng.js';
import { adversarialRamp } from '../../runtime/ops/gradient-reversal.js';
import type { HostTensors, Tensors } from '../../runtime/program/program.js';
import type { ModelDescription } from '../../train/checkpoint.js';
import { dropoutSeed } from '../../train/dropout-seed.js';
import { PROGRESS } from '../../train/optimizer.js';
import type { Task } from '../../train/task.js';
import { cellInputs, embedCells, isOfEmbedding } from '../cell-encoder.js';
import { isFixedScaling } from '../mlp.js';
import { codesOf, type IntegrationCells } from './cells.js';
import type { IntegrationConfig } from './config.js';
import { contrastiveLoss } from './contrastive.js';
import { adversaryLoss, directions, initialHead, integratedCells, type IntegrationHeadInfo } from './head.js';
import { maskForReconstruction } from './mask.js';
import { scoreEmbedding } from './scores.js';

export interface IntegrationSetup {
  readonly config: IntegrationConfig;
  readonly corpus: Corpus;
  readonly cells: IntegrationCells;
  /** [numCells] by corpus row: what the contrast takes for one kind, -1 = not known. Test cells are never asked about. */
  readonly kinds: Int32Array;
  /** The pretrained model that is fine-tuned. */
  readonly model: ModelDescription & { readonly parameters: HostTensors };
  readonly head: IntegrationHeadInfo;
  /** [n, D] of some training cells: what the head scales its input by. */
  readonly sample: Float32Array;
  /** Initial head. */
  readonly rng: Rng;
}

/** The place of the projection's dropout among the model's: behind those of any number of layers. */
const HEAD_DROPOUT_INDEX = 1_000_000;

/**
 * Multi-batch integration: the whole encoder learns to place cells of one kind together whatever their sequencing batch, by three losses on
 * one pass over partly masked cells: the dual loss of their masked genes, a supervised contrast of their places in the integrated space, and
 * an adversary that reads the batch from that place and whose gradient is reversed (strength by the ramp of Ganin et al. 2016).
 *
 * Data: cells of a corpus with a batch field, in its three splits. Watched: Avg-Bio of the validation split, against the kinds the contrast
 * learns from. With labels as kinds that is what tells a supervised method from PCA and Harmony: it has seen labels of training cells, and
 * only cells it has not seen can be scored. An Avg-Bio below that of PCA on the same
 * cells means that types were lost.
 */
export function createIntegrationTask(setup: IntegrationSetup): Task {
  const { config, corpus, cells, kinds, model, head, sample, rng } = setup;
  const { modelConfig, vocabulary, preprocessing, entropy } = model;
  const { reconstruction, adversary, contrastive, projection } = config;
  const diffusion = DiffusionConfig.parse({ valueWeight: reconstruction.valueWeight });
  const parameters = { ...model.parameters, ...initialHead(head, sample, rng.fork('head')) };
  const code = (codes: Int32Array, rows: Int32Array) => ({ dtype: 'int32', shape: [rows.length], data: codesOf(codes, rows) }) as const;

  return {
    name: 'integration',
    parameters,
    trainable: Object.keys(parameters).filter(
      (name) => !isFixedScaling(name) && (reconstruction.weight > 0 || !(name in model.parameters) || isOfEmbedding(name, modelConfig)),
    ),

    batches(split, { rng: passRng, batchSize, skipBatches = 0, part }) {
      const isTraining = split === 'train';
      const depth = isTraining ? config.depth : { kind: 'none' as const };
      return createLoader(corpus, {
        rows: cells.rows[split],
        batchSize,
        preprocessing,
        rng: isTraining ? passRng : null,
        skipBatches,
        part: isTraining ? part : undefined,
        depth,
        entropy,
        loader: config.loader,
      });
    },

    inputs(batch, batchRng, split) {
      return {
        ...maskForReconstruction(batch, vocabulary, reconstruction, diffusion, batchRng),
        techBatches: code(cells.techBatches, batch.cellIndex),
        kinds: code(kinds, batch.cellIndex),
        ...(split === 'train' && { dropoutSeed: dropoutSeed(batch, batchRng) }),
      };
    },

    /** Three means over three things: cells are what all of them come from. The contrast is within what is computed at once. */
    lossWeight: (inputs) => inputs['techBatches']!.shape[0]!,

    loss(state, inputs, { isTraining }) {
      const dropoutSeed = isTraining ? (inputs['dropoutSeed'] as tf.Tensor1D) : undefined;
      const seen = { geneIds: inputs['geneIds'] as tf.Tensor2D, values: inputs['values'] as tf.Tensor2D, isReplaced: inputs['isReplaced'] as tf.Tensor2D };
      const options = { dropoutSeed, recomputesBlocks: config.train.gradientCheckpointing };
      const reconstructed =
        reconstruction.weight > 0 ? latentAndSlotStates(state, seen, inputs['lossPositions'] as tf.Tensor1D, modelConfig, vocabulary, options) : undefined; // [B, D], [M, D]
      const latent = reconstructed?.latent ?? embedCells(state, inputs, modelConfig, vocabulary, options);
      const genes =
        reconstructed &&
        dualLoss(
          state,
          reconstructed.slots,
          inputs['targetIds'] as tf.Tensor1D,
          inputs['targetValues'] as tf.Tensor1D,
          inputs['lossWeights'] as tf.Tensor1D,
          reconstruction.valueWeight,
        );
      const seenPlaces = directions(integratedCells(state, latent, dropoutSeed && { rate: projection.dropout, seed: dropoutSeed, index: HEAD_DROPOUT_INDEX })); // [B, P]
      const contrast = contrastiveLoss(seenPlaces, inputs['kinds'] as tf.Tensor1D, contrastive.temperature);
      const strength = isTraining ? (tf.mul(adversarialRamp(inputs[PROGRESS] as tf.Scalar, adversary.steepness), adversary.weight) as tf.Scalar) : tf.scalar(0);
      const batchGuess = adversaryLoss(state, seenPlaces, inputs['techBatches'] as tf.Tensor1D, strength);
      const loss = tf.addN([...(genes ? [tf.mul(genes.loss, reconstruction.weight)] : []), tf.mul(contrast, contrastive.weight), batchGuess.loss]) as tf.Scalar;
      return {
        loss,
        aux: {
          ...(genes && { reconstructionLoss: genes.loss, identityLoss: genes.identityLoss, valueLoss: genes.valueLoss }),
          contrastiveLoss: contrast,
          adversaryLoss: batchGuess.loss,
          adversaryAccuracy: batchGuess.accuracy,
        },
      };
    },

    async evaluate(split, context) {
      const losses = await context.meanLoss(split);
      const batches = this.batches(split, { rng: context.rng, batchSize: context.batchSize });
      const points: number[] = [];
      const rows: number[] = [];
      try {
        for await (const batch of batches) {
          const { places } = await context.run(
            'places',
            (state, inputs: Tensors) => ({ places: integratedCells(state, embedCells(state, inputs, modelConfig, vocabulary)) }),
            cellInputs(batch),
          );
          points.push(...(places!.data as Float32Array));
          rows.push(...batch.cellIndex);
        }
      } finally {
        await batches.close();
      }
      const embedding = { numRows: rows.length, numColumns: head.outputDim, data: Float32Array.from(points) };
      const scored = { labels: codesOf(kinds, Int32Array.from(rows)), techBatches: codesOf(cells.techBatches, Int32Array.from(rows)) };
      return { ...losses, ...(await scoreEmbedding(embedding, scored, context.rng.fork('scores'))) };
    },
  };
}
