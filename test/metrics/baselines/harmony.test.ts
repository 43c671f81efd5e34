import { describe, expect, it } from 'vitest';
import { harmony } from '../../../src/metrics/baselines/harmony.js';
import { exactNeighbours } from '../../../src/metrics/neighbours.js';
import { clisi, ilisi } from '../../../src/metrics/integration/lisi.js';
import { Rng } from '../../../src/rng.js';

/** Three types in two batches, the second moved by one vector. */
function shiftedClouds(shift: number) {
  const rng = Rng.fromSeed(6);
  const [n, d] = [300, 8];
  const labels = Int32Array.from({ length: n }, (_, i) => i % 3);
  const techBatches = Int32Array.from({ length: n }, (_, i) => (i < 150 ? 0 : 1));
  const data = Float64Array.from({ length: n * d }, (_, at) => {
    const [i, j] = [Math.floor(at / d), at % d];
    return 6 * Number(labels[i] === j) + (j >= 4 ? shift * techBatches[i]! : 0) + rng.normal();
  });
  return { points: { numRows: n, numColumns: d, data }, labels, techBatches };
}

describe('Harmony', () => {
  const { points, labels, techBatches } = shiftedClouds(3);

  it('mixes batches that one shift keeps apart, and leaves the types apart', () => {
    const corrected = harmony(points, techBatches, Rng.fromSeed(1));
    const [before, after] = [points, corrected].map((p) => exactNeighbours(p, 90));
    expect(ilisi(before!, techBatches)).toBeLessThan(0.15);
    expect(ilisi(after!, techBatches)).toBeGreaterThan(0.6);
    expect(clisi(after!, labels)).toBeGreaterThan(0.9);
  });

  it('takes the shift out of the means', () => {
    const { data } = harmony(points, techBatches, Rng.fromSeed(1));
    const gap = (values: ArrayLike<number>, j: number) => {
      let sum = 0;
      for (let i = 0; i < 300; i++) sum += (techBatches[i] ? 1 : -1) * (values[i * 8 + j]! / 150);
      return Math.abs(sum);
    };
    for (const j of [4, 5, 6, 7]) expect(gap(data, j)).toBeLessThan(0.2 * gap(points.data, j));
  });

  it('hardly moves what has no batch effect, and gives the same for the same seed', () => {
    const clean = shiftedClouds(0);
    const corrected = harmony(clean.points, clean.techBatches, Rng.fromSeed(1));
    const moved = Math.sqrt(corrected.data.reduce((sum, v, i) => sum + (v - clean.points.data[i]!) ** 2, 0) / corrected.data.length);
    expect(moved).toBeLessThan(0.25);
    expect(harmony(clean.points, clean.techBatches, Rng.fromSeed(1))).toEqual(corrected);
  });
});
