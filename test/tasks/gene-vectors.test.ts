import { describe, expect, it } from 'vitest';
import type { SparseMatrix } from '../../src/metrics/baselines/sparse-matrix.js';
import { Rng } from '../../src/rng.js';
import { placeGenes } from '../../src/tasks/pretraining/gene-vectors.js';

const sparse = (rows: readonly (readonly number[])[]): SparseMatrix => {
  const indptr = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for (const row of rows) {
    row.forEach((value, g) => value !== 0 && (indices.push(g), values.push(value)));
    indptr.push(indices.length);
  }
  return { numRows: rows.length, numColumns: rows[0]!.length, indptr, indices, values };
};

/** Genes 0 and 1 go together, 2 goes against them, 3 by itself; nobody expresses 4. */
function cells(numCells: number, rng: Rng, shift = 0): number[][] {
  return Array.from({ length: numCells }, () => {
    const [a, b] = [rng.normal(), rng.normal()];
    return [3 + a + shift, 3 + a + shift, 3 - a + shift, 3 + b, 0];
  });
}

const cosine = (table: Float32Array, dim: number, i: number, j: number): number => {
  const [u, v] = [table.subarray(i * dim, (i + 1) * dim), table.subarray(j * dim, (j + 1) * dim)];
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, d) => sum + value * y[d]!, 0);
  return dot(u, v) / Math.sqrt(dot(u, u) * dot(v, v));
};

describe('placeGenes', () => {
  const rng = Rng.fromSeed(4);
  const fallback = Float32Array.from({ length: 5 * 4 }, () => rng.normal());

  it('puts genes where their correlations are, at the size of random vectors, and leaves silent genes alone', () => {
    const table = placeGenes([sparse(cells(400, rng))], { dim: 4, deviationFloor: 0.1 }, Rng.fromSeed(1), fallback);
    expect(cosine(table, 4, 0, 1)).toBeCloseTo(1, 3);
    expect(cosine(table, 4, 0, 2)).toBeCloseTo(-1, 3);
    expect(Math.abs(cosine(table, 4, 0, 3))).toBeLessThan(0.15);
    expect(table.subarray(0, 16).reduce((sum, x) => sum + x * x, 0) / 16).toBeCloseTo(1, 4);
    expect(table.subarray(16)).toEqual(fallback.subarray(16));
  });

  it('takes no difference between studies for a correlation', () => {
    const table = placeGenes([sparse(cells(400, rng)), sparse(cells(400, rng, 5))], { dim: 4, deviationFloor: 0.1 }, Rng.fromSeed(1), fallback);
    expect(cosine(table, 4, 0, 2)).toBeCloseTo(-1, 3);
  });
});
