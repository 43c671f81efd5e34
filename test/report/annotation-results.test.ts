import { describe, expect, it } from 'vitest';
import { annotationSections, type AnnotationJson } from '../../src/report/annotation-results.js';

const bin = (confidence: number, accuracy: number, numCells: number) => ({ lower: 0, upper: 0, confidence, accuracy, numCells });

function result(numTestCells: number): AnnotationJson {
  return {
    task: 'annotation',
    split: 'test',
    headline: 'macroF1',
    out: 'run',
    labelKey: 'cell_type',
    labels: ['B', 'T', 'Mast'],
    numClasses: 2,
    numCells: { train: 10, validation: 4, test: numTestCells },
    numUnlabelled: { train: 0, validation: 0, test: 0 },
    seeds: [4, 5],
    methods: [
      {
        name: 'scdiva',
        title: 'ScDiVa, whole model',
        kind: 'model',
        runs: [
          { macroF1: 0.5, accuracy: 0.6, expectedCalibrationError: 0.1, shareUnknown: 0.25, accuracyOfKnown: 0.7 },
          { macroF1: 0.7, accuracy: 0.8, expectedCalibrationError: 0.2, shareUnknown: 0 },
        ],
      },
      { name: 'majorityClass', title: 'most frequent class', kind: 'baseline', runs: [{ macroF1: 0.2, accuracy: 0.5, expectedCalibrationError: 0 }] },
    ],
    classes: [
      { name: 'B', numCells: 3, precision: 1, recall: 1, f1: 1 },
      { name: 'T', numCells: 2, precision: 0.5, recall: 1, f1: 2 / 3 },
      { name: 'Mast', numCells: 0, precision: 0, recall: 0, f1: 0 },
    ],
    confusion: [
      [3, 0, 0],
      [0, 2, 0],
      [0, 0, 0],
    ],
    temperature: 1,
    unknownThreshold: 0.3,
    reliability: [bin(0.1, 1, 1), bin(0.2, 0, 3), bin(0, 0, 0), bin(0.7, 0.5, 6)],
  };
}

describe('annotationSections', () => {
  it('keeps the scores of every seed, and what speaks of the threshold apart from them', () => {
    const { scores, calibration } = annotationSections(result(600));
    expect(scores.methods[0]!.runs).toEqual([
      { macroF1: 0.5, accuracy: 0.6, expectedCalibrationError: 0.1 },
      { macroF1: 0.7, accuracy: 0.8, expectedCalibrationError: 0.2 },
    ]);
    expect(calibration).toMatchObject({ expectedCalibrationError: 0.1, threshold: { value: 0.3, shareUnknown: 0.25, accuracyOfKnown: 0.7 } });
  });

  it('leaves labels out that no test cell has and none was given', () => {
    const { classes } = annotationSections(result(600));
    expect(classes.scores.map(({ name }) => name)).toEqual(['B', 'T']);
    expect(classes.note).toBe('Of the training with seed 4, the first of 2.');
  });

  it('takes neighbouring bins of confidence together where cells are few, weighing them by their cells', () => {
    expect(annotationSections(result(600)).calibration.bins).toHaveLength(4);
    expect(annotationSections(result(10)).calibration.bins).toEqual([
      { confidence: expect.closeTo(0.175, 12), accuracy: 0.25, numCells: 4 },
      { confidence: expect.closeTo(0.7, 12), accuracy: 0.5, numCells: 6 },
    ]);
  });
});
