import { describe, expect, it } from 'vitest';
import { approximateNeighbours } from '../../src/metrics/approximate-neighbours.js';
import { exactNeighbours, firstNeighbours, nearestNeighbours } from '../../src/metrics/neighbours.js';
import { forEachPair } from '../../src/metrics/pairs.js';
import { Rng } from '../../src/rng.js';

function cloud(n: number, d: number, seed = 1) {
  const rng = Rng.fromSeed(seed);
  return { numRows: n, numColumns: d, data: Float64Array.from({ length: n * d }, () => 5 + rng.normal()) };
}

describe('pairs of points', () => {
  it.each([1, 2, 3, 5, 64, 67, 131])('visits each pair of %i once, with its squared distance', (n) => {
    const points = cloud(n, 7);
    const seen = new Float64Array(n * n).fill(-1);
    forEachPair(points, (i, j, squared) => {
      expect(i < j).toBe(true);
      expect(seen[i * n + j]).toBe(-1);
      seen[i * n + j] = squared;
    });
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        let expected = 0;
        for (let k = 0; k < 7; k++) expected += (points.data[i * 7 + k]! - points.data[j * 7 + k]!) ** 2;
        expect(Math.abs(seen[i * n + j]! - expected)).toBeLessThan(1e-10);
      }
    }
  });
});

describe('nearest cells', () => {
  it('stand nearest first with the cell itself in front, also among copies of it', () => {
    const { indices, distances } = exactNeighbours({ numRows: 5, numColumns: 1, data: Float64Array.of(0, 0, 1, 3, 3) }, 3);
    expect([...indices]).toEqual([0, 1, 2, 1, 0, 2, 2, 0, 1, 3, 4, 2, 4, 3, 2]);
    expect([...distances].map((v) => Math.round(v * 1e6) / 1e6)).toEqual([0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 2, 0, 0, 2]);
  });

  it('found approximately are the exact ones, but for one in fifty, each cell in front of its own, and the same every time', () => {
    const points = cloud(3000, 10);
    const k = 20;
    const exact = exactNeighbours(points, k);
    const found = approximateNeighbours(points, k);
    let hits = 0;
    for (let i = 0; i < points.numRows; i++) {
      const near = new Set(exact.indices.subarray(i * k, (i + 1) * k));
      expect(found.indices[i * k]).toBe(i);
      for (let j = 0; j < k; j++) if (near.has(found.indices[i * k + j]!)) hits++;
      expect(Math.abs(found.distances[i * k + 1]! - exact.distances[i * k + 1]!) < 1e-4 || found.distances[i * k + 1]! > exact.distances[i * k + 1]!).toBe(
        true,
      );
    }
    expect(hits / exact.indices.length).toBeGreaterThan(0.98);
    expect(approximateNeighbours(points, k)).toEqual(found);
  });

  it('come from the approximate search beyond the limit, and from the exact one up to it', async () => {
    const points = cloud(200, 4);
    expect(await nearestNeighbours(points, 9, { maxExactCells: 199 })).toEqual(approximateNeighbours(points, 9));
    expect(await nearestNeighbours(points, 9, { maxExactCells: 200 })).toEqual(exactNeighbours(points, 9));
  });

  it('are a beginning of more of them', () => {
    const points = cloud(60, 3);
    expect(firstNeighbours(exactNeighbours(points, 20), 5)).toEqual(exactNeighbours(points, 5));
    expect(() => exactNeighbours(points, 61)).toThrow('61 neighbours asked for, 60 are there');
  });
});
