import { describe, expect, it } from 'vitest';
import { activeUnits } from '../../src/metrics/active-units.js';
import { drawnCells, gaussianCells, shuffledCells } from '../../src/metrics/baselines/made-up-cells.js';
import type { SparseMatrix } from '../../src/metrics/baselines/sparse-matrix.js';
import { scoreGenerated } from '../../src/metrics/two-sample.js';
import { Rng } from '../../src/rng.js';

const rng = Rng.fromSeed(1);
/** Cells of two kinds: the first four genes go together, the last four alone; half of all entries are 0. */
function cells(name: string, n: number, shift = 0): SparseMatrix {
  const stream = rng.fork(name);
  const indptr = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < n; i++) {
    const together = stream.uniform() < 0.5;
    for (let g = 0; g < 8; g++) {
      if (!(g < 4 ? together : stream.uniform() < 0.5)) continue;
      indices.push(g);
      values.push(1.5 + 0.3 * g + shift + 0.3 * stream.normal());
    }
    indptr.push(indices.length);
  }
  return { numRows: n, numColumns: 8, indptr: Int32Array.from(indptr), indices: Int32Array.from(indices), values: Float32Array.from(values) };
}

describe('made cells against real ones', () => {
  const [train, test] = [cells('train', 300), cells('test', 200)];
  const labels = new Int32Array(300).fill(-1);
  const score = (made: SparseMatrix) => scoreGenerated(test, made, rng.fork('scores'));

  it('cannot be told apart where they are real', () => {
    const { twoSampleAuc, twoSampleAucLinear, generatedMeanR2, generatedGenesRatio } = score(drawnCells(train, 200, rng.fork('drawn')));
    expect(Math.abs(twoSampleAuc - 0.5)).toBeLessThan(0.08);
    expect(Math.abs(twoSampleAucLinear - 0.5)).toBeLessThan(0.1);
    expect(generatedMeanR2).toBeGreaterThan(0.6);
    expect(Math.abs(generatedGenesRatio - 1)).toBeLessThan(0.15);
  });

  it('are told apart by neighbours alone where every gene by itself is right', () => {
    const { twoSampleAuc, twoSampleAucLinear } = score(shuffledCells(train, labels, 200, rng.fork('shuffled')));
    expect(twoSampleAuc).toBeGreaterThan(0.7);
    expect(Math.abs(twoSampleAucLinear - 0.5)).toBeLessThan(0.12);
  });

  it('are told apart by the means where these are off, and by their silent genes', () => {
    expect(score(cells('shifted', 200, 1)).twoSampleAucLinear).toBeGreaterThan(0.65);
    expect(score(gaussianCells(train, labels, 8, 200, rng.fork('gaussian'))).generatedGenesRatio).toBeGreaterThan(1.3);
  });
});

describe('the normal cells of a class', () => {
  it('have its mean and covariance', () => {
    const train = cells('plain', 400);
    const made = gaussianCells(
      { ...train, values: train.values },
      Int32Array.from({ length: 400 }, (_, i) => i % 2),
      8,
      2000,
      rng.fork('many'),
    );
    const mean = (x: SparseMatrix, gene: number) => Array.from(x.indices).reduce((sum, g, at) => sum + (g === gene ? x.values[at]! : 0), 0) / x.numRows;
    // What is below 0 comes out as 0, which lifts the mean a little.
    for (let g = 0; g < 8; g++) expect(mean(made, g) - mean(train, g)).toBeGreaterThan(-0.1);
    for (let g = 0; g < 8; g++) expect(mean(made, g) - mean(train, g)).toBeLessThan(0.35);
  });
});

describe('active units', () => {
  it('are the dimensions that vary from cell to cell', () => {
    expect(activeUnits([0, 1, 5, 0.05, -1, 5, 0, 0, 5], 3)).toBe(1);
    expect(activeUnits([2, 2, 2], 1)).toBe(0);
  });
});
