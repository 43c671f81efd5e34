// B cells, L genes a cell, D cell embedding, C classes of a task, K tasks, M loss rows of the reconstruction
import * as tf from '@tensorflow/tfjs-core';
import type { CellBatch } from '../../data/batch.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import { createLoader } from '../../data/loader/loader.js';
import { DiffusionConfig } from '../../diffusion/config.js';
import { drawTimes, maskGenes } from '../../diffusion/forward.js';
import { dualLoss, weightedMean } from '../../diffusion/loss.js';
import { rSquared } from '../../metrics/correlation.js';
import { scoreLabels } from '../../metrics/classification.js';
import { mostLikely } from '../../metrics/most-likely.js';
import { slotStates } from '../../model/scdiva.js';
import type { Rng } from '../../rng.js';
import type { HostTensor, HostTensors, Tensors } from '../../runtime/program/program.js';
import type { ModelDescription } from '../../train/checkpoint.js';
import { dropoutSeed } from '../../train/dropout-seed.js';
import type { EvaluationContext, Metrics, Split, Task } from '../../train/task.js';
import { cellInputs, embedCells, isOfEmbedding } from '../cell-encoder.js';
import { headLogits, initialHead } from '../annotation/head.js';
import { classificationLoss } from '../annotation/loss.js';
import type { MultitaskConfig } from './config.js';
import { MAIN_METRIC, usedRows, type Subtask } from './subtask.js';

export interface MultitaskSetup {
  readonly config: MultitaskConfig;
  readonly corpus: Corpus;
  readonly subtasks: readonly Subtask[];
  readonly model: ModelDescription & { readonly parameters: HostTensors };
  /** [n, D] of some training cells: what the heads scale their input by. */
  readonly sample: Float32Array;
  readonly rng: Rng;
}

/** Learned log variance of each task's loss, where balance is uncertainty. [K] */
const LOG_VARIANCE = 'multitask_head.log_variance';
const MASKED = 'masked/';
/** Places of the heads' dropout among the model's: behind those of any number of layers. */
const HEAD_DROPOUT_INDEX = 1_000_000;

/**
 * Several tasks on one encoder: loss = Σ_k a_k · weight_k · loss_k, or with learned weights Σ_k a_k · (exp(-s_k) · weight_k · loss_k + s_k / 2)
 * (Kendall, Gal & Cipolla, 2018), where a_k says whether the batch is for task k. Every loss_k is a mean over the cells (or masked genes) that
 * the task has something to say about; lossWeight is the number of cells, so that dividing a batch changes a step slightly where labels are
 * missing.
 *
 * Watched: `score`, the mean of every task's main metric (macro-F1, R² of a number, R² of hidden values) on the validation split; an R² below 0,
 * which has no floor, counts as 0.
 */
