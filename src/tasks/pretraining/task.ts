// B cells, L gene slots a cell, M loss rows (masked slots and filling of weight 0), D hidden, V gene vocabulary
import * as tf from '@tensorflow/tfjs-core';
import type { Vocabulary } from '../../data/genes/vocabulary.js';
import { createLoader } from '../../data/loader/loader.js';
import type { CellSource } from '../../data/loader/mixture.js';
import { drawTimes, maskGenes, numMasked } from '../../diffusion/forward.js';
import { dualLoss, weightedMean } from '../../diffusion/loss.js';
import { initialParameters } from '../../model/parameters.js';
import { geneLogits, slotStates, type ForwardOptions } from '../../model/scdiva.js';
import type { Rng } from '../../rng.js';
import type { HostTensors, Tensors } from '../../runtime/program/program.js';
import type { ModelDescription } from '../../train/checkpoint.js';
import { dropoutSeed } from '../../train/dropout-seed.js';
import type { Task } from '../../train/task.js';
import type { PretrainingConfig } from './config.js';

/** What a corpus and a config make of a model before any weight is learned. */
export function describeModel(config: PretrainingConfig, corpus: Pick<CellSource, 'vocabulary' | 'entropy'>): ModelDescription {
  const preprocessing = { ...config.preprocessing, maxGenes: config.model.maxGenes };
  return { modelConfig: config.model, vocabulary: corpus.vocabulary, entropy: corpus.entropy, preprocessing };
}

/**
 * Masked discrete diffusion: each cell gets a time t ~ U(0, 1), each of its genes is masked with probability t, and the model
 * is asked for identity and value of the masked ones.
 *
 * Data: the train split of a corpus, or of several by their weights; labels unused. Validation: cells of the validation split, uncorrupted in depth, under
 * masks that are the same in every pass, so that two validations differ by the weights alone. Watched: `loss`, the dual
 * loss there. identityLoss is to fall below the unigram baseline of run.json, valueLoss below its mean-value baseline: a model
 * that does not has learned nothing beyond frequencies.
 * @param rng of the initial parameters
 * @param geneVectors what the embedding of genes starts as, of `placedGeneVectors`; default: drawn like the rest
 */
export function createPretrainingTask(config: PretrainingConfig, corpus: CellSource, rng: Rng, geneVectors?: HostTensors): Task {
  const { vocabulary } = corpus;
  const { modelConfig, preprocessing } = describeModel(config, corpus);
  const parameters = { ...initialParameters(modelConfig, vocabulary.size, rng), ...geneVectors };

  return {
    name: 'pretraining',
    parameters,
    trainable: Object.keys(parameters),

    batches(split, { rng: passRng, batchSize, skipBatches = 0, part }) {
      const isTraining = split === 'train';
      return createLoader(corpus, {
        rows: corpus.splitRows(split),
        batchSize,
        skipBatches,
        part: isTraining ? part : undefined,
        preprocessing,
        rng: isTraining ? passRng : null,
        depth: isTraining ? config.depth : { kind: 'none' },
        loader: config.loader,
      });
    },

    inputs(batch, batchRng, split) {
      const times = drawTimes(batch, config.diffusion, batchRng.fork('times'));
      const masked = maskGenes(batch, times, vocabulary, config.diffusion, batchRng.fork('mask'));
      if (split !== 'train' || modelConfig.dropout === 0) return masked;
      return { ...masked, dropoutSeed: dropoutSeed(batch, batchRng) };
    },

    lossWeight: numMasked,

    loss(state, inputs, { isTraining }) {
      const rows = maskedRows(state, inputs, config, vocabulary); // [M, D]
      const targetIds = inputs['targetIds'] as tf.Tensor1D;
      const weights = inputs['lossWeights'] as tf.Tensor1D;
      const { loss, identityLoss, valueLoss } = dualLoss(state, rows, targetIds, inputs['targetValues'] as tf.Tensor1D, weights, config.diffusion.valueWeight);
      const aux = { identityLoss, valueLoss };
      return { loss, aux: isTraining ? aux : { ...aux, identityAccuracy: weightedMean(isRightGene(state, rows, targetIds), weights) } };
    },

    evaluate: (split, context) => context.meanLoss(split),
  };
}

/** The last hidden states of the slots the loss is about. [M, D] */
function maskedRows(state: Tensors, inputs: Tensors, { model, train }: PretrainingConfig, vocabulary: Vocabulary): tf.Tensor2D {
  const cells = { geneIds: inputs['geneIds'] as tf.Tensor2D, values: inputs['values'] as tf.Tensor2D, isReplaced: inputs['isReplaced'] as tf.Tensor2D };
  const options: ForwardOptions = { dropoutSeed: inputs['dropoutSeed'] as tf.Tensor1D | undefined, recomputesBlocks: train.gradientCheckpointing };
  return slotStates(state, cells, inputs['lossPositions'] as tf.Tensor1D, model, vocabulary, options);
}

/** Logits held at once while counting right guesses: 64 MB of float32. */
const MAX_LOGITS = 2 ** 24;

/** 1 where the likeliest gene is the right one. @param rows [M, D] @param targetIds [M] @returns [M] float32 */
function isRightGene(state: Tensors, rows: tf.Tensor2D, targetIds: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const [numRows, hiddenDim] = rows.shape;
    const vocabSize = state['gene_head.weight']!.shape[0]!;
    const chunk = Math.max(1, Math.floor(MAX_LOGITS / vocabSize));
    const parts: tf.Tensor1D[] = [];
    for (let start = 0; start < numRows; start += chunk) {
      const size = Math.min(chunk, numRows - start);
      const logits = geneLogits(state, tf.slice(rows, [start, 0], [size, hiddenDim])); // [chunk, V]
      parts.push(tf.cast(tf.equal(tf.argMax(logits, 1), tf.slice(targetIds, start, size)), 'float32')); // [chunk]
    }
    return parts.length === 1 ? parts[0]! : tf.concat(parts); // [M]
  });
}
