import { readFileSync } from 'node:fs';

interface Csr {
  numRows: number;
  numColumns: number;
  indptr: number[];
  indices: number[];
  values: number[];
}

/** Numbers of scipy, scanpy, scikit-learn, nltk and Levenshtein; test/fixtures/metrics/make-perturbation.py made them. */
export const perturbationGolden = JSON.parse(readFileSync(new URL('../../fixtures/metrics/perturbation.json', import.meta.url), 'utf8')) as {
  tests: {
    x: Csr;
    numControl: number;
    u: number[];
    pValue: number[];
    fdr: number[];
    scanpyScore: number[];
    energyDistance: number;
    energyDistanceSquared: number;
  };
  rankings: { scores: number[]; isPositive: number[]; averagePrecision: number; precisionRecallArea: number; auroc: number };
  sequences: {
    truth: number[][];
    predicted: number[][];
    levenshtein: number[];
    bleu4: number[];
    bleu4Corpus: number;
    spearmanShared: number[];
    spearmanFull: number[];
  };
  linear: { profiles: number[][]; rank: number; predicted: number[] };
};
