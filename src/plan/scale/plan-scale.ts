import { ConfigError } from '../../errors.js';
import { parameterCount } from '../../model/parameters.js';
import { evaluationBatchSize } from '../../train/evaluation.js';
import { planTraining, type Plan, type PlanOptions } from '../plan.js';
import type { Training } from '../probe-spec.js';
import { planSubject } from '../subject.js';
import { findDevice } from './device.js';
import { costHere } from './here.js';
import {
  costOnDevice,
  FRAMEWORK_BYTES,
  HOP_SECONDS,
  MEMORY_SHARE,
  OP_SECONDS,
  scaleRows,
  USABLE_SHARE,
  type ImpossibleRow,
  type ScaleAssumptions,
  type ScaleRow,
} from './scale.js';

/** What a training takes on clusters of several sizes. */
export interface ScalePlan {
  readonly device: string;
  readonly parameters: number;
  readonly cells: number;
  readonly steps: number | null;
  readonly rows: readonly (ScaleRow | ImpossibleRow)[];
  /** Sentences for people: every figure that was not measured here. */
  readonly assumptions: readonly string[];
}

export interface ScaleOptions extends PlanOptions {
  readonly workers: readonly number[];
  /** Of DEVICES, or `this`: the machine this is, tried out. */
  readonly device: string;
  readonly utilisation?: number | undefined;
  readonly devicesPerNode?: number | undefined;
  /** Gigabits a second between nodes, and between workers of one machine (of `this` alone). */
  readonly networkGbps?: number | undefined;
  readonly linkGbps?: number | undefined;
  readonly overlap?: number | undefined;
}

/** Taken where nobody says otherwise. A GPU's share of its peak was not measured by this project: it had none. */
const GPU = { utilisation: 0.4, devicesPerNode: 8, networkGbps: 200 } as const;
/** Of this machine; the link is what TensorFlow's rings over gRPC reach on the loopback interface of a machine of two cores. */
const HERE = { devicesPerNode: 1, networkGbps: 10, linkGbps: 4 } as const;
const bytesPerSec = (gigabits: number): number => (gigabits * 1e9) / 8;

/** @returns the cluster's plan, and with device `this` the plan of one worker it was made from */
export async function planScale(training: Training, options: ScaleOptions): Promise<{ scale: ScalePlan; plan?: Plan }> {
  return options.device === 'this' ? planHere(training, options) : { scale: await planOnDevice(training, options) };
}

async function planOnDevice(training: Training, { workers, overlap = 0, ...options }: ScaleOptions): Promise<ScalePlan> {
  const device = findDevice(options.device);
  if (training.task !== 'pretraining')
    throw new ConfigError({
      key: '--device',
      found: `${device.name} for a fine-tuning`,
      expected: 'a pretraining',
      hint: 'leave --device out: a fine-tuning is tried out on this machine',
    });
  const subject = await planSubject(training, options);
  const steps = totalSteps(training, subject.numCells?.train ?? null);
  const { utilisation = GPU.utilisation, devicesPerNode = GPU.devicesPerNode, networkGbps = GPU.networkGbps } = options;
  const assumed: ScaleAssumptions = { utilisation, devicesPerNode, networkRate: bytesPerSec(networkGbps), overlap };
  const { precision, session, cluster, shardOptimizer } = training.config.train;
  return {
    ...summary(training, subject, steps),
    device: device.name,
    rows: scaleRows({ training, subject, steps }, workers, costOnDevice(device, assumed, { training, subject, steps }), overlap),
    assumptions: [
      ...subject.assumptions,
      `no ${device.name} was measured: published ${device.peakTflops[precision]} TFLOP/s (${precision === 'bf16' ? 'bf16' : 'TF32'}), of which products reach ${percent(utilisation)} (--utilisation); ${(device.memoryRate / 1e12).toFixed(2)} TB/s of memory, of which the rest reaches ${percent(MEMORY_SHARE)}`,
      session.xla
        ? 'XLA makes one pass over memory of what stands between two products'
        : "between products TensorFlow's ops run one after another, as in the graph that a GPU is given (train.session.xla: true would fuse them)",
      `an op takes at least ${1e6 * OP_SECONDS} µs; ${percent(USABLE_SHARE)} of the memory can be used, ${FRAMEWORK_BYTES / 1e9} GB of it go to TensorFlow and CUDA; the largest micro-batch that fits is taken`,
      `${devicesPerNode} devices a node (--devices-per-node), ${device.linkRate / 1e9} GB/s between them, ${networkGbps} Gb/s from node to node (--network-gbps), ${1e6 * HOP_SECONDS} µs a hop`,
      `gradients travel in ${cluster.wire === 'bf16' ? 'bfloat16' : 'float32'}${shardOptimizer ? ', and new weights after them: the moments are divided among workers' : ''}; ${overlap === 0 ? 'none of it hides behind the backward pass' : `${percent(overlap)} of it hides behind the backward pass`} (--overlap)`,
      'steps alone: validation, checkpoints and waiting for data come on top',
    ],
  };
}

async function planHere(training: Training, { workers, overlap = 0, ...options }: ScaleOptions): Promise<{ scale: ScalePlan; plan: Plan }> {
  const { batchSize } = training.config.train;
  const subject = await planSubject(training, options);
  const all = await planTraining(training, options);
  const possible = workers.filter((n) => n <= batchSize);
  const least = Math.ceil(batchSize / Math.max(1, ...possible));
  const few = least < batchSize ? await planTraining(withCells(training, least), options) : all;
  const { devicesPerNode = HERE.devicesPerNode, networkGbps = HERE.networkGbps, linkGbps = HERE.linkGbps } = options;
  const assumed: ScaleAssumptions = { utilisation: 1, devicesPerNode, networkRate: bytesPerSec(networkGbps), overlap };
  return {
    plan: all,
    scale: {
      ...summary(training, subject, all.total.steps),
      device: 'this machine',
      rows: scaleRows({ training, subject, steps: all.total.steps }, workers, costHere({ all, few }, bytesPerSec(linkGbps), assumed), overlap),
      assumptions: [
        `steps of ${batchSize} and of ${least} cells were measured here, what lies between is on the line through them`,
        devicesPerNode > 1
          ? `up to ${devicesPerNode} workers share this machine's cores (--devices-per-node) and send each other ${linkGbps} Gb/s (--link-gbps); further ones are on machines like it, ${networkGbps} Gb/s apart (--network-gbps)`
          : `every worker has a machine like this one, ${networkGbps} Gb/s from the others (--network-gbps)`,
        `${overlap === 0 ? 'none' : percent(overlap)} of the time gradients travel hides behind the backward pass (--overlap)`,
        'steps alone: validation, checkpoints and waiting for data come on top',
      ],
    },
  };
}

/** The same training with fewer cells a step, as many of them at once as before, or all. */
function withCells(training: Training, batchSize: number): Training {
  const { train } = training.config;
  const accumulation = Math.ceil(batchSize / evaluationBatchSize(train));
  return { ...training, config: { ...training.config, train: { ...train, batchSize, accumulation } } } as Training;
}

function totalSteps({ config: { train } }: Training, numCells: number | null): number | null {
  return train.steps ?? (numCells === null ? null : Math.ceil(train.epochs! * Math.ceil(numCells / train.batchSize)));
}

function summary(
  { config: { train } }: Training,
  { model, numGenes }: { model: Parameters<typeof parameterCount>[0]; numGenes: number },
  steps: number | null,
): Pick<ScalePlan, 'parameters' | 'cells' | 'steps'> {
  return { parameters: parameterCount(model, numGenes + 5), cells: train.batchSize, steps };
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
