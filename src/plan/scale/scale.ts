// N workers, P parameters, S bytes of gradients
import { parameterSpecs } from '../../model/parameters.js';
import { largestShare } from '../../train/parameter-shares.js';
import type { Training } from '../probe-spec.js';
import type { PlanSubject } from '../subject.js';
import type { Device } from './device.js';
import { stepCost, type StepCost } from './step-cost.js';

/** What is assumed of machines that are not here; every one can be said on the command line. */
export interface ScaleAssumptions {
  /** Share of a device's peak that matrix products reach. */
  readonly utilisation: number;
  /** Devices that share a node: its links within, its network to others. */
  readonly devicesPerNode: number;
  /** From node to node, bytes a second each way. */
  readonly networkRate: number;
  /** Share of the time gradients travel that the backward pass hides. */
  readonly overlap: number;
}

/** One size of cluster. Milliseconds a step of the whole batch; bytes on each device. */
export interface ScaleRow {
  readonly workers: number;
  /** Cells of a step that a worker computes, how many at once, and in how many pieces: what train.accumulation should be. */
  readonly cells: number;
  readonly microBatch: number;
  readonly accumulation: number;
  readonly memory: {
    readonly weights: number;
    readonly gradients: number;
    readonly optimizer: number;
    readonly activations: number;
    readonly other: number;
    readonly total: number;
  };
  readonly fits: boolean;
  readonly step: { readonly ms: number; readonly computeMs: number; readonly updateMs: number; readonly reduceMs: number };
  readonly cellsPerSec: number;
  /** Cells a second of each worker, as a share of what one alone does. */
  readonly efficiency: number;
  /** The whole training's steps, nothing else; null where the number of cells is not known. */
  readonly seconds: number | null;
}

/** A cluster that cannot share the batch, and why. */
export interface ImpossibleRow {
  readonly workers: number;
  readonly reason: string;
}

/** What a worker's step takes apart from what it sends: of a device by its figures, of this machine as measured. */
export interface WorkerCost {
  readonly microBatch: number;
  readonly computeMs: number;
  readonly updateMs: number;
  readonly activationBytes: number;
  readonly otherBytes: number;
  readonly availableBytes: number;
  /** Bytes a second and seconds a hop between workers. */
  readonly rate: number;
  readonly hopSeconds: number;
  readonly numHops: number;
}

/** @param owned share of the optimiser's state that a worker keeps */
export type CostOfWorker = (place: { readonly workers: number; readonly cells: number; readonly owned: number }) => WorkerCost;

/** What the rows of every cluster have in common. */
export interface ScaleSubject {
  readonly training: Training;
  readonly subject: PlanSubject;
  readonly steps: number | null;
}

/** The vocabulary's ids that are no genes. */
const SPECIAL_IDS = 5;

export function scaleRows(
  { training, subject, steps }: ScaleSubject,
  workers: readonly number[],
  costOf: CostOfWorker,
  overlap: number,
): (ScaleRow | ImpossibleRow)[] {
  const { batchSize, ema, cluster, shardOptimizer } = training.config.train;
  const sizes = Object.fromEntries(
    parameterSpecs(subject.model, subject.numGenes + SPECIAL_IDS).map(({ name, shape }) => [name, shape.reduce((size, n) => size * n, 1)]),
  );
  const P = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  const sent = P * (cluster.wire === 'bf16' ? 2 : 4);
  const numMessages = Math.ceil((4 * P) / (cluster.bucketMb * 1e6));
  const rowOf = (N: number): Omit<ScaleRow, 'efficiency'> => {
    const cells = Math.ceil(batchSize / N);
    const isSharded = shardOptimizer && N > 1;
    const owned = isSharded ? largestShare(sizes, N) / P : 1;
    const cost = costOf({ workers: N, cells, owned });
    const accumulation = Math.ceil(cells / cost.microBatch);
    const memory = {
      weights: 4 * P,
      // Of one micro-batch; the sum of several; the sum over workers.
      gradients: 4 * P * (1 + Number(accumulation > 1) + Number(N > 1)),
      optimizer: 8 * P * owned + (ema ? 4 * P : 0),
      activations: cost.activationBytes,
      other: cost.otherBytes,
    };
    const total = Object.values(memory).reduce((sum, bytes) => sum + bytes, 0);
    // A ring passes every byte twice, but for what a worker has itself; the owners' new values go around in the same way.
    const around = (bytes: number): number => (2 * ((N - 1) / N) * bytes) / cost.rate + cost.hopSeconds * cost.numHops * numMessages;
    const gradientSeconds = N > 1 ? around(sent) : 0;
    const reduceMs = 1e3 * ((1 - overlap) * gradientSeconds + (isSharded ? around(4 * P) : 0));
    const ms = cost.computeMs + cost.updateMs + reduceMs;
    return {
      workers: N,
      cells,
      microBatch: Math.min(cells, cost.microBatch),
      accumulation,
      memory: { ...memory, total },
      fits: total <= cost.availableBytes,
      step: { ms, computeMs: cost.computeMs, updateMs: cost.updateMs, reduceMs },
      cellsPerSec: (1e3 * batchSize) / ms,
      seconds: steps === null ? null : (steps * ms) / 1e3,
    };
  };
  const alone = rowOf(1);
  return workers.map((N) => {
    if (N > batchSize) return { workers: N, reason: `a step has ${batchSize.toLocaleString('en')} cells: raise train.batchSize to give each worker one` };
    const row = rowOf(N);
    return { ...row, efficiency: row.cellsPerSec / (N * alone.cellsPerSec) };
  });
}

