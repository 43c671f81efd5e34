import { describe, expect, it } from 'vitest';
import { expectedCalibrationError, reliabilityBins } from '../../src/metrics/calibration.js';
import { auroc } from '../../src/metrics/ranking.js';
import { golden } from './golden.js';

describe('calibration', () => {
  const { confidence, isCorrect, ...expected } = golden.calibration;

  it('agrees with scikit-learn on the expected calibration error', () => {
    expect(expectedCalibrationError(confidence, isCorrect)).toBeCloseTo(expected.expectedCalibrationError, 10);
  });

  it('is 0 for a forecaster that is right as often as it says, and the gap for one that is not', () => {
    expect(expectedCalibrationError([0.75, 0.75, 0.75, 0.75], [1, 1, 1, 0])).toBe(0);
    expect(expectedCalibrationError([1, 1, 1, 1], [1, 1, 0, 0])).toBe(0.5);
  });

  it('puts every confidence into one bin, both ends included', () => {
    const bins = reliabilityBins([0, 0.1, 0.10001, 1], [0, 0, 0, 1], 10);
    expect(bins.map((bin) => bin.numCells)).toEqual([2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    for (let edge = 1; edge <= 15; edge++) expect(reliabilityBins([edge / 15], [1])[edge - 1]!.numCells).toBe(1);
  });

  it('refuses what is not a probability', () => {
    expect(() => reliabilityBins([1.2], [1])).toThrow('1.2');
    expect(() => reliabilityBins([NaN], [1])).toThrow('NaN');
  });
});

describe('auroc', () => {
  it('agrees with scikit-learn, ties included', () => {
    expect(auroc(golden.calibration.scores, golden.calibration.isCorrect)).toBeCloseTo(golden.calibration.auroc, 12);
  });

  it('is 1 for a perfect order, 0 for its reverse, one half for ties and NaN for one kind only', () => {
    expect(auroc([1, 2, 3, 4], [0, 0, 1, 1])).toBe(1);
    expect(auroc([1, 2, 3, 4], [1, 1, 0, 0])).toBe(0);
    expect(auroc([5, 5, 5], [1, 0, 0])).toBe(0.5);
    expect(auroc([1, 2], [1, 1])).toBeNaN();
  });
});
