import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { DepthCorruption, Preprocessing } from '../../../src/data/loader/config.js';
import { binomial, corruptDepth, observe, thinCounts, type RawCell } from '../../../src/data/loader/depth.js';
import { Serializer } from '../../../src/data/loader/serialize.js';
import { Rng } from '../../../src/rng.js';

const counts = { kind: 'counts' } as const;
const T = 10_000;

const cells: fc.Arbitrary<RawCell> = fc
  .tuple(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 30 }), fc.nat(1000))
  .map(([list, outside]) => ({
    geneIds: Int32Array.from(list, (_, i) => i + 2),
    values: Uint16Array.from(list),
    total: list.reduce((a, b) => a + b, 0) + outside,
  }));

/** [n] ln(1 + factor · x) of an observation. */
const logged = ({ values, linearFactor }: { values: ArrayLike<number>; linearFactor: number }): number[] =>
  Array.from(values, (x) => Math.log1p(x * linearFactor));

describe('scaling the depth', () => {
  it('multiplies linear expression by one factor for the whole cell, within its range', () => {
    fc.assert(
      fc.property(cells, fc.nat(), (cell, seed) => {
        const depth = DepthCorruption.parse({ kind: 'scale', min: 0.2, max: 0.5 });
        const observed = logged(corruptDepth(cell, counts, T, depth, Rng.fromSeed(seed), new Uint16Array(64)));
        const clean = logged(observe(cell, counts, T));
        const factors = observed.map((x, i) => Math.expm1(x) / Math.expm1(clean[i]!));
        for (const factor of factors) {
          expect(factor).toBeGreaterThan(0.2 - 1e-9);
          expect(factor).toBeLessThan(0.5 + 1e-9);
          expect(factor / factors[0]!).toBeCloseTo(1, 9);
        }
      }),
    );
  });

  it('means the same for counts and for their log1p', () => {
    const cell: RawCell = { geneIds: Int32Array.of(2, 3), values: Uint16Array.of(4, 16), total: 20 };
    const log: RawCell = { ...cell, values: Float32Array.from(cell.values, (x) => Math.log1p((x * T) / 20)) };
    const depth = DepthCorruption.parse({ kind: 'scale' });
    const ofCounts = corruptDepth(cell, counts, T, depth, Rng.fromSeed(1), new Uint16Array(2));
    const ofLog = corruptDepth(log, { kind: 'log1p', targetSum: T }, T, depth, Rng.fromSeed(1), new Float32Array(2));
    const serialize = (scale: typeof counts | { kind: 'log1p'; targetSum: number }, raw: RawCell, observed: typeof ofLog): number[] => {
      const target = { geneIds: new Int32Array(2), values: new Float32Array(2), cleanValues: new Float32Array(2), offset: 0 };
      new Serializer({ preprocessing: Preprocessing.parse({ maxGenes: 2 }), scale, entropy: new Float32Array(8).fill(1) }).serialize(raw, target, observed);
      return [...target.values, ...target.cleanValues];
    };
    const [a, b] = [serialize(counts, cell, ofCounts), serialize({ kind: 'log1p', targetSum: T }, log, ofLog)];
    a.forEach((value, i) => expect(b[i]).toBeCloseTo(value, 5));
    expect(a[0]).toBeLessThan(a[2]! - 0.05); // fainter than the clean value beside it
    expect(a[2]).toBeCloseTo(Math.log1p((16 * T) / 20), 5);
  });

  it('leaves alone the share of cells it is told to', () => {
    const cell: RawCell = { geneIds: Int32Array.of(2), values: Uint16Array.of(4), total: 20 };
    const depth = DepthCorruption.parse({ kind: 'scale', min: 0.1, max: 0.2, probability: 0.3 });
    let corrupted = 0;
    for (let seed = 0; seed < 2000; seed++) if (corruptDepth(cell, counts, T, depth, Rng.fromSeed(seed), new Uint16Array(1)).linearFactor < T / 20) corrupted++;
    expect(Math.abs(corrupted - 600)).toBeLessThan(100); // standard deviation 20
  });
});

