import * as tf from '@tensorflow/tfjs-core';
import type { Team } from '../runtime/cluster/team.js';
import { sumOverWorkers } from '../runtime/ops/sum-over-workers.js';
import type { HostTensor, HostTensors, ProgramFn, Tensors } from '../runtime/program/program.js';
import { gradientBuckets, sumGradients } from './gradient-buckets.js';
import { applyGradients, gradientSumName, PROGRESS, stepScalars } from './optimizer.js';
import { NOTHING, type OptimizerShares } from './sharded-optimizer.js';
import {
  addWeighted,
  assertFinite,
  lossOutputs,
  mapNames,
  MICRO_WEIGHT,
  readLoss,
  scalar,
  taskGradients,
  value,
  type StepSetup,
  type TrainStep,
} from './step.js';

/** What a worker adds to a step beside its gradients. One vector, so that it costs one message. */
const TALLY = 'train/tally';
const TALLY_HEAD = ['weight', 'numCells', 'wantsStop', 'loss'] as const;
/** Aux values that fit beside them. A worker without a cell knows no aux names, so the size is agreed by all beforehand. */
const MAX_AUX = 252;
const TALLY_SIZE = TALLY_HEAD.length + MAX_AUX;

/**
 * The step of several workers: what one process would compute from all of their cells.
 *
 * A loss is a mean over a denominator d (task.lossWeight), so a worker's gradients enter as d · gradient. Their sums over all workers, and the
 * sum of the d beside them, travel in the compiled step itself: each buffer as soon as the backward pass has filled it. Divided by Σ d they are
 * the gradients of the undivided batch, from which every worker computes the same clipping and the same update. Micro-batches are added up
 * before they travel. A worker without a cell in a short last batch adds nothing.
 * @param shares where every worker updates a share of the parameters
 */
export function createTeamStep({ task, executor, variables, config, totalSteps }: StepSetup, team: Team, shares?: OptimizerShares): TrainStep {
  const { wire, bucketMb } = team.cluster.config;
  const buckets = gradientBuckets(task.parameters, task.trainable, bucketMb * 1e6);
  const tallyKey = team.cluster.reserveKeys(1 + buckets.length);
  const isWhole = config.accumulation === 1;

  /** Sums, and the update by them. @param weighted d · gradient @param tally [TALLY_SIZE] */
  const finish = (state: Tensors, inputs: Tensors, weighted: Tensors, tally: tf.Tensor1D): ReturnType<ProgramFn> => {
    const sums = sumGradients(weighted, buckets, { key: tallyKey + 1, wire });
    const total = sumOverWorkers(tally, { key: tallyKey, wire: 'f32' });
    const weight = tf.squeeze(tf.slice(total, 0, 1));
    const share = tf.div(1, tf.add(weight, tf.cast(tf.equal(weight, 0), 'float32'))) as tf.Scalar;
    const loss = tf.mul(tf.squeeze(tf.slice(total, TALLY_HEAD.indexOf('loss'), 1)), share) as tf.Scalar;
    const { updates, gradNorm, gradSquares, sent } = applyGradients(config, state, sums, inputs, loss, share, shares?.ofUpdate(inputs[NOTHING]!));
    return { outputs: { total, gradNorm, gradSquares, ...(sent && { sent }) }, updates };
  };
  const compile = (fn: ProgramFn, name: string) => executor.compile(fn, { variables, precision: config.precision, name: `${task.name}/${name}` });

  const whole = compile((state, inputs) => {
    const weight = inputs[MICRO_WEIGHT] as tf.Scalar;
    const { loss, aux, grads } = taskGradients(task, state, inputs, weight);
    const own = [loss, ...sorted(aux).map(([, x]) => tf.mul(x, weight))].map((x) => tf.reshape(x, [1]));
    const filled = tf.pad(tf.concat(own) as tf.Tensor1D, [[TALLY_HEAD.indexOf('loss'), 1 + MAX_AUX - own.length]]) as tf.Tensor1D;
    const { outputs, updates } = finish(state, inputs, grads, tf.add(inputs[TALLY]!, filled) as tf.Tensor1D);
    return { outputs: { ...lossOutputs({ loss, aux }), ...outputs }, updates: updates! };
  }, 'train');
  const accumulate = compile((state, inputs) => {
    const weight = inputs[MICRO_WEIGHT] as tf.Scalar;
    const { loss, aux, grads } = taskGradients(task, state, inputs, weight);
    const updates = mapNames(grads, gradientSumName, (grad, sum) => tf.add(state[sum]!, grad));
    return { outputs: lossOutputs({ loss, aux }), updates };
  }, 'accumulate');
  /** From sums of micro-batches, or without any. */
  const apply = compile((state, inputs) => {
    const grads = Object.fromEntries(task.trainable.map((name) => [name, isWhole ? tf.zerosLike(state[name]!) : state[gradientSumName(name)]!]));
    const { outputs, updates } = finish(state, inputs, grads, inputs[TALLY] as tf.Tensor1D);
    return { outputs, updates: { ...updates, ...(isWhole ? {} : mapNames(grads, gradientSumName, (sum) => tf.zerosLike(sum))) } };
  }, 'apply');

  return {
    async run(microBatches, stepIndex, place, { numCells, wantsStop } = { numCells: 0, wantsStop: false }) {
      const scalars: HostTensors = { ...stepScalars(config, stepIndex, totalSteps), ...(shares && { [NOTHING]: scalar(0) }) };
      const weights = microBatches.map((inputs) => task.lossWeight(inputs));
      const tally = new Float32Array(TALLY_SIZE);
      tally.set([weights.reduce((sum, weight) => sum + weight, 0), numCells, Number(wantsStop)]);
      let own: { loss: number; aux: Record<string, number> } = { loss: 0, aux: {} };
      let out: HostTensors;
      if (isWhole && microBatches.length === 1) {
        out = await whole.run({ ...microBatches[0]!, ...scalars, [MICRO_WEIGHT]: scalar(weights[0]!), [TALLY]: vector(tally) });
        own = readLoss(out);
      } else {
        for (const [i, inputs] of microBatches.entries()) {
          const micro = readLoss(await accumulate.run({ ...inputs, [MICRO_WEIGHT]: scalar(weights[i]!), [PROGRESS]: scalars[PROGRESS]! }));
          own = { loss: own.loss + micro.loss, aux: addWeighted(own, micro, weights[i]!).aux };
        }
        tally.set([own.loss, ...sorted(own.aux).map(([, x]) => x)], TALLY_HEAD.indexOf('loss'));
        out = await apply.run({ ...scalars, [TALLY]: vector(tally) });
      }
      const [weight, cells, stops, loss, ...aux] = out['total']!.data as Float32Array;
      const share = weight! > 0 ? 1 / weight! : 1;
      const stats = {
        loss: loss! * share,
        aux: Object.fromEntries(sorted(own.aux).map(([name], i) => [name, aux[i]! * share])),
        gradNorm: value(out['gradNorm']!),
        lr: value(scalars['train/lr']!),
        numCells: cells!,
        wantsStop: stops! > 0,
      };
      assertFinite(stats, out['gradSquares']!, task.trainable, stepIndex, place);
      return stats;
    },
    dispose() {
      for (const program of [whole, accumulate, apply]) program.dispose();
    },
  };
}

/** In an order that every worker agrees on. */
const sorted = <T>(named: Readonly<Record<string, T>>): [string, T][] => Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1));

const vector = (data: Float32Array): HostTensor => ({ dtype: 'float32', shape: [data.length], data });
