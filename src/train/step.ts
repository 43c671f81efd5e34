import * as tf from '@tensorflow/tfjs-core';
import { NonFiniteError } from '../errors.js';
import { gradients } from '../runtime/program/gradients.js';
import type { Executor, HostTensor, HostTensors, Program, ProgramFn, Tensors, Variables } from '../runtime/program/program.js';
import type { TrainConfig } from './config.js';
import { applyGradients, gradientSumName, initialOptimizerState, PROGRESS, stepScalars } from './optimizer.js';
import type { Task } from './task.js';

// P trainable parameters

/** What one optimiser step tells the hooks; aux values are the task's own names. */
export interface StepStats {
  readonly loss: number;
  readonly aux: Readonly<Record<string, number>>;
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  readonly lr: number;
  /** Of all workers, where there are several. */
  readonly numCells?: number;
  /** Where there are several workers: one of them was asked to stop, and all do after this step. */
  readonly wantsStop?: boolean;
}

/** What a worker has to say to the others beside its gradients; without others nobody asks. */
export interface StepNotes {
  readonly numCells: number;
  readonly wantsStop: boolean;
}

/** Where a batch stood, for the message when it breaks the run. */
export interface BatchPlace {
  readonly epoch: number;
  readonly batchIndex: number;
}

export interface TrainStep {
  /**
   * One update from one batch, given as the inputs of its micro-batches.
   * @param step 0-based
   * @throws NonFiniteError naming step, batch and the first parameter whose gradient is not finite; no parameter has changed then
   */
  run(microBatches: readonly HostTensors[], step: number, place: BatchPlace, notes?: StepNotes): Promise<StepStats>;
  dispose(): void;
}

/** Parameters and optimiser state, as the executor holds them during a run. */
export function createTrainVariables(executor: Executor, task: Task, config: TrainConfig, owns?: (name: string) => boolean): Promise<Variables> {
  return executor.createVariables({ ...task.parameters, ...initialOptimizerState(config, task.parameters, task.trainable, owns) });
}

export interface StepSetup {
  readonly task: Task;
  readonly executor: Executor;
  readonly variables: Variables;
  readonly config: TrainConfig;
  readonly totalSteps: number;
}

/**
 * Compiles a task's step. Whole batches take one fused program: forward, backward, clip, AdamW. Accumulated ones take two: the
 * first adds w · gradient of each micro-batch to a sum, the second applies the sum and clears it.
 *
 * A loss is a mean over some denominator d (task.lossWeight: masked positions, labelled cells), so micro-batch i enters with
 * w_i = d_i / Σ d. Losses, aux and gradients are then exactly those of the undivided batch: Σ (d_i / Σ d) · (s_i / d_i) = Σ s_i / Σ d.
 */
export function createTrainStep(setup: StepSetup): TrainStep {
  return setup.config.accumulation === 1 ? fusedStep(setup) : accumulatedStep(setup);
}

function fusedStep({ task, executor, variables, config, totalSteps }: StepSetup): TrainStep {
  const step: ProgramFn = (state, inputs) => {
    const { loss, aux, grads } = taskGradients(task, state, inputs);
    const { updates, gradNorm, gradSquares } = applyGradients(config, state, grads, inputs, loss);
    return { outputs: { ...prefixed(aux), loss, gradNorm, gradSquares }, updates };
  };
  const program = executor.compile(step, { variables, precision: config.precision, name: `${task.name}/train` });
  return {
    async run([inputs], stepIndex, place) {
      const scalars = stepScalars(config, stepIndex, totalSteps);
      const out = await program.run({ ...inputs!, ...scalars });
      const stats = { ...readLoss(out), gradNorm: value(out['gradNorm']!), lr: value(scalars['train/lr']!) };
      assertFinite(stats, out['gradSquares']!, task.trainable, stepIndex, place);
      return stats;
    },
    dispose: () => program.dispose(),
  };
}

export const MICRO_WEIGHT = 'train/microWeight';
const TOTAL_LOSS = 'train/totalLoss';