describe('thinning', () => {
  it('never adds a molecule and counts those that are left, outside the vocabulary too', () => {
    fc.assert(
      fc.property(cells, fc.double({ min: 0.01, max: 1, noNaN: true }), fc.nat(), (cell, keep, seed) => {
        const out = new Uint16Array(cell.values.length);
        const total = thinCounts(cell, keep, Rng.fromSeed(seed), out);
        const inside = out.reduce((a, b) => a + b, 0);
        out.forEach((count, i) => expect(count).toBeLessThanOrEqual(cell.values[i]!));
        expect(total).toBeGreaterThanOrEqual(inside);
        expect(total).toBeLessThanOrEqual(cell.total);
      }),
    );
  });

  it('normalises by the thinned library, so that expectations stay', () => {
    const cell: RawCell = { geneIds: Int32Array.of(2, 3), values: Uint16Array.of(400, 1600), total: 4000 };
    const depth = DepthCorruption.parse({ kind: 'thin', min: 0.5, max: 0.5 });
    let sum = 0;
    for (let seed = 0; seed < 300; seed++) {
      const { values, linearFactor } = corruptDepth(cell, counts, T, depth, Rng.fromSeed(seed), new Uint16Array(2));
      sum += values[0]! * linearFactor;
    }
    expect(Math.abs(sum / 300 - 1000)).toBeLessThan(12); // standard deviation of the mean: 2.9
  });

  it('drops genes that lost every molecule and keeps the clean value of the others', () => {
    const cell: RawCell = { geneIds: Int32Array.of(2, 3, 4), values: Uint16Array.of(9, 5, 7), total: 21 };
    const target = { geneIds: new Int32Array(3), values: new Float32Array(3), cleanValues: new Float32Array(3), offset: 0 };
    const serializer = new Serializer({ preprocessing: Preprocessing.parse({ maxGenes: 3 }), scale: counts, entropy: new Float32Array(8).fill(1) });
    const n = serializer.serialize(cell, target, { values: Uint16Array.of(1, 0, 2), linearFactor: T / 3 });
    expect(n).toBe(2);
    expect([...target.geneIds]).toEqual([4, 2, 0]);
    expect(target.values[1]).toBeCloseTo(Math.log1p(T / 3), 5);
    expect(target.cleanValues[1]).toBeCloseTo(Math.log1p((9 * T) / 21), 5);
  });
});

describe('binomial draws', () => {
  it.each([
    [12, 0.3],
    [12, 0.8],
    [1000, 0.01],
    [5000, 0.4],
    [60_000, 0.9],
  ])('of %i trials at %f have the mean and variance they should', (n, p) => {
    const rng = Rng.fromSeed(n);
    const draws = Array.from({ length: 3000 }, () => binomial(n, p, rng));
    const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
    const variance = draws.reduce((a, b) => a + (b - mean) ** 2, 0) / (draws.length - 1);
    const sd = Math.sqrt(n * p * (1 - p));
    expect(Math.abs(mean - n * p)).toBeLessThan((4.5 * sd) / Math.sqrt(3000));
    expect(Math.abs(variance / sd ** 2 - 1)).toBeLessThan(0.13); // standard deviation of the ratio: 0.026
    expect(draws.every((draw) => Number.isInteger(draw) && draw >= 0 && draw <= n)).toBe(true);
  });

  it('follow the exact distribution where it is small', () => {
    const rng = Rng.fromSeed(1);
    const seen = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) seen[binomial(3, 0.3, rng)]!++;
    [0.343, 0.441, 0.189, 0.027].forEach((probability, k) => expect(Math.abs(seen[k]! / 20_000 - probability)).toBeLessThan(0.016));
  });
});