/** A GPU reaches this share of its memory's published rate. */
export const MEMORY_SHARE = 0.7;
/** The time TensorFlow takes to hand one op to a device; shorter ops wait for it. */
export const OP_SECONDS = 5e-6;
/** Between two devices. */
export const HOP_SECONDS = 10e-6;
/** TensorFlow, CUDA and its libraries on a device. */
export const FRAMEWORK_BYTES = 1e9;
/** Of a device's memory, what may be planned with. */
export const USABLE_SHARE = 0.95;

/** Costs on devices known by their published figures: the largest micro-batch that fits, and what it takes there. */
export function costOnDevice(
  device: Device,
  { utilisation, devicesPerNode, networkRate }: ScaleAssumptions,
  { training, subject }: ScaleSubject,
): CostOfWorker {
  const { model, numGenes, lengths } = subject;
  const { precision, gradientCheckpointing, session, ema } = training.config.train;
  const vocabSize = numGenes + SPECIAL_IDS;
  const P = parameterSpecs(model, vocabSize).reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0);
  const memorySeconds = (bytes: number): number => bytes / (MEMORY_SHARE * device.memoryRate);
  const of = (numCells: number, seqLen: number): StepCost =>
    stepCost({ model, vocabSize, numCells, seqLen, precision, recomputesBlocks: gradientCheckpointing, isFused: session.xla });
  const microSeconds = (numCells: number): number =>
    lengths.reduce((sum, { seqLen, share }) => {
      const { flop, trafficBytes, numOps } = of(numCells, seqLen);
      return sum + share * Math.max(flop / (utilisation * 1e12 * device.peakTflops[precision]) + memorySeconds(trafficBytes), OP_SECONDS * numOps);
    }, 0);
  const longest = lengths.at(-1)!.seqLen;
  return ({ workers, cells, owned }) => {
    const fixed = 4 * P * (3 + Number(workers > 1)) + 8 * P * owned + (ema ? 4 * P : 0) + FRAMEWORK_BYTES;
    const availableBytes = USABLE_SHARE * device.memoryBytes;
    const fits = (numCells: number): boolean => fixed + of(numCells, longest).activationBytes <= availableBytes;
    // Pieces of equal size, as few as fit; one cell at a time where nothing does.
    let pieces = 1;
    while (pieces < cells && !fits(Math.ceil(cells / pieces))) pieces++;
    const microBatch = Math.ceil(cells / pieces);
    return {
      microBatch,
      computeMs: 1e3 * (microSeconds(microBatch) * (cells / microBatch) + (pieces > 1 ? pieces * memorySeconds(12 * P) : 0)),
      updateMs: 1e3 * memorySeconds(4 * P + 28 * P * owned),
      activationBytes: of(microBatch, longest).activationBytes,
      otherBytes: FRAMEWORK_BYTES,
      availableBytes,
      rate: workers <= devicesPerNode ? device.linkRate : networkRate,
      hopSeconds: HOP_SECONDS,
      // NCCL sends along trees where rings would take longer.
      numHops: Math.min(2 * (workers - 1), 4 * Math.ceil(Math.log2(workers))),
    };
  };
}
