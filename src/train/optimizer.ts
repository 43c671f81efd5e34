import * as tf from '@tensorflow/tfjs-core';
import { adamUpdate, type AdamScalars } from '../runtime/ops/adam.js';
import { sumOfSquares } from '../runtime/ops/sum-of-squares.js';
import type { HostTensor, HostTensors, Tensors } from '../runtime/program/program.js';
import type { TrainConfig } from './config.js';
import { learningRate } from './schedule.js';

// P trainable tensors, each of any shape S; scalars are rank 0

/** First and second moment, average and gradient sum of a parameter: variables beside it, found by its name. */
export const momentName = (name: string): string => `adam.m/${name}`;
export const squareName = (name: string): string => `adam.v/${name}`;
export const isMoment = (variable: string): boolean => variable.startsWith(momentName('')) || variable.startsWith(squareName(''));
export const averageName = (name: string): string => `ema/${name}`;
export const gradientSumName = (name: string): string => `grad.sum/${name}`;

/** What changes from step to step is fed, so that one compiled step serves the whole run. */
const LR = 'train/lr';
const CORRECTION_1 = 'train/correction1';
const CORRECTION_2 = 'train/correction2';
const EMA_DECAY = 'train/emaDecay';
/** Share of the run's steps taken before this one, in [0, 1): a task's loss reads it for what it fades in. Only training has it. */
export const PROGRESS = 'train/progress';

/**
 * Scalars of one step: progress, learning rate, AdamW's bias corrections 1 / (1 - beta1^n) and 1 / sqrt(1 - beta2^n) with n = step + 1, and
 * the decay of the average, which starts low ((1 + step) / (10 + step)) so that a short run's average forgets its random start.
 */
export function stepScalars(config: TrainConfig, step: number, totalSteps: number): HostTensors {
  const { lr, beta1, beta2 } = config.optimizer;
  return {
    [PROGRESS]: scalar(step / totalSteps),
    [LR]: scalar(learningRate(config.schedule, lr, step, totalSteps)),
    [CORRECTION_1]: scalar(1 / (1 - beta1 ** (step + 1))),
    [CORRECTION_2]: scalar(1 / Math.sqrt(1 - beta2 ** (step + 1))),
    ...(config.ema && { [EMA_DECAY]: scalar(Math.min(config.ema.decay, (1 + step) / (10 + step))) }),
  };
}

/**
 * State the optimiser needs beside the parameters: zero moments, and averages that start at the weights.
 * @param owns of which parameters this worker keeps the moments; of all unless given
 */
export function initialOptimizerState(
  config: TrainConfig,
  parameters: HostTensors,
  trainable: readonly string[],
  owns: (name: string) => boolean = () => true,
): HostTensors {
  const state: Record<string, HostTensor> = {};
  for (const name of trainable) {
    const parameter = parameters[name]!;
    if (owns(name)) {
      state[momentName(name)] = zeros(parameter);
      state[squareName(name)] = zeros(parameter);
    }
    if (config.ema) state[averageName(name)] = parameter;
    if (config.accumulation > 1) state[gradientSumName(name)] = zeros(parameter);
  }
  return state;
}

export interface AppliedGradients {
  readonly updates: Tensors;
  /** Global norm before clipping. */
  readonly gradNorm: tf.Scalar;
  /** [P] squared norm of each gradient, in the order of `grads`: names the tensor that went bad. */
  readonly gradSquares: tf.Tensor1D;
  /** Of `exchange`, where it was given. */
  readonly sent?: tf.Tensor | undefined;
}

/** Where every worker updates a share of the parameters alone. */
export interface ShareOfUpdate {
  owns(name: string): boolean;
  /**
   * Brings every new value from its owner to the others.
   * @param parameters by name: new values of the own, old ones of the others
   * @param from what must be computed before anything is sent
   * @returns new values of all; sent: a result that is there once everything is, for the program to give out
   */
  exchange(parameters: Tensors, from: tf.Tensor): { parameters: Tensors; sent: tf.Tensor };
}

