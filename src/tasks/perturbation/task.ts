// B cells, L genes in context, G genes of the panel
import * as tf from '@tensorflow/tfjs-core';
import { placesOf } from '../../data/batch.js';
import { bareBatches } from '../../data/loader/bare-batches.js';
import { isRealGene } from '../../model/cell-encoder.js';
import type { Rng } from '../../rng.js';
import type { HostTensors } from '../../runtime/program/program.js';
import type { ModelDescription } from '../../train/checkpoint.js';
import { dropoutSeed } from '../../train/dropout-seed.js';
import type { Task } from '../../train/task.js';
import { isOfEmbedding } from '../cell-encoder.js';
import { rowsOf, type PerturbationCells } from './cells.js';
import type { PerturbationConfig } from './config.js';
import { effectsOfParts, type TrainedEffects } from './effects.js';
import { contextOrder, exampleInputs, positionsByMean, sampleContext, type Example } from './examples.js';
import { SINGLE_EFFECTS, singleEffectsTensor } from './head.js';
import { deRankingLoss, weightedSquaredError } from './loss.js';
import { HEAD_PREFIX, initialHead, predictedChange } from './model.js';
import type { PerturbationSplit } from './split.js';
import { createValidation } from './validation.js';

export interface PerturbationSetup {
  readonly config: PerturbationConfig;
  readonly cells: PerturbationCells;
  readonly split: PerturbationSplit;
  readonly effects: TrainedEffects;
  /** Trained single perturbations by gene; empty unless the regressor is given them. */
  readonly singles: ReadonlyMap<string, Float64Array>;
  readonly sizes: HeadSizes;
  readonly model: ModelDescription & { readonly parameters: HostTensors };
  /** Initial head. */
  readonly rng: Rng;
}

export interface HeadSizes {
  readonly contextGenes: number;
  readonly numSlots: number;
  readonly hiddenDim: number;
}

/**
 * Response to perturbations: a control cell and [PERT] tokens in, the change of every gene's mean expression out.
 *
 * Data: perturbed cells, each with a matched control cell; whole perturbations are held out. The change is counted from the mean of
 * the control cells of the match group, so that what differs from one control cell to the next is not taken for an effect. Watched:
 * `deScore`, the mean of DE-AUPRC and LFC Spearman over the validation perturbations. To beat: the additive baseline on
 * combinations of seen genes, the training mean on unseen ones.
 */