function accumulatedStep({ task, executor, variables, config, totalSteps }: StepSetup): TrainStep {
  const accumulate: ProgramFn = (state, inputs) => {
    const { loss, aux, grads } = taskGradients(task, state, inputs);
    const updates = mapNames(grads, gradientSumName, (grad, sum) => tf.add(state[sum]!, tf.mul(grad, inputs[MICRO_WEIGHT]!)));
    return { outputs: { ...prefixed(aux), loss }, updates };
  };
  const apply: ProgramFn = (state, inputs) => {
    const grads = Object.fromEntries(task.trainable.map((name) => [name, state[gradientSumName(name)]!]));
    const { updates, gradNorm, gradSquares } = applyGradients(config, state, grads, inputs, inputs[TOTAL_LOSS] as tf.Scalar);
    return { outputs: { gradNorm, gradSquares }, updates: { ...updates, ...mapNames(grads, gradientSumName, (sum) => tf.zerosLike(sum)) } };
  };
  const compile = (fn: ProgramFn, name: string): Program => executor.compile(fn, { variables, precision: config.precision, name: `${task.name}/${name}` });
  const accumulateProgram = compile(accumulate, 'accumulate');
  const applyProgram = compile(apply, 'apply');
  return {
    async run(microBatches, stepIndex, place) {
      const weights = shares(microBatches.map((inputs) => task.lossWeight(inputs)));
      const scalars = stepScalars(config, stepIndex, totalSteps);
      let total: { loss: number; aux: Record<string, number> } = { loss: 0, aux: {} };
      for (const [i, inputs] of microBatches.entries()) {
        const out = await accumulateProgram.run({ ...inputs, [MICRO_WEIGHT]: scalar(weights[i]!), [PROGRESS]: scalars[PROGRESS]! });
        total = addWeighted(total, readLoss(out), weights[i]!);
      }
      const out = await applyProgram.run({ ...scalars, [TOTAL_LOSS]: scalar(total.loss) });
      const stats = { ...total, gradNorm: value(out['gradNorm']!), lr: value(scalars['train/lr']!) };
      assertFinite(stats, out['gradSquares']!, task.trainable, stepIndex, place);
      return stats;
    },
    dispose() {
      accumulateProgram.dispose();
      applyProgram.dispose();
    },
  };
}

/** Loss, aux and the gradient of every trainable parameter. @param weight multiplies the loss, and with it the gradients */
export function taskGradients(task: Task, state: Tensors, inputs: Tensors, weight?: tf.Scalar) {
  const named = (names: readonly string[]): Tensors => Object.fromEntries(names.map((name) => [name, state[name]!]));
  const all = named(Object.keys(task.parameters));
  const weighted = ({ loss, aux }: ReturnType<Task['loss']>) => ({ loss: weight ? (tf.mul(loss, weight) as tf.Scalar) : loss, aux });
  return gradients((trainable) => weighted(task.loss({ ...all, ...trainable }, inputs, { isTraining: true })), named(task.trainable));
}

/** @throws NonFiniteError; the programs have left every parameter as it was */
export function assertFinite(
  { loss, gradNorm }: StepStats,
  gradSquares: HostTensor,
  trainable: readonly string[],
  step: number,
  { epoch, batchIndex }: BatchPlace,
): void {
  if (Number.isFinite(loss) && Number.isFinite(gradNorm)) return;
  const bad = trainable[Array.from(gradSquares.data).findIndex((square) => !Number.isFinite(square))];
  throw new NonFiniteError({
    key: `step ${step + 1}, batch ${batchIndex} of epoch ${epoch}`,
    found: `loss ${loss}, gradient norm ${gradNorm}${bad ? `; first gradient that is not finite: ${bad}` : ''}`,
    hint: 'parameters are as before this step; lower train.optimizer.lr or train.optimizer.clipNorm, or use precision f32',
  });
}

/** Shares of a total; equal ones when nothing in the batch counts, where every loss is 0. */
function shares(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => (total > 0 ? weight / total : 1 / weights.length));
}

const AUX = 'aux/';
const prefixed = (aux: Tensors): Tensors => Object.fromEntries(Object.entries(aux).map(([name, tensor]) => [AUX + name, tensor]));

/** Loss and aux out of a program that gave them with `lossOutputs`' names. */
export function readLoss(out: HostTensors): { loss: number; aux: Record<string, number> } {
  const aux = Object.entries(out).filter(([name]) => name.startsWith(AUX));
  return { loss: value(out['loss']!), aux: Object.fromEntries(aux.map(([name, tensor]) => [name.slice(AUX.length), value(tensor)])) };
}

/** The outputs of a program that only computes a task's loss. */
export const lossOutputs = ({ loss, aux }: ReturnType<Task['loss']>): Tensors => ({ ...prefixed(aux), loss });

/** sum + weight · term, for the loss and every aux. */
export function addWeighted(sum: { loss: number; aux: Record<string, number> }, term: { loss: number; aux: Record<string, number> }, weight: number) {
  const aux = Object.fromEntries(Object.entries(term.aux).map(([name, x]) => [name, (sum.aux[name] ?? 0) + weight * x]));
  return { loss: sum.loss + weight * term.loss, aux };
}

export function mapNames(tensors: Tensors, rename: (name: string) => string, fn: (tensor: tf.Tensor, newName: string) => tf.Tensor): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), fn(tensor, rename(name))]));
}

export const value = ({ data }: HostTensor): number => data[0]!;
export const scalar = (x: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(x) });
