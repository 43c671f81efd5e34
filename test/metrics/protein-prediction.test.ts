import { describe, expect, it } from 'vitest';
import { proteinBaselines } from '../../src/metrics/baselines/protein-baselines.js';
import type { SparseMatrix } from '../../src/metrics/baselines/sparse-matrix.js';
import { scoreProteins } from '../../src/metrics/protein-prediction.js';
import { Rng } from '../../src/rng.js';

describe('scores of predicted proteins', () => {
  it('are means over proteins of what each has over cells', () => {
    // Protein 1 exactly, protein 2 turned round and one off.
    const scores = scoreProteins([1, 1, 2, 2, 3, 3], [1, 4, 2, 3, 3, 2], 2);
    expect(scores.pearson).toEqual([1, -1]);
    expect(scores.proteinPearson).toBeCloseTo(0, 12);
    expect(scores.rmse[0]).toBe(0);
    expect(scores.rmse[1]).toBeCloseTo(Math.sqrt((9 + 1 + 1) / 3), 12);
    expect(scoreProteins([1, 2, 3], [5, 5, 5], 1).proteinPearson).toBeNaN();
  });
});

describe('simple predictions of proteins', () => {
  const rng = Rng.fromSeed(1);
  const cells = (name: string, n: number): { x: SparseMatrix; proteins: Float32Array } => {
    const stream = rng.fork(name);
    const values = Float32Array.from({ length: n * 6 }, () => 1 + stream.uniform());
    const x = {
      numRows: n,
      numColumns: 6,
      indptr: Int32Array.from({ length: n + 1 }, (_, i) => 6 * i),
      indices: Int32Array.from({ length: n * 6 }, (_, i) => i % 6),
      values,
    };
    // One protein is a sum of two genes, the other has nothing to do with any.
    return { x, proteins: Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? 2 * values[3 * i]! - values[3 * i + 1]! : stream.normal())) };
  };
  const [train, validation, test] = [cells('train', 200), cells('validation', 60), cells('test', 80)];
  const found = proteinBaselines({
    train: train.x,
    validation: validation.x,
    test: test.x,
    trainProteins: train.proteins,
    validationProteins: validation.proteins,
    numProteins: 2,
    rng: rng.fork('baselines'),
  });
  const scoresOf = (name: string) => scoreProteins(test.proteins, found.find((one) => one.name === name)!.predicted, 2);

  it('find a linear dependence, and none where there is none', () => {
    expect(scoresOf('ridge').pearson[0]).toBeGreaterThan(0.99);
    expect(Math.abs(scoresOf('ridge').pearson[1]!)).toBeLessThan(0.3);
    expect(scoresOf('nearestNeighbours').pearson[0]).toBeGreaterThan(0.7);
    expect(scoresOf('mean').proteinPearson).toBeNaN();
    expect(scoresOf('ridge').rmse[0]).toBeLessThan(0.2 * scoresOf('mean').rmse[0]!);
  });
});
