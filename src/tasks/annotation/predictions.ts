import { expectedCalibrationError } from '../../metrics/calibration.js';
import { scoreLabels } from '../../metrics/classification.js';
import { auroc } from '../../metrics/ranking.js';
import { mostLikely } from '../../metrics/most-likely.js';
import type { Metrics } from '../../train/task.js';
import { softmaxRows } from './calibration.js';
import type { AnnotationHeadInfo } from './head.js';

/** Labels for n cells; C classes. All arrays have one entry a cell. */
export interface LabelPredictions {
  /** Most likely class, whatever its confidence. */
  readonly predicted: Int32Array;
  /** Calibrated probability of that class. */
  readonly confidence: Float64Array;
  /** 1 where the confidence is below the threshold: the label is withheld. */
  readonly isUnknown: Uint8Array;
  /** [n, C] calibrated probabilities. */
  readonly probabilities: Float64Array;
}

/** The word that stands in place of a withheld label. */
export const UNKNOWN_LABEL = 'unknown';

/** @param logits [n, C] as the head gives them */
export function predictLabels(logits: ArrayLike<number>, head: Pick<AnnotationHeadInfo, 'classes' | 'temperature' | 'unknownThreshold'>): LabelPredictions {
  const probabilities = softmaxRows(logits, head.classes.length, head.temperature);
  const { predicted, confidence } = mostLikely(probabilities, head.classes.length);
  return { predicted, confidence, probabilities, isUnknown: Uint8Array.from(confidence, (p) => (p < head.unknownThreshold ? 1 : 0)) };
}

/**
 * What can be said of any method that gives labels and confidences. Where cells have labels unseen in training, these count as wrong; beside
 * that, `macroF1OfSeen` judges the other cells alone and `unknownAuroc` how well low confidence tells the unseen ones from them.
 */
export function scoreConfidently(truth: ArrayLike<number>, predicted: Int32Array, confidence: Float64Array, numClasses: number, numUnseen: number): Metrics {
  const isRight = predicted.map((code, i) => (code === truth[i] ? 1 : 0));
  const seen = [...predicted.keys()].filter((i) => truth[i]! < numClasses);
  return {
    ...scoreLabels(truth, predicted, numClasses + numUnseen),
    expectedCalibrationError: expectedCalibrationError(confidence, isRight),
    ...(hasUnseen(truth, numClasses) && {
      macroF1OfSeen: scoreLabels(
        seen.map((i) => truth[i]!),
        seen.map((i) => predicted[i]!),
        numClasses,
      ).macroF1,
      unknownAuroc: aurocOfUnseen(truth, numClasses, confidence),
    }),
  };
}

/**
 * Scores of labelled cells. The headline figures judge the most likely class of every cell; `shareUnknown` and
 * `accuracyOfKnown` say what the threshold does to them.
 * @param truth [n] class codes; codes of numClasses and above are labels unseen in training, always wrong
 * @param predictions `typicality`, where it is known, is judged as `confidence` is: how well little of it tells unseen types
 * @param numUnseen how many such labels there are
 */
export function scorePredictions(
  truth: ArrayLike<number>,
  {
    predicted,
    confidence,
    isUnknown,
    typicality,
  }: Pick<LabelPredictions, 'predicted' | 'confidence' | 'isUnknown'> & { readonly typicality?: Float64Array | undefined },
  numClasses: number,
  numUnseen: number,
): Metrics {
  const isRight = predicted.map((code, i) => (code === truth[i] ? 1 : 0));
  const numUnknown = isUnknown.reduce((sum, flag) => sum + flag, 0);
  const numRightKnown = isRight.reduce((sum, right, i) => sum + (isUnknown[i] ? 0 : right), 0);
  return {
    ...scoreConfidently(truth, predicted, confidence, numClasses, numUnseen),
    shareUnknown: numUnknown / predicted.length,
    ...(numUnknown < predicted.length && { accuracyOfKnown: numRightKnown / (predicted.length - numUnknown) }),
    // A cell without a distance, as it has no gene of the vocabulary, is as untypical as can be.
    ...(typicality &&
      hasUnseen(truth, numClasses) && {
        unknownAurocByDistance: aurocOfUnseen(
          truth,
          numClasses,
          typicality.map((share) => share || 0),
        ),
      }),
  };
}

/** Whether there are both: cells of types that training has seen, and of others. */
function hasUnseen(truth: ArrayLike<number>, numClasses: number): boolean {
  return new Set(Array.from(truth, (code) => code >= numClasses)).size === 2;
}

/** How well little of a number tells cells of unseen types from the others. @param sureness [n] */
function aurocOfUnseen(truth: ArrayLike<number>, numClasses: number, sureness: Float64Array): number {
  return auroc(
    sureness.map((value) => -value),
    Array.from(truth, (code) => (code >= numClasses ? 1 : 0)),
  );
}