export function createPerturbationTask(setup: PerturbationSetup): Task {
  const { config, cells, split, effects, singles, sizes, model, rng } = setup;
  const { modelConfig, vocabulary } = model;
  const { panel } = cells;
  const G = panel.ids.length;
  const seqLen = Math.min(sizes.contextGenes, G);
  const rowsOfPerturbation = rowsOf(cells);
  const trainRows = split.train.map(({ name }) => rowsOfPerturbation[cells.perturbations.findIndex((p) => p.name === name)]!);
  const orders = cells.groupMeans.map(positionsByMean);
  const parameters: HostTensors = { ...model.parameters, ...initialHead(modelConfig.hiddenDim, sizes.hiddenDim, rng), ...singleEffectsTensor(singles, G) };
  const validation = createValidation(setup);

  const example = (row: number, exampleRng: Rng): Example => {
    const perturbation = cells.perturbations[cells.perturbation[row]!]!;
    const group = cells.group[row]!;
    const control = cells.ranked(cells.matched[row]!);
    const hiding = exampleRng.fork('hide');
    const effectsSeen = effectsOfParts(perturbation, singles, G, () => hiding.uniform() < config.hideSingleEffect);
    const context = sampleContext(contextOrder(control, panel, orders[group]!), seqLen, perturbation, panel, exampleRng.fork('context'));
    return { control, perturbation, reference: cells.groupMeans[group]!, ...effectsSeen, context };
  };
  const realChange = (row: number): ArrayLike<number> => {
    const group = cells.group[row]!;
    if (config.target === 'mean') return effects.groupChange(cells.perturbations[cells.perturbation[row]!]!.name, group);
    const change = cells.groupMeans[group]!.map((v) => -v);
    for (let at = cells.x.indptr[row]!; at < cells.x.indptr[row + 1]!; at++) change[cells.x.indices[at]!]! += cells.x.values[at]!;
    return change;
  };
  const targets = (rows: Int32Array, examples: readonly Example[]) => {
    const [change, isChanged] = [new Float32Array(rows.length * seqLen), new Float32Array(rows.length * seqLen)];
    rows.forEach((row, b) => {
      const real = realChange(row);
      const changed = effects.isChanged.get(examples[b]!.perturbation.name)!;
      examples[b]!.context.forEach((position, l) => {
        change[b * seqLen + l] = real[position]!;
        isChanged[b * seqLen + l] = changed[position]!;
      });
    });
    const tensor = (data: Float32Array) => ({ dtype: 'float32' as const, shape: [rows.length, seqLen], data });
    return { change: tensor(change), isChanged: tensor(isChanged) };
  };

  return {
    name: 'perturbation',
    parameters,
    trainable: Object.keys(parameters).filter((name) => (name.startsWith(HEAD_PREFIX) ? name !== SINGLE_EFFECTS : isOfEmbedding(name))),

    /** Training cells by their rows among the perturbation cells; what is validated and tested are perturbations, not batches of cells. */
    batches(which, options) {
      if (which === 'train') return bareBatches(sampleRows(trainRows, config.cellsPerPerturbation, options.rng), options);
      const held = which === 'validation' ? split.validation : split.test.flatMap(({ perturbations }) => perturbations);
      return bareBatches(
        Int32Array.from(held, ({ name }) => cells.perturbations.findIndex((p) => p.name === name)),
        { ...options, rng: null, part: undefined },
      );
    },

    inputs(batch, batchRng, which) {
      if (which !== 'train') throw new Error('held-out perturbations are predicted whole, see evaluate');
      const places = placesOf(batch);
      const examples = Array.from(batch.cellIndex, (row, b) => example(row, batchRng.fork(`cell/${places[b]}`)));
      return {
        ...exampleInputs(examples, seqLen, sizes.numSlots, panel, vocabulary.padId),
        ...targets(batch.cellIndex, examples),
        dropoutSeed: dropoutSeed(batch, batchRng),
      };
    },

    /** Cells: every one shows as many genes. */
    lossWeight: (inputs) => inputs['geneIds']!.shape[0]!,

    loss(state, inputs) {
      const predicted = predictedChange(
        state,
        inputs,
        modelConfig,
        vocabulary,
        { dropoutSeed: inputs['dropoutSeed'] as tf.Tensor1D, recomputesBlocks: config.train.gradientCheckpointing },
        config.head.dropout,
      );
      const real = inputs['change'] as tf.Tensor2D;
      const isChanged = inputs['isChanged'] as tf.Tensor2D;
      const isValid = isRealGene(inputs['geneIds'] as tf.Tensor2D, vocabulary);
      const weights = tf.mul(isValid, tf.add(1, tf.mul(config.loss.changedWeight, isChanged))) as tf.Tensor2D;
      const squaredError = weightedSquaredError(predicted, real, weights);
      const ranking = deRankingLoss(predicted, real, isChanged, isValid, config.loss.rankingScale);
      return { loss: tf.add(squaredError, tf.mul(ranking, config.loss.rankingWeight)) as tf.Scalar, aux: { squaredError, ranking } };
    },

    evaluate: (which, context) =>
      validation.score(
        which === 'test' ? split.test.flatMap(({ perturbations }) => perturbations) : which === 'train' ? split.train : split.validation,
        context,
      ),
  };
}

/** Rows of one pass: all, or so many of each perturbation. */
function sampleRows(rowsOfPerturbation: readonly Int32Array[], most: number | null, rng: Rng): Int32Array {
  const draw = (rows: Int32Array, i: number): Int32Array =>
    most === null || rows.length <= most
      ? rows
      : rng
          .fork(`cells/${i}`)
          .permutation(rows.length)
          .slice(0, most)
          .map((at) => rows[at]!);
  return Int32Array.from(rowsOfPerturbation.flatMap((rows, i) => Array.from(draw(rows, i))));
}
