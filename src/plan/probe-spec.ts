import type { ModelConfig } from '../model/config.js';
import type { AnnotationConfig } from '../tasks/annotation/config.js';
import type { PretrainingConfig } from '../tasks/pretraining/config.js';

/** A training as its config file describes it. */
export type Training =
  | { readonly task: 'pretraining'; readonly config: PretrainingConfig }
  | {
      readonly task: 'annotation';
      readonly config: AnnotationConfig;
      /** The fine-tuning that is meant, where another one is tried out in its place: the whole encoder under a small head. */
      readonly standsFor?: string;
    };

/** What a probe tries out. Plain data: it goes to another process. */
export interface ProbeSpec {
  readonly training: Training;
  readonly model: ModelConfig;
  /** Genes of the vocabulary. */
  readonly numGenes: number;
  /** Labels that are told apart; of annotation only. */
  readonly numClasses: number;
  /** Cells computed at once. */
  readonly numCells: number;
  /** Length buckets to try, ascending, with the share of batches that each has. */
  readonly lengths: readonly LengthShare[];
  /** memory: each step once. time: as often as a median needs. */
  readonly goal: 'memory' | 'time';
}

export interface LengthShare {
  readonly seqLen: number;
  readonly share: number;
}

/** A step as it was measured. */
export interface MeasuredStep {
  readonly seqLen: number;
  /** Values fed for one micro-batch: grows with the loss rows. */
  readonly inputSize: number;
  /** Mean of that over the masks of many batches of this length. */
  readonly meanInputSize: number;
  /** Median of a step of one micro-batch, and of one of two where the training accumulates. */
  readonly ms: number;
  readonly ms2?: number;
}

export interface ProbeResult {
  /** What the probe itself took, TensorFlow's start apart. */
  readonly seconds: number;
  readonly device: 'cpu' | 'gpu';
  readonly executor: 'eager' | 'graph';
  /** Of the model that was tried, by part; `total` of each is the sum. */
  readonly parameters: Readonly<Record<string, number>>;
  readonly numTrainable: number;
  /** The largest batch first, then one of every length, except the longest where the first is like all of that length. */
  readonly steps: readonly MeasuredStep[];
  /** What the first step of a batch shape takes more than the later ones. */
  readonly compileMs: number;
  /** What the process holds more for every further batch shape. */
  readonly bytesPerShape: number;
  /** Batch shapes that this probe made programs for, and those a long run will meet. */
  readonly numShapes: number;
  readonly numShapesOfRun: number;
  /** One batch of the longest length, forward only, as validation does it. */
  readonly evaluationMs: number;
  /** The same through the frozen encoder; of annotation only. */
  readonly embeddingMs?: number;
  /** Reading the state back for a checkpoint. */
  readonly snapshotMs: number;
  /** Resident memory: with TensorFlow loaded, with the variables made, and the most there ever was before, during and after the steps. */
  readonly memory: {
    readonly loaded: number;
    readonly withVariables: number;
    readonly peakBeforeSteps: number;
    readonly peakAfterSteps: number;
    readonly peak: number;
  };
}
