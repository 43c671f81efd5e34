import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/rng.js';
import { scoreLabels } from '../../../src/metrics/classification.js';
import { annotationBaselines, majorityProbabilities } from '../../../src/metrics/baselines/annotation-baselines.js';
import { minimise } from '../../../src/metrics/baselines/lbfgs.js';
import { fitLogisticRegression, logisticProbabilities } from '../../../src/metrics/baselines/logistic-regression.js';
import { nearestNeighbourProbabilities } from '../../../src/metrics/baselines/nearest-neighbours.js';
import { applyPca, fitPca } from '../../../src/metrics/baselines/pca.js';
import { golden, maxDifference } from '../golden.js';

const { train, trainLabels, test, testLabels, numClasses, ...expected } = golden.baselines;
const rng = () => Rng.fromSeed(1);

describe('principal components', () => {
  const pca = fitPca(train, 5, rng());

  it('finds the variances and coordinates scikit-learn finds, up to the sign of a component', () => {
    expect(maxDifference(pca.variances, expected.variances)).toBeLessThan(1e-8);
    expect(maxDifference(applyPca(pca, test).data.map(Math.abs), expected.absTestPoints)).toBeLessThan(1e-6);
  });

  it('does not depend on its start vectors', () => {
    const other = fitPca(train, 5, Rng.fromSeed(2));
    expect(maxDifference(other.components.map(Math.abs), pca.components.map(Math.abs))).toBeLessThan(1e-6);
  });

  it('gives what there is when asked for more components than the cells span', () => {
    const three = { numRows: 3, numColumns: 4, indptr: [0, 1, 2, 3], indices: [0, 1, 3], values: [1, 1, 1] };
    const few = fitPca(three, 50, rng());
    expect(few.numComponents).toBe(2);
    expect(applyPca(few, three).data.every(Number.isFinite)).toBe(true);
  });

  it('refuses cells with other genes', () => {
    expect(() => applyPca(pca, { ...test, numColumns: 13 })).toThrow('14 genes applied to 13');
  });
});

describe('baselines', () => {
  const pca = fitPca(train, 5, rng());
  const [a, b] = [applyPca(pca, train), applyPca(pca, test)];

  it('logistic regression agrees with scikit-learn', () => {
    const model = fitLogisticRegression(a, trainLabels, numClasses, { tolerance: 1e-9 });
    expect(model.hasConverged).toBe(true);
    expect(maxDifference(logisticProbabilities(model, b), expected.logisticProbabilities)).toBeLessThan(1e-6);
  });

  it('nearest neighbours agree with scikit-learn', () => {
    expect(maxDifference(nearestNeighbourProbabilities(a, trainLabels, b, numClasses), expected.neighbourProbabilities)).toBeLessThan(1e-12);
  });

  it('the majority class is the most frequent one, for every cell', () => {
    expect([...majorityProbabilities([1, 1, 0, 1], 2, 3)]).toEqual([0.25, 0.75, 0, 0.25, 0.75, 0]);
  });

  it('all come back in one table, each better than the majority on separable cells', () => {
    const results = annotationBaselines({ train, trainLabels, test, numClasses, rng: rng() });
    expect(results.map((r) => r.name)).toEqual(['majorityClass', 'nearestNeighbours', 'logisticRegression']);
    const [majority, ...others] = results.map((r) => scoreLabels(testLabels, r.predicted, numClasses).accuracy);
    for (const other of others) expect(other).toBeGreaterThan(majority! + 0.2);
    for (const { confidence } of results) expect(confidence.every((p) => p > 0 && p <= 1)).toBe(true);
  });
});

describe('L-BFGS', () => {
  it('finds the bottom of a badly scaled bowl', () => {
    const scales = [1, 100, 10_000];
    const { x, hasConverged } = minimise((at, gradient) => {
      scales.forEach((s, i) => (gradient[i] = s * (at[i]! - i)));
      return scales.reduce((sum, s, i) => sum + (s * (at[i]! - i) ** 2) / 2, 0);
    }, new Float64Array(3), { tolerance: 1e-8 });
    expect(hasConverged).toBe(true);
    expect(maxDifference(x, [0, 1, 2])).toBeLessThan(1e-8);
  });
});