/**
 * One AdamW step with decoupled weight decay (Loshchilov & Hutter, 2019; the arithmetic of torch.optim.AdamW) after clipping by the
 * global norm, and the moving average of the result. Pure: new values are returned, by variable name.
 *
 * Decayed: tensors of rank 2 and more (embeddings and matrices). Not decayed: rank 0 and 1, which are norm weights, biases and the
 * learned mask vectors.
 *
 * When the loss or the norm is not finite every returned value equals the old one, so that the state stays usable.
 * @param variables parameters and optimiser state by name
 * @param grads gradient of each trainable parameter, by the parameter's name
 * @param inputs holds stepScalars
 * @param loss the step's loss, only looked at for being finite
 * @param share what the gradients are to be multiplied by before anything else: cheaper here, where it costs a few scalars
 * @param own the parameters this worker updates; all unless given
 */
export function applyGradients(
  config: TrainConfig,
  variables: Tensors,
  grads: Tensors,
  inputs: Tensors,
  loss: tf.Scalar,
  share?: tf.Scalar,
  own?: ShareOfUpdate,
): AppliedGradients {
  const { beta1, beta2, eps, weightDecay, clipNorm } = config.optimizer;
  const lr = inputs[LR]!;
  const entries = Object.entries(grads);

  const rawSquares = tf.stack(entries.map(([, grad]) => sumOfSquares(grad))) as tf.Tensor1D; // [P]
  const gradSquares = share ? (tf.mul(rawSquares, tf.square(share)) as tf.Tensor1D) : rawSquares; // [P]
  const gradNorm = tf.sqrt(tf.sum(gradSquares)) as tf.Scalar;
  const isSound = tf.isFinite(tf.add(gradNorm, loss));
  const soundness = tf.cast(isSound, 'float32'); // 1 = take the step, 0 = leave everything as it is
  const clip = clipNorm === null ? tf.scalar(1) : tf.minimum(tf.div(clipNorm, tf.add(gradNorm, 1e-6)), 1);

  const scalars: AdamScalars = {
    gradScale: tf.where(isSound, share ? tf.mul(clip, share) : clip, tf.scalar(0)),
    momentRate: tf.mul(soundness, 1 - beta1),
    squareRate: tf.mul(soundness, 1 - beta2),
    stepSize: tf.mul(tf.mul(lr, inputs[CORRECTION_1]!), soundness),
    rootScale: inputs[CORRECTION_2]!,
    epsilon: tf.scalar(eps),
  };
  const decay = weightDecay > 0 ? tf.sub(1, tf.mul(tf.mul(lr, weightDecay), soundness)) : undefined;
  const averageRate = config.ema ? tf.mul(soundness, tf.sub(1, inputs[EMA_DECAY]!)) : undefined;

  const updates: Record<string, tf.Tensor> = {};
  const parameters: Record<string, tf.Tensor> = {};
  for (const [name, grad] of entries) {
    const [mName, vName] = [momentName(name), squareName(name)];
    const old = variables[name]!;
    parameters[name] = old;
    if (own && !own.owns(name)) continue;
    const { parameter, m, v } = adamUpdate({ parameter: old, m: variables[mName]!, v: variables[vName]! }, grad, scalars, isDecayed(old) ? decay : undefined);
    updates[mName] = m;
    updates[vName] = v;
    updates[name] = parameters[name] = parameter;
  }
  const exchanged = own?.exchange(parameters, gradNorm);
  for (const [name, parameter] of Object.entries(exchanged?.parameters ?? parameters)) {
    updates[name] ??= parameter;
    if (averageRate) updates[averageName(name)] = lerp(variables[averageName(name)]!, parameter, averageRate);
  }
  return { updates, gradNorm, gradSquares, sent: exchanged?.sent };
}

const isDecayed = (parameter: tf.Tensor): boolean => parameter.rank >= 2;

const lerp = (from: tf.Tensor, to: tf.Tensor, rate: tf.Tensor): tf.Tensor => tf.add(from, tf.mul(tf.sub(to, from), rate));

const scalar = (value: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) });

const zeros = ({ shape, data }: HostTensor): HostTensor => ({ dtype: 'float32', shape, data: new Float32Array(data.length) });
