import type { Rng } from '../rng.js';
import type { BatchPart, CellBatch, CellBatches } from '../data/batch.js';
import type { LoraAdapters } from '../model/lora/lora.js';
import type { HostTensors, Tensors } from '../runtime/program/program.js';
import type * as tf from '@tensorflow/tfjs-core';

export type Split = 'train' | 'validation' | 'test';

/** Named plain numbers; names as in src/metrics. */
export type Metrics = Readonly<Record<string, number>>;

/** Scores of simple methods by their names, in the terms of the task's own metrics. */
export type Baselines = Readonly<Record<string, Metrics>>;

/**
 * All the loop knows of what it trains. A recipe is one file in src/tasks implementing this, and one YAML in configs.
 *
 * The pure tensor functions (`loss`, `evaluate`) are compiled by the executor: they read parameters and inputs by name, draw
 * nothing and read nothing back. Everything random is drawn in `inputs` from the Rng it is given.
 */
export interface Task {
  readonly name: string;
  /** Initial values of every parameter, by state-dict name. */
  readonly parameters: HostTensors;
  /** Names that receive gradients; the rest are frozen. */
  readonly trainable: readonly string[];
  /** Where low-rank adapters learn instead of the model's weights: checkpoints hold them, and the weights with them merged in. */
  readonly adapter?: LoraAdapters;
  /** Batches of one pass in that split. Training batches carry the sampler's cursor so that a run resumes exactly. */
  batches(split: Split, options: BatchOptions): CellBatches;
  /** Host side: what the loss needs for this batch (corruption, positions, class ids, seed). Deterministic in `rng`. */
  inputs(batch: CellBatch, rng: Rng, split: Split): HostTensors;
  /**
   * Denominator of the mean that `loss` takes over these inputs: masked positions, labelled cells … Micro-batches, validation
   * batches and workers are averaged with these weights, so that a step does not depend on how its cells were divided.
   * A loss that is a sum of means over different things has no single denominator: choose the one that matters and say so.
   */
  lossWeight(inputs: HostTensors): number;
  /**
   * Differentiable loss; `aux` scalars are logged beside it under their names. While training, the inputs also hold the scalar
   * `train/progress` (`PROGRESS` of optimizer.ts): the share of the steps taken, for terms that fade in.
   */
  loss(parameters: Tensors, inputs: Tensors, mode: { isTraining: boolean }): { loss: tf.Scalar; aux: Record<string, tf.Scalar> };
  /** Scores of a whole validation or test pass, from the parameters a `predict` function sees. Includes what early stopping watches. */
  evaluate(split: Split, context: EvaluationContext): Promise<Metrics>;
}

export interface BatchOptions {
  /** Stream of this epoch's shuffle; ignored for validation and test, which keep file order. */
  readonly rng: Rng;
  /** Cells a batch; with `part`, over all processes together. */
  readonly batchSize: number;
  /** Where several processes train together: what this one takes of every training batch. */
  readonly part?: BatchPart | undefined;
  /** Continue after this many batches already consumed in this epoch. */
  readonly skipBatches?: number;
}

export interface EvaluationContext {
  readonly rng: Rng;
  readonly batchSize: number;
  /** Mean loss and aux over the split, computed by the loop's compiled evaluation program. */
  meanLoss(split: Split): Promise<Metrics>;
  /** Runs a pure function of the current parameters on one set of inputs; compiled once per name. */
  run(name: string, fn: (parameters: Tensors, inputs: Tensors) => Tensors, inputs: HostTensors): Promise<HostTensors>;
}
