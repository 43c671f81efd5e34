import { readFileSync } from 'node:fs';

interface Csr {
  numRows: number;
  numColumns: number;
  indptr: number[];
  indices: number[];
  values: number[];
}

/** scikit-learn's numbers; test/fixtures/metrics/make.py made them. */
export const golden = JSON.parse(readFileSync(new URL('../fixtures/metrics/golden.json', import.meta.url), 'utf8')) as {
  labels: {
    truth: number[];
    predicted: number[];
    numClasses: number;
    confusion: number[];
    accuracy: number;
    macroPrecision: number;
    macroRecall: number;
    macroF1: number;
    precision: number[];
    recall: number[];
    f1: number[];
    support: number[];
  };
  calibration: { confidence: number[]; isCorrect: number[]; expectedCalibrationError: number; auroc: number; scores: number[] };
  baselines: {
    train: Csr;
    trainLabels: number[];
    test: Csr;
    testLabels: number[];
    numClasses: number;
    variances: number[];
    absTestPoints: number[];
    logisticProbabilities: number[];
    neighbourProbabilities: number[];
  };
};

/** The largest absolute difference of two arrays of one length; NaN anywhere gives NaN, which no tolerance accepts. */
export function maxDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values, expected ${expected.length}`);
  return Array.from(actual).reduce((max, v, i) => Math.max(max, Math.abs(v - expected[i]!)), 0);
}