export function createMultitask({ config, corpus, subtasks, model, sample, rng }: MultitaskSetup): Task {
  const { modelConfig, vocabulary, preprocessing, entropy } = model;
  const D = modelConfig.hiddenDim;
  const hasReconstruction = subtasks.some(({ kind }) => kind === 'reconstruction');
  const diffusion = DiffusionConfig.parse({});
  const headDim = config.head.hiddenDim ?? D;
  const heads = subtasks.flatMap((subtask) =>
    subtask.kind === 'reconstruction'
      ? []
      : [initialHead({ embeddingDim: D, hiddenDim: headDim, numClasses: numOutputs(subtask) }, sample, rng.fork('head'), subtask.prefix)],
  );
  const isBalanced = config.balance === 'uncertainty' && subtasks.length > 1;
  const parameters: HostTensors = {
    ...model.parameters,
    ...Object.assign({}, ...heads),
    ...(isBalanced && { [LOG_VARIANCE]: { dtype: 'float32', shape: [subtasks.length], data: new Float32Array(subtasks.length) } satisfies HostTensor }),
  };
  const learns = (name: string): boolean =>
    name in model.parameters ? hasReconstruction || isOfEmbedding(name, modelConfig) : !/\.input_(mean|std)$/.test(name);

  const outputs = (state: Tensors, inputs: Tensors, dropoutSeed?: tf.Tensor1D): Record<string, tf.Tensor2D> => {
    const embedding = embedCells(state, inputs, modelConfig, vocabulary, { dropoutSeed, recomputesBlocks: config.train.gradientCheckpointing }); // [B, D]
    return Object.fromEntries(
      subtasks.flatMap(({ kind, prefix, config: { name } }, k) =>
        kind === 'reconstruction'
          ? []
          : [[name, headLogits(state, embedding, dropoutSeed && { rate: config.head.dropout, seed: dropoutSeed, index: HEAD_DROPOUT_INDEX + k }, prefix)]],
      ),
    );
  };

  const subtaskLoss = (
    subtask: Subtask,
    state: Tensors,
    inputs: Tensors,
    out: Record<string, tf.Tensor2D>,
    dropoutSeed?: tf.Tensor1D,
  ): { loss: tf.Scalar; aux: Record<string, tf.Scalar> } => {
    const { name } = subtask.config;
    if (subtask.kind === 'classification')
      return { loss: classificationLoss(out[name]!, inputs[`${name}/labels`] as tf.Tensor1D, inputs[`${name}/weights`] as tf.Tensor1D, 0).loss, aux: {} };
    if (subtask.kind === 'regression')
      return { loss: tf.mean(tf.square(tf.sub(tf.squeeze(out[name]!, [1]), inputs[`${name}/target`]!))) as tf.Scalar, aux: {} };
    const given = (key: string) => inputs[MASKED + key]!;
    const cells = { geneIds: given('geneIds') as tf.Tensor2D, values: given('values') as tf.Tensor2D, isReplaced: given('isReplaced') as tf.Tensor2D };
    const rows = slotStates(state, cells, given('lossPositions') as tf.Tensor1D, modelConfig, vocabulary, {
      dropoutSeed,
      recomputesBlocks: config.train.gradientCheckpointing,
    }); // [M, D]
    const values = given('targetValues') as tf.Tensor1D;
    const weights = given('lossWeights') as tf.Tensor1D;
    const { loss, identityLoss, valueLoss } = dualLoss(state, rows, given('targetIds') as tf.Tensor1D, values, weights, subtask.config.valueWeight);
    return {
      loss,
      aux: {
        [`${name}/identityLoss`]: identityLoss,
        [`${name}/valueLoss`]: valueLoss,
        [`${name}/meanValue`]: weightedMean(values, weights),
        [`${name}/meanSquare`]: weightedMean(tf.square(values), weights),
      },
    };
  };

  return {
    name: 'multitask',
    parameters,
    trainable: Object.keys(parameters).filter(learns),

    batches(split, { rng: passRng, batchSize, skipBatches = 0, part }) {
      const isTraining = split === 'train';
      const depth = isTraining ? config.depth : { kind: 'none' as const };
      return createLoader(corpus, {
        rows: usedRows(corpus, subtasks, split),
        batchSize,
        skipBatches,
        part: isTraining ? part : undefined,
        preprocessing,
        entropy,
        depth,
        rng: isTraining ? passRng : null,
        loader: config.loader,
      });
    },

    inputs(batch, batchRng, split) {
      const active = split === 'train' ? drawTasks(config.sampling, subtasks, batchRng.fork('tasks')) : subtasks.map(() => 1);
      const inputs: Record<string, HostTensor> = {
        ...cellInputs(batch),
        active: { dtype: 'float32', shape: [subtasks.length], data: Float32Array.from(active) },
      };
      for (const subtask of subtasks) Object.assign(inputs, targetsOf(subtask, batch));
      if (hasReconstruction) {
        const masked = maskGenes(batch, drawTimes(batch, diffusion, batchRng.fork('times')), vocabulary, diffusion, batchRng.fork('mask'));
        for (const [name, tensor] of Object.entries(masked)) inputs[MASKED + name] = tensor;
      }
      return split === 'train' ? { ...inputs, dropoutSeed: dropoutSeed(batch, batchRng) } : inputs;
    },

    lossWeight: (inputs) => inputs['geneIds']!.shape[0]!,

    loss(state, inputs, { isTraining }) {
      const seed = isTraining ? (inputs['dropoutSeed'] as tf.Tensor1D) : undefined;
      const out = outputs(state, inputs, seed);
      const terms = subtasks.map((subtask) => ({ subtask, ...subtaskLoss(subtask, state, inputs, out, seed) }));
      const weighted = terms.map(({ subtask, loss }, k) => {
        const own = tf.mul(loss, subtask.config.weight);
        const variance = isBalanced ? (tf.squeeze(tf.slice(state[LOG_VARIANCE]!, k, 1)) as tf.Scalar) : undefined;
        const term = variance ? tf.add(tf.mul(tf.exp(tf.neg(variance)), own), tf.div(variance, 2)) : own;
        return tf.mul(term, tf.squeeze(tf.slice(inputs['active']!, k, 1))) as tf.Scalar;
      });
      return {
        loss: tf.addN(weighted) as tf.Scalar,
        aux: Object.assign({}, ...terms.map(({ subtask, loss, aux }) => ({ [`${subtask.config.name}/loss`]: loss, ...aux }))) as Record<string, tf.Scalar>,
      };
    },

    evaluate(split, context) {
      return evaluateMultitask(this, subtasks, split, context, (state, inputs) => outputs(state, inputs));
    },
  };
}

