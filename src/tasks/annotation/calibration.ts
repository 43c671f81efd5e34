import { expectedCalibrationError } from '../../metrics/calibration.js';
import { mostLikely } from '../../metrics/most-likely.js';
import type { UnknownConfig } from './config.js';
import type { AnnotationHeadInfo } from './head.js';

/** n cells, C classes */

/** softmax(logits / temperature), row by row. [n, C] → [n, C] */
export function softmaxRows(logits: ArrayLike<number>, numClasses: number, temperature = 1): Float64Array {
  const out = Float64Array.from(logits, (logit) => logit / temperature);
  for (let start = 0; start < out.length; start += numClasses) {
    const row = out.subarray(start, start + numClasses);
    const max = row.reduce((a, b) => Math.max(a, b));
    let sum = 0;
    for (let c = 0; c < numClasses; c++) sum += row[c] = Math.exp(row[c]! - max);
    for (let c = 0; c < numClasses; c++) row[c]! /= sum;
  }
  return out;
}

/**
 * Temperature that makes the softmax most likely to have produced the labels (Guo et al. 2017). As in Platt's scaling the targets are
 * softened by one pseudo-cell, so that a small split without a mistake does not claim certainty.
 * @param logits [n, C]
 * @param labels [n] class codes; cells outside 0 … C-1 (labels unseen in training) are left out
 * @returns in [0.05, 20]; 1 when no cell is left
 */
export function fitTemperature(logits: ArrayLike<number>, labels: ArrayLike<number>, numClasses: number): number {
  const cells = Array.from(labels).flatMap((label, i) => (label >= 0 && label < numClasses ? [{ label, start: i * numClasses }] : []));
  if (cells.length === 0) return 1;
  const softness = 1 / (cells.length + 2);
  const loss = (logTemperature: number): number => {
    const scale = Math.exp(-logTemperature);
    let sum = 0;
    for (const { label, start } of cells) {
      let max = -Infinity;
      let mean = 0;
      for (let c = 0; c < numClasses; c++) {
        max = Math.max(max, logits[start + c]! * scale);
        mean += (logits[start + c]! * scale) / numClasses;
      }
      let total = 0;
      for (let c = 0; c < numClasses; c++) total += Math.exp(logits[start + c]! * scale - max);
      sum += max + Math.log(total) - (1 - softness) * logits[start + label]! * scale - softness * mean;
    }
    return sum;
  };
  return Math.exp(goldenSection(loss, Math.log(0.05), Math.log(20)));
}

/** Minimum of a function with one valley. */
function goldenSection(f: (x: number) => number, low: number, high: number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [low, high];
  let [left, right] = [b - ratio * (b - a), a + ratio * (b - a)];
  let [fLeft, fRight] = [f(left), f(right)];
  while (b - a > 1e-6) {
    if (fLeft <= fRight) {
      [b, right, fRight] = [right, left, fLeft];
      left = b - ratio * (b - a);
      fLeft = f(left);
    } else {
      [a, left, fLeft] = [left, right, fRight];
      right = a + ratio * (b - a);
      fRight = f(right);
    }
  }
  return (a + b) / 2;
}

/** Value below which a share q of the numbers lies, between neighbours linearly (numpy.quantile). @param values at least one */
export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below]! + (at - below) * ((sorted[below + 1] ?? sorted[below]!) - sorted[below]!);
}

export type Calibration = Pick<AnnotationHeadInfo, 'temperature' | 'unknownThreshold' | 'calibration'>;

/**
 * Temperature and unknown threshold from the validation split, which trained no weight.
 * @param logits [n, C]
 * @param labels [n] class codes; codes of C and above are labels unseen in training: always wrong, and no part of the fit
 */
export function calibrate(logits: ArrayLike<number>, labels: ArrayLike<number>, numClasses: number, unknown: UnknownConfig): Calibration {
  const temperature = fitTemperature(logits, labels, numClasses);
  const judge = (t: number) => {
    const { predicted, confidence } = mostLikely(softmaxRows(logits, numClasses, t), numClasses);
    const isCorrect = predicted.map((code, i) => (code === labels[i] ? 1 : 0));
    return { confidence, isCorrect, error: expectedCalibrationError(confidence, isCorrect) };
  };
  const after = judge(temperature);
  const right = after.confidence.filter((_, i) => after.isCorrect[i] === 1);
  const chosen = right.length > 0 ? quantile(right, unknown.quantile) : 0;
  return {
    temperature,
    unknownThreshold: unknown.threshold ?? chosen,
    calibration: {
      split: 'validation',
      numCells: labels.length,
      errorBefore: judge(1).error,
      errorAfter: after.error,
      thresholdFrom:
        unknown.threshold !== null
          ? 'given'
          : right.length > 0
            ? `quantile ${unknown.quantile} of ${right.length} rightly labelled cells`
            : 'no rightly labelled cell: nothing is withheld',
    },
  };
}
