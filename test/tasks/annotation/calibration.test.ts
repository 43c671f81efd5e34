import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/rng.js';
import { calibrate, fitTemperature, quantile, softmaxRows } from '../../../src/tasks/annotation/calibration.js';
import { predictLabels, scoreConfidently, scorePredictions } from '../../../src/tasks/annotation/predictions.js';

const C = 4;
const chosenOnValidation = { threshold: null, quantile: 0.05 };

/** Cells whose labels are drawn from softmax(logits / temperature): a classifier that is exactly that much over-confident. */
function overconfident(numCells: number, temperature: number) {
  const rng = Rng.fromSeed(3);
  const logits = Float32Array.from({ length: numCells * C }, () => 2 * temperature * rng.normal());
  const truth = softmaxRows(logits, C, temperature);
  const labels = Int32Array.from({ length: numCells }, (_, i) => {
    const draw = rng.uniform();
    let [label, sum] = [0, truth[i * C]!];
    while (draw >= sum && label < C - 1) sum += truth[i * C + ++label]!;
    return label;
  });
  return { logits, labels };
}

describe('temperature scaling', () => {
  it('finds the temperature that labels were drawn with', () => {
    for (const temperature of [0.5, 1, 3]) {
      const { logits, labels } = overconfident(4000, temperature);
      expect(fitTemperature(logits, labels, C) / temperature).toBeCloseTo(1, 1);
    }
  });

  it('mends the calibration error of an over-confident classifier and changes no label', () => {
    const { logits, labels } = overconfident(4000, 3);
    const { temperature, calibration } = calibrate(logits, labels, C, chosenOnValidation);
    expect(calibration!.errorBefore).toBeGreaterThan(0.1);
    expect(calibration!.errorAfter).toBeLessThan(0.03);
    const before = predictLabels(logits, { classes: ['a', 'b', 'c', 'd'], temperature: 1, unknownThreshold: 0 });
    const after = predictLabels(logits, { classes: ['a', 'b', 'c', 'd'], temperature, unknownThreshold: 0 });
    expect(after.predicted).toEqual(before.predicted);
  });

  it('does not claim certainty from a handful of cells without a mistake', () => {
    const logits = Float32Array.from({ length: 10 * C }, (_, i) => (i % C === 1 ? 2 : 0));
    const labels = new Int32Array(10).fill(1);
    const temperature = fitTemperature(logits, labels, C);
    const { confidence } = predictLabels(logits, { classes: ['a', 'b', 'c', 'd'], temperature, unknownThreshold: 0 });
    expect(confidence[0]).toBeGreaterThan(0.8);
    expect(confidence[0]).toBeLessThan(0.97);
  });

  it('leaves labels unseen in training out of the fit, and stays at 1 where nothing is left', () => {
    const { logits, labels } = overconfident(500, 2);
    const padded = Float32Array.of(...logits, 9, 0, 0, 0);
    expect(fitTemperature(padded, Int32Array.of(...labels, C), C)).toBe(fitTemperature(logits, labels, C));
    expect(fitTemperature(Float32Array.of(9, 0, 0, 0), Int32Array.of(C), C)).toBe(1);
  });
});

describe('the unknown threshold', () => {
  const { logits, labels } = overconfident(2000, 1);
  const classes = ['a', 'b', 'c', 'd'];

  it('withholds the asked share of the rightly labelled validation cells', () => {
    const head = { classes, ...calibrate(logits, labels, C, { threshold: null, quantile: 0.1 }) };
    const { predicted, isUnknown } = predictLabels(logits, head);
    const right = [...predicted.keys()].filter((i) => predicted[i] === labels[i]);
    expect(right.filter((i) => isUnknown[i]).length / right.length).toBeCloseTo(0.1, 2);
  });

  it('raises the accuracy of the labels that are given', () => {
    const head = { classes, ...calibrate(logits, labels, C, { threshold: null, quantile: 0.3 }) };
    const { accuracy, accuracyOfKnown, shareUnknown } = scorePredictions(labels, predictLabels(logits, head), C, 0) as Record<string, number>;
    expect(accuracyOfKnown).toBeGreaterThan(accuracy! + 0.05);
    expect(shareUnknown).toBeGreaterThan(0.3);
  });

  it('is the one that was given, where one was given', () => {
    expect(calibrate(logits, labels, C, { threshold: 0.77, quantile: 0.05 }).unknownThreshold).toBe(0.77);
  });

  it('withholds nothing when no validation cell was right', () => {
    const { unknownThreshold, calibration } = calibrate(Float32Array.of(1, 0, 0, 0), Int32Array.of(2), C, chosenOnValidation);
    expect(unknownThreshold).toBe(0);
    expect(calibration!.thresholdFrom).toMatch(/no rightly labelled cell/);
  });
});

describe('scores of predictions', () => {
  it('count a label unseen in training as wrong, with a class of its own in the means', () => {
    const predictions = predictLabels(Float32Array.of(5, 0, 0, 5, 5, 0), { classes: ['a', 'b'], temperature: 1, unknownThreshold: 0 });
    const scores = scorePredictions(Int32Array.of(0, 1, 2), predictions, 2, 1);
    expect(scores['accuracy']).toBeCloseTo(2 / 3, 12);
    expect(scores['macroF1']).toBeCloseTo((2 / 3 + 1 + 0) / 3, 12);
  });
});

describe('quantile', () => {
  it('interpolates as numpy does', () => {
    expect(quantile([4, 1, 3, 2], 0)).toBe(1);
    expect(quantile([4, 1, 3, 2], 0.4)).toBeCloseTo(2.2, 12);
    expect(quantile([7], 0.9)).toBe(7);
  });
});

describe('labels that training has not seen', () => {
  const truth = [0, 0, 1, 1, 2, 2]; // 2 is unseen
  const predicted = Int32Array.of(0, 0, 1, 0, 1, 0);

  it('count as wrong, are told by low confidence, and are left out of the scores of the others', () => {
    const scores = scoreConfidently(truth, predicted, Float64Array.of(0.9, 0.8, 0.7, 0.4, 0.5, 0.3), 2, 1);
    expect(scores['accuracy']).toBeCloseTo(3 / 6, 12);
    expect(scores['unknownAuroc']).toBeCloseTo(7 / 8, 12); // of 4 × 2 pairs one is the wrong way round: 0.4 seen, 0.5 unseen
    expect(scores['macroF1OfSeen']).toBeCloseTo((4 / 5 + 2 / 3) / 2, 12);
  });

  it('are not spoken of where there are none', () => {
    expect(scoreConfidently([0, 1], Int32Array.of(0, 1), Float64Array.of(0.9, 0.9), 2, 1)).not.toHaveProperty('unknownAuroc');
  });
});
