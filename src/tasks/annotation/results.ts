import { confusionMatrix } from '../../metrics/confusion.js';
import { classScores } from '../../metrics/classification.js';
import { reliabilityBins, type ReliabilityBin } from '../../metrics/calibration.js';
import type { TaskResult } from '../finetune/methods.js';
import type { LabelPredictions } from './predictions.js';

export interface ClassResult {
  readonly name: string;
  /** Test cells that have the label. */
  readonly numCells: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** What a fine-tuning came to. Everything but `checkpoint` speaks of the test split, and of the first seed where not said otherwise. */
export interface AnnotationResult extends TaskResult {
  readonly task: 'annotation';
  readonly labelKey: string;
  /** Names by class code: the classes that can be predicted, then labels that no training cell has. */
  readonly labels: readonly string[];
  readonly numClasses: number;
  /** Cells left out of each split because they have no label; `numCells` are the labelled ones. */
  readonly numUnlabelled: Readonly<Record<'train' | 'validation' | 'test', number>>;
  readonly classes: readonly ClassResult[];
  /** counts[true][predicted], by class code. */
  readonly confusion: readonly (readonly number[])[];
  readonly temperature: number;
  readonly unknownThreshold: number;
  readonly reliability: readonly ReliabilityBin[];
  readonly predictions: TestPredictions;
}

/** One entry per test cell. */
export interface TestPredictions {
  /** Corpus row. */
  readonly rows: Int32Array;
  readonly cellIds: readonly string[];
  /** Class codes into `labels`. */
  readonly truth: Int32Array;
  readonly predicted: Int32Array;
  readonly confidence: Float64Array;
  readonly isUnknown: Uint8Array;
}

/** Scores class by class, classes without a test cell or prediction included. */
export function classResults(truth: Int32Array, predicted: Int32Array, labels: readonly string[]): Pick<AnnotationResult, 'classes' | 'confusion'> {
  const n = labels.length;
  const matrix = confusionMatrix(truth, predicted, n);
  return {
    classes: classScores(matrix).map(({ classCode, support, precision, recall, f1 }) => ({
      name: labels[classCode]!,
      numCells: support,
      precision,
      recall,
      f1,
    })),
    confusion: labels.map((_, c) => [...matrix.counts.subarray(c * n, (c + 1) * n)]),
  };
}

export function reliability({ predicted, confidence }: LabelPredictions, truth: Int32Array): ReliabilityBin[] {
  return reliabilityBins(
    confidence,
    predicted.map((code, i) => (code === truth[i] ? 1 : 0)),
  );
}

/** `annotation.json`: the result without its per-cell part, for people and programs. */
export function resultsJson(result: AnnotationResult): TaskResult & Record<string, unknown> {
  return { ...result, predictions: undefined };
}

/** `predictions.tsv`: the per-cell part. */
export function predictionsTsv({ predictions: p, labels, labelKey }: AnnotationResult): string {
  const lines = p.cellIds.map((id, i) =>
    [id, labels[p.truth[i]!], labels[p.predicted[i]!], p.confidence[i]!.toFixed(6), p.isUnknown[i] ? 'true' : 'false'].join('\t'),
  );
  return `cell_id\t${labelKey}\tpredicted\tconfidence\tis_unknown\n${lines.map((line) => `${line}\n`).join('')}`;
}
