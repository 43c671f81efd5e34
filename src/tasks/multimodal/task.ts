// B cells, L genes a cell, P proteins, D hidden, M loss rows of genes
import * as tf from '@tensorflow/tfjs-core';
import type { CellBatch } from '../../data/batch.js';
import type { Vocabulary } from '../../data/genes/vocabulary.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import { createLoader } from '../../data/loader/loader.js';
import { DiffusionConfig } from '../../diffusion/config.js';
import { dualLoss } from '../../diffusion/loss.js';
import { scoreProteins } from '../../metrics/protein-prediction.js';
import type { ModelConfig } from '../../model/config.js';
import { jointStates } from '../../model/scdiva.js';
import type { Rng } from '../../rng.js';
import type { HostTensor, HostTensors, Tensors } from '../../runtime/program/program.js';
import type { ModelDescription } from '../../train/checkpoint.js';
import type { Task } from '../../train/task.js';
import { isTuned } from '../annotation/trainable.js';
import { cellInputs } from '../cell-encoder.js';
import { maskForReconstruction } from '../integration/mask.js';
import { isFixedScaling } from '../mlp.js';
import type { MultimodalCells } from './cells.js';
import type { MultimodalConfig } from './config.js';
import { proteinTokens, readProteinLevels, readStates, standardised, unstandardised, type MultimodalHeadInfo } from './head.js';

export interface MultimodalSetup {
  readonly config: MultimodalConfig;
  readonly corpus: Corpus;
  readonly cells: MultimodalCells;
  /** The pretrained model that is fine-tuned. */
  readonly model: ModelDescription & { readonly parameters: HostTensors };
  readonly head: MultimodalHeadInfo;
  /** The fresh head, scaling of states included. */
  readonly headParameters: HostTensors;
}

/**
 * RNA and surface proteins in one sequence: behind [LAT] and the genes stands a token of each protein, of a type of its own and at no position, as
 * proteins have no order; all attend to all. Some levels are hidden and told from the states of their tokens, and some genes are masked as in
 * pretraining:
 *
 *     loss = weight · mean over hidden proteins of (predicted - true)², in standard deviations + weight of reconstruction · dual loss
 *
 * Of half the training cells all proteins are hidden: the prediction from RNA alone that is scored.
 *
 * Data: a corpus of genes and a file with the proteins of the same cells. Watched: `proteinPearson` of the validation split, the mean over proteins of
 * the correlation over cells. Ridge regression on principal components is hard to beat: read the table.
 */
