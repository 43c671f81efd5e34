import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/rng.js';
import { scoreLabels } from '../../../src/metrics/classification.js';
import { annotationBaselines, majorityProbabilities } from '../../../src/metrics/baselines/annotation-baselines.js';
import { leadingEigenpairs } from '../../../src/metrics/baselines/lanczos.js';
import { takeRows } from '../../../src/metrics/baselines/sparse-matrix.js';
import { dot } from '../../../src/metrics/baselines/vector.js';
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
    expect(Math.max(...other.components.map((c, k) => maxDifference(c.map(Math.abs), pca.components[k]!.map(Math.abs))))).toBeLessThan(1e-6);
  });

  it('gives what there is when asked for more components than the cells span', () => {
    const three = { numRows: 3, numColumns: 4, indptr: [0, 1, 2, 3], indices: [0, 1, 3], values: [1, 1, 1] };
    const few = fitPca(three, 50, rng());
    expect(few.components.length).toBe(2);
    expect(applyPca(few, three).data.every(Number.isFinite)).toBe(true);
  });

  it('refuses cells with other genes', () => {
    expect(() => applyPca(pca, { ...test, numColumns: 13 })).toThrow('14 genes applied to 13');
  });
});

describe('leading eigenpairs', () => {
  it('are found before the space is exhausted, and orthonormal, among repeated eigenvalues too', () => {
    const spectrum = Float64Array.from({ length: 200 }, (_, i) => (i < 6 ? [100, 50, 50, 25, 12, 6][i]! : 1 / i));
    let numProducts = 0;
    const { values, vectors } = leadingEigenpairs((v) => (numProducts++, v.map((x, i) => x * spectrum[i]!)), 200, 6, rng(), { tolerance: 1e-10 });
    expect(numProducts).toBeLessThanOrEqual(60);
    expect(maxDifference(values, [100, 50, 50, 25, 12, 6])).toBeLessThan(1e-8);
    for (const [i, a] of vectors.entries()) for (const [j, b] of vectors.entries()) expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 8);
  });
});

describe('rows taken from a sparse matrix', () => {
  it('are the rows asked for, in that order', () => {
    const taken = takeRows({ numRows: 3, numColumns: 3, indptr: [0, 2, 2, 3], indices: [0, 2, 1], values: [1, 2, 3] }, [2, 0, 1]);
    expect(taken).toEqual({ numRows: 3, numColumns: 3, indptr: Int32Array.of(0, 1, 3, 3), indices: Int32Array.of(1, 0, 2), values: Float32Array.of(3, 1, 2) });
  });
});

describe('baselines', () => {
  const pca = fitPca(train, 5, rng());
  const [a, b] = [applyPca(pca, train), applyPca(pca, test)];

  it('logistic regression agrees with scikit-learn', () => {
    const model = fitLogisticRegression(a, trainLabels, numClasses, { tolerance: 1e-7 });
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
    const { x, hasConverged } = minimise(
      (at, gradient) => {
        scales.forEach((s, i) => (gradient[i] = s * (at[i]! - i)));
        return scales.reduce((sum, s, i) => sum + (s * (at[i]! - i) ** 2) / 2, 0);
      },
      new Float64Array(3),
      { tolerance: 1e-8 },
    );
    expect(hasConverged).toBe(true);
    expect(maxDifference(x, [0, 1, 2])).toBeLessThan(1e-8);
  });
});
