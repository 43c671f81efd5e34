import { describe, expect, it } from 'vitest';
import { distanceCurve, typicality } from '../../../src/metrics/typicality.js';
import { weightedVotes } from '../../../src/inference/reference/vote.js';

describe('the votes of neighbours', () => {
  it('weigh exp(-(d / d_k)²): two that are near outvote three that are far', () => {
    const near = { numCells: 1, k: 5, indices: Int32Array.of(0, 1, 2, 3, 4), distances: Float64Array.of(0.1, 0.1, 2, 2, 2) };
    const { predicted, agreement, distance } = weightedVotes(near, [1, 1, 0, 0, 0], 2);
    expect(predicted[0]).toBe(1);
    const [forOne, forZero] = [2 * Math.exp(-(0.05 ** 2)), 3 * Math.exp(-1)];
    expect(agreement[0]).toBeCloseTo(forOne / (forOne + forZero), 12);
    expect(distance[0]).toBeCloseTo(6.2 / 5, 12);
  });

  it('are equal where all neighbours lie on the cell itself', () => {
    const same = { numCells: 1, k: 3, indices: Int32Array.of(0, 1, 2), distances: new Float64Array(3) };
    expect(weightedVotes(same, [0, 2, 2], 3)).toEqual({ predicted: Int32Array.of(2), agreement: Float64Array.of(2 / 3), distance: Float64Array.of(0) });
  });
});

describe('typicality', () => {
  const distances = Float64Array.from({ length: 5000 }, (_, i) => (i + 0.5) / 5000).reverse();
  const curve = distanceCurve(distances);

  it('is the share of the reference’s own cells at least as far', () => {
    expect(curve[0]).toBe(0.0001);
    expect(curve.at(-1)).toBe(0.9999);
    for (const d of [0.01, 0.3, 0.77, 0.99]) expect(typicality(d, curve)).toBeCloseTo(1 - d, 3);
    expect([typicality(0, curve), typicality(1.01, curve), typicality(Infinity, curve)]).toEqual([1, 0, 0]);
    expect(distances.filter((d) => typicality(d, curve) < 0.01).length / 5000).toBeCloseTo(0.01, 3);
  });

  it('falls as the distance grows, also where many cells are equally far', () => {
    const flat = distanceCurve(Float64Array.from({ length: 100 }, (_, i) => (i < 60 ? 1 : 2)));
    const at = [0.5, 1, 1.2, 1.9, 2, 2.1].map((d) => typicality(d, flat));
    at.slice(1).forEach((value, i) => expect(value).toBeLessThanOrEqual(at[i]!));
    expect(at.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(typicality(3, distanceCurve(Float64Array.of(3, 3)))).toBeGreaterThan(0);
  });
});