export function createMultimodalTask(setup: MultimodalSetup): Task {
  const { config, corpus, cells, model, head, headParameters } = setup;
  const { modelConfig, vocabulary, preprocessing, entropy } = model;
  const { reconstruction } = config;
  const P = head.proteins.length;
  const diffusion = DiffusionConfig.parse({ valueWeight: reconstruction.valueWeight });
  const parameters = { ...model.parameters, ...headParameters };
  // Genes are masked and asked for, and layers read for every token: whole means all of it, whatever the cell embedding depends on.
  const tunes = config.tune.kind === 'whole' ? () => true : isTuned(config.tune, modelConfig);

  return {
    name: 'multimodal',
    parameters,
    trainable: Object.keys(parameters).filter((name) => (name in model.parameters ? tunes(name) : !isFixedScaling(name))),

    batches(split, { rng: passRng, batchSize, skipBatches = 0 }) {
      const isTraining = split === 'train';
      const depth = isTraining ? config.depth : { kind: 'none' as const };
      return createLoader(corpus, {
        rows: cells.rows[split],
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
      return {
        ...maskForReconstruction(batch, vocabulary, reconstruction, diffusion, batchRng.fork('genes')),
        proteins: { dtype: 'float32', shape: [batch.numCells, P], data: cells.gather(batch.cellIndex) },
        isHidden: hideProteins(batch, P, split === 'train' ? config.proteins.hideAll : 1, batchRng.fork('proteins')),
        ...(split === 'train' && { dropoutSeed: { dtype: 'int32', shape: [2], data: Int32Array.from(batchRng.fork('dropout').seedPair()) } }),
      };
    },

    /** Two means over two things: cells are what both come from. */
    lossWeight: (inputs) => inputs['geneIds']!.shape[0]!,

    loss(state, inputs, { isTraining }) {
      const given = (name: string) => inputs[name]!;
      const truth = standardised(state, given('proteins') as tf.Tensor2D); // [B, P]
      const isHidden = given('isHidden') as tf.Tensor2D;
      const { latent, slots, further } = jointStates(
        state,
        { geneIds: given('geneIds') as tf.Tensor2D, values: given('values') as tf.Tensor2D, isReplaced: given('isReplaced') as tf.Tensor2D },
        proteinTokens(state, truth, isHidden),
        given('lossPositions') as tf.Tensor1D,
        modelConfig,
        vocabulary,
        {
          dropoutSeed: isTraining ? (given('dropoutSeed') as tf.Tensor1D) : undefined,
          recomputesBlocks: config.train.gradientCheckpointing,
        },
      );
      const squared = tf.mul(tf.square(tf.sub(readProteinLevels(state, readStates(further, latent)), truth)), isHidden);
      const proteinLoss = tf.div(tf.sum(squared), tf.maximum(tf.sum(isHidden), 1)) as tf.Scalar;
      const genes = dualLoss(
        state,
        slots,
        given('targetIds') as tf.Tensor1D,
        given('targetValues') as tf.Tensor1D,
        given('lossWeights') as tf.Tensor1D,
        reconstruction.valueWeight,
      );
      const loss = tf.add(tf.mul(proteinLoss, config.proteins.weight), tf.mul(genes.loss, reconstruction.weight)) as tf.Scalar;
      return { loss, aux: { proteinLoss, reconstructionLoss: genes.loss, identityLoss: genes.identityLoss, valueLoss: genes.valueLoss } };
    },

    async evaluate(split, context) {
      const losses = await context.meanLoss(split);
      const predicted: number[] = [];
      const rows: number[] = [];
      const batches = this.batches(split, { rng: context.rng, batchSize: context.batchSize });
      try {
        for await (const batch of batches) {
          const { levels } = await context.run(
            'proteins',
            (state, inputs) => ({ levels: proteinsFromGenes(state, inputs, modelConfig, vocabulary, P) }),
            cellInputs(batch),
          );
          predicted.push(...(levels!.data as Float32Array));
          rows.push(...batch.cellIndex);
        }
      } finally {
        await batches.close();
      }
      const { proteinPearson, proteinRmse } = scoreProteins(cells.gather(Int32Array.from(rows)), predicted, P);
      // An untrained readout tells constants, which correlate with nothing.
      return { ...losses, proteinPearson: Number.isNaN(proteinPearson) ? 0 : proteinPearson, proteinRmse };
    },
  };
}

/**
 * Proteins told from the genes alone, in the scale they were given in, as a pure function of parameters and `cellInputs`.
 * @returns [B, P]
 */
export function proteinsFromGenes(state: Tensors, inputs: Tensors, modelConfig: ModelConfig, vocabulary: Vocabulary, P: number): tf.Tensor2D {
  return tf.tidy(() => unstandardised(state, readProteinLevels(state, hiddenProteinStates(state, inputs, modelConfig, vocabulary, P))));
}

/** What the levels of cells are told from, none of them shown. [B, (P + 1) · D] */
export function hiddenProteinStates(state: Tensors, inputs: Tensors, modelConfig: ModelConfig, vocabulary: Vocabulary, P: number): tf.Tensor2D {
  const geneIds = inputs['geneIds'] as tf.Tensor2D;
  const values = inputs['values'] as tf.Tensor2D;
  const [B] = geneIds.shape;
  const tokens = proteinTokens(state, tf.zeros([B, P]), tf.ones([B, P]));
  const { further, latent } = jointStates(
    state,
    { geneIds, values, isReplaced: tf.zerosLike(values) },
    tokens,
    tf.tensor1d([], 'int32'),
    modelConfig,
    vocabulary,
  );
  return readStates(further, latent);
}

/** All proteins of some cells, and of the others each with a chance that is drawn for the cell. [B, P] */
function hideProteins({ numCells: B }: CellBatch, P: number, hideAll: number, rng: Rng): HostTensor {
  const data = new Float32Array(B * P);
  for (let b = 0; b < B; b++) {
    const cell = rng.fork(`cell/${b}`);
    const share = cell.uniform() < hideAll ? 1 : cell.uniform();
    for (let p = 0; p < P; p++) data[b * P + p] = cell.uniform() < share ? 1 : 0;
  }
  return { dtype: 'float32', shape: [B, P], data };
}