const numOutputs = (subtask: Subtask): number => (subtask.kind === 'classification' ? subtask.labels.classes.length : 1);

/** 1 for the tasks a batch is for. */
function drawTasks(sampling: MultitaskConfig['sampling'], subtasks: readonly Subtask[], rng: Rng): number[] {
  if (sampling === 'all') return subtasks.map(() => 1);
  const shares = subtasks.map(({ numTrainCells }) => (sampling === 'even' ? 1 : numTrainCells));
  let left = rng.uniform() * shares.reduce((sum, share) => sum + share, 0);
  const drawn = shares.findIndex((share) => (left -= share) < 0);
  return subtasks.map((_, k) => (k === drawn ? 1 : 0));
}

function targetsOf(subtask: Subtask, { numCells, cellIndex }: CellBatch): HostTensors {
  const { name } = subtask.config;
  if (subtask.kind === 'reconstruction') return {};
  if (subtask.kind === 'regression') {
    const { values, mean, std } = subtask.target;
    return { [`${name}/target`]: { dtype: 'float32', shape: [numCells], data: Float32Array.from(cellIndex, (row) => (values[row]! - mean) / std) } };
  }
  const codes = cellIndex.map((row) => subtask.labels.codes[row]!);
  const isClass = (code: number): boolean => code >= 0 && code < subtask.labels.classes.length;
  return {
    [`${name}/labels`]: { dtype: 'int32', shape: [numCells], data: codes.map((code) => (isClass(code) ? code : 0)) },
    [`${name}/weights`]: { dtype: 'float32', shape: [numCells], data: Float32Array.from(codes, (code) => (isClass(code) ? 1 : 0)) },
  };
}

/** Scores of every task on its own cells, named `<task>/<metric>`, and their mean `score`. */
async function evaluateMultitask(
  task: Task,
  subtasks: readonly Subtask[],
  split: Split,
  context: EvaluationContext,
  outputs: (state: Tensors, inputs: Tensors) => Tensors,
): Promise<Metrics> {
  const losses = await context.meanLoss(split);
  const rows: number[] = [];
  const given = new Map<string, number[]>(subtasks.map(({ config }) => [config.name, []]));
  if (subtasks.some(({ kind }) => kind !== 'reconstruction')) {
    const batches = task.batches(split, { rng: context.rng, batchSize: context.batchSize });
    try {
      for await (const batch of batches) {
        rows.push(...batch.cellIndex);
        for (const [name, { data }] of Object.entries(await context.run('outputs', outputs, cellInputs(batch))))
          given.get(name)!.push(...(data as Float32Array));
      }
    } finally {
      await batches.close();
    }
  }
  const scores: Record<string, number> = { loss: losses['loss']! };
  for (const subtask of subtasks)
    for (const [metric, value] of Object.entries(scoreSubtask(subtask, rows, given.get(subtask.config.name)!, losses)))
      scores[`${subtask.config.name}/${metric}`] = value;
  const main = subtasks.map(({ kind, config }) => scores[`${config.name}/${MAIN_METRIC[kind]}`]!);
  return { ...scores, score: main.reduce((sum, value) => sum + Math.max(0, value), 0) / main.length };
}

function scoreSubtask(subtask: Subtask, rows: readonly number[], outputs: readonly number[], losses: Metrics): Metrics {
  const { name } = subtask.config;
  if (subtask.kind === 'reconstruction') {
    const mean = losses[`${name}/meanValue`]!;
    const variance = losses[`${name}/meanSquare`]! - mean ** 2;
    return { identityLoss: losses[`${name}/identityLoss`]!, valueLoss: losses[`${name}/valueLoss`]!, valueR2: 1 - losses[`${name}/valueLoss`]! / variance };
  }
  if (subtask.kind === 'regression') {
    const { values, mean, std } = subtask.target;
    const truth = rows.map((row) => values[row]!);
    return {
      r2: rSquared(
        truth,
        outputs.map((y) => y * std + mean),
      ),
    };
  }
  const { labels } = subtask;
  const C = labels.classes.length;
  const labelled = [...rows.keys()].filter((i) => labels.codes[rows[i]!]! >= 0);
  const { predicted } = mostLikely(Float64Array.from(labelled.flatMap((i) => outputs.slice(i * C, (i + 1) * C))), C);
  const { accuracy, macroF1 } = scoreLabels(
    labelled.map((i) => labels.codes[rows[i]!]!),
    predicted,
    C + labels.unseen.length,
  );
  return { accuracy, macroF1 };
}
