import { thisMachine } from '../runtime/native/machine.js';
import { evaluationBatchSize } from '../train/evaluation.js';
import type { TrainConfig } from '../train/config.js';
import { probeModel, type Probed } from './probe-model.js';
import type { LengthShare, MeasuredStep, Training } from './probe-spec.js';
import { planSubject, type Assumed, type PlanSubject } from './subject.js';

/** What a training will take, before it runs. Bytes of host memory; on a GPU the device's own memory is not among them. */
export interface Plan {
  readonly task: string;
  readonly parameters: { readonly total: number; readonly trainable: number; readonly parts: Readonly<Record<string, number>> };
  readonly memory: {
    readonly weightsBytes: number;
    readonly gradientsBytes: number;
    /** Moments, and averages where the run keeps them. */
    readonly optimizerBytes: number;
    /** What a step needs beside all these while it is under way. */
    readonly activationsBytes: number;
    /** The most the process will hold: everything above, TensorFlow and Node themselves, compiled batch shapes, copies for checkpoints. */
    readonly peakBytes: number;
    /** What this machine has left, a container's limit included. */
    readonly availableBytes: number;
  };
  readonly step: {
    readonly ms: number;
    readonly cells: number;
    /** Cells computed at once, and how often in a step. */
    readonly microBatch: number;
    readonly accumulation: number;
    readonly tokens: number;
    readonly cellsPerSec: number;
  };
  readonly total: {
    /** null = not known without the number of cells; so are all that follow from it. */
    readonly steps: number | null;
    readonly tokens: number | null;
    readonly seconds: number | null;
    /** Parts of `seconds`. */
    readonly secondsOf: Readonly<Record<'steps' | 'validation' | 'checkpoints' | 'embedding' | 'compiling', number>> | null;
  };
  readonly disk: { readonly checkpointBytes: number; readonly keptBytes: number };
  readonly probe: {
    readonly device: string;
    readonly executor: string;
    readonly runs: Probed['runs'];
    readonly isExtrapolated: boolean;
    readonly batchShapes: number;
  };
  readonly assumptions: readonly string[];
}

export interface PlanOptions extends Assumed {
  /** Longest time to try the whole model; beyond it fewer layers and cells are tried. Default 60. */
  readonly maxSeconds?: number;
  readonly signal?: AbortSignal;
}

/** Lengths tried at most; times of the others lie between theirs. */
const MAX_LENGTHS = 3;

/** Looks at what there is, tries the training out for some seconds, and says what the whole of it will take. */
export async function planTraining(training: Training, { maxSeconds = 60, signal, ...assumed }: PlanOptions = {}): Promise<Plan> {
  const subject = await planSubject(training, assumed);
  const { model, numGenes, numClasses, lengths } = subject;
  const numCells = evaluationBatchSize(training.config.train);
  const probed = await probeModel({ training, model, numGenes, numClasses, numCells, lengths: someOf(lengths), goal: 'time' }, maxSeconds, signal);
  return assemblePlan(training, subject, probed);
}

/** The shortest, the longest, and one between. */
function someOf(lengths: readonly LengthShare[]): LengthShare[] {
  if (lengths.length <= MAX_LENGTHS) return [...lengths];
  return [lengths[0]!, lengths[Math.floor(lengths.length / 2)]!, lengths.at(-1)!];
}

/** The arithmetic from what was measured to what the whole training takes. */
export function assemblePlan(training: Training, subject: PlanSubject, probed: Probed): Plan {
  const { train } = training.config;
  const { numCells, lengths, meanGenes, assumptions } = subject;
  const total = Object.values(probed.parameters).reduce((sum, n) => sum + n, 0);
  const trainable = probed.numTrainable;
  const stepMs = expectedStepMs(probed.steps, lengths, train);
  const batchesPerEpoch = numCells && Math.ceil(numCells.train / train.batchSize);
  const steps = train.steps ?? (batchesPerEpoch === null ? null : Math.ceil(train.epochs! * batchesPerEpoch));
  const microBatch = evaluationBatchSize(train);
  const tokens = Math.round(train.batchSize * meanGenes);

  const shapesPerLength = probed.numShapesOfRun / someOf(lengths).length;
  const batchShapes = Math.round(Math.min(shapesPerLength * lengths.length, steps === null ? Infinity : steps * train.accumulation));
  const peakBytes = probed.memory.peak + Math.max(0, batchShapes - probed.numShapes) * probed.bytesPerShape;
  const gradientsBytes = 4 * trainable;
  const optimizerBytes = (train.ema ? 12 : 8) * trainable;
  const checkpointBytes = 4 * total + optimizerBytes;

  const often = (every: TrainConfig['evaluateEvery']): number =>
    every === null || steps === null ? 1 : Math.floor(steps / (every === 'epoch' ? (batchesPerEpoch ?? steps) : every)) + 1;
  const passes = (cells: number): number => Math.ceil(cells / microBatch);
  const embedded =
    training.task !== 'annotation' || !numCells
      ? 0
      : numCells.validation + numCells.test + (training.config.tune.kind === 'head' ? numCells.train : Math.min(256, numCells.train));
  const secondsOf =
    steps === null
      ? null
      : {
          steps: (steps * stepMs) / 1e3,
          validation: numCells ? (often(train.evaluateEvery) * passes(numCells.validation) * probed.evaluationMs) / 1e3 : 0,
          checkpoints: (often(train.checkpointEvery) * probed.snapshotMs) / 1e3,
          embedding: (passes(embedded) * (probed.embeddingMs ?? 0)) / 1e3,
          compiling: (batchShapes * probed.compileMs) / 1e3,
        };
  return {
    task: training.task === 'annotation' ? (training.standsFor ?? training.task) : training.task,
    parameters: { total, trainable, parts: probed.parameters },
    memory: {
      weightsBytes: 4 * total,
      gradientsBytes,
      optimizerBytes,
      // Gradient sums are variables; gradients that are used at once live only while a step runs.
      activationsBytes: Math.max(0, probed.memory.peakAfterSteps - probed.memory.withVariables - (train.accumulation > 1 ? 0 : gradientsBytes)),
      peakBytes,
      availableBytes: availableBytes(),
    },
    step: { ms: stepMs, cells: train.batchSize, microBatch, accumulation: train.accumulation, tokens, cellsPerSec: (1e3 * train.batchSize) / stepMs },
    total: {
      steps,
      tokens: steps === null ? null : steps * tokens,
      seconds: secondsOf && Object.values(secondsOf).reduce((sum, part) => sum + part, 0),
      secondsOf,
    },
    disk: { checkpointBytes, keptBytes: (train.keepCheckpoints + 1) * checkpointBytes },
    probe: { device: probed.device, executor: probed.executor, runs: probed.runs, isExtrapolated: probed.isExtrapolated, batchShapes },
    assumptions,
  };
}

/** Memory that a process may still take here. */
export function availableBytes(): number {
  const { availableBytes: free, limitBytes } = thisMachine().memory;
  return Math.min(free, limitBytes ?? Infinity);
}

/**
 * Mean time of a step over the lengths of the run. A step of k micro-batches takes k times what a second micro-batch adds, and
 * once what is left: the update.
 */
export function expectedStepMs(steps: readonly MeasuredStep[], lengths: readonly LengthShare[], { accumulation }: Pick<TrainConfig, 'accumulation'>): number {
  const largest = steps[0]!;
  const others = steps.slice(1);
  const typical = (others.some(({ seqLen }) => seqLen === largest.seqLen) ? others : steps).toSorted((a, b) => a.seqLen - b.seqLen);
  const longest = typical.at(-1)!;
  const extra = largest.inputSize - longest.inputSize;
  // Time per value fed: how much more masks than usual cost.
  const slope = extra > 0 ? Math.max(0, (largest.ms - longest.ms) / extra) : 0;
  const points = typical.map(({ seqLen, inputSize, meanInputSize, ms, ms2 }) => {
    const micro = ms2 === undefined ? ms : Math.min(ms, Math.max(ms / 2, ms2 - ms));
    return { seqLen, micro: micro + slope * (meanInputSize - inputSize), update: ms - micro };
  });
  const update = accumulation > 1 ? points.reduce((sum, point) => sum + point.update, 0) / points.length : 0;
  const micro = lengths.reduce((sum, { seqLen, share }) => sum + share * between(points, seqLen), 0);
  return accumulation * micro + update;
}

/** On the straight lines through the points measured. */
function between(points: readonly { readonly seqLen: number; readonly micro: number }[], seqLen: number): number {
  const after = points.findIndex((point) => point.seqLen >= seqLen);
  if (after <= 0) return points[Math.max(0, after)]!.micro;
  const [a, b] = [points[after - 1]!, points[after]!];
  return a.micro + ((b.micro - a.micro) * (seqLen - a.seqLen)) / (b.seqLen - a.seqLen);
}
