import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { assignSplits, partSizes, type Fractions } from '../../../src/data/corpus/split.js';

const none = (): boolean => false;
const column = (key: string, categories: string[], codes: number[]) => ({ key, categories, codes: Int32Array.from(codes) });
const shares: Fractions = [0.8, 0.1, 0.1];

describe('a split by cell', () => {
  it('gives every class of three cells or more a cell in each part, and comes close to the shares', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 1, maxLength: 400 }), fc.nat(), (codes, seed) => {
        const label = column('type', ['a', 'b', 'c', 'd', 'e', 'f'], codes);
        const splits = assignSplits({ numRows: codes.length, isExcluded: none, fractions: shares, seed, label });
        for (let code = -1; code < 6; code++) {
          const parts = [0, 0, 0];
          codes.forEach((its, row) => void (its === code && parts[splits[row]!]!++));
          const n = parts.reduce((a, b) => a + b);
          if (n >= 3) expect(Math.min(...parts)).toBeGreaterThan(0);
          if (n === 2) expect(parts).toEqual([1, 0, 1]);
          if (n >= 20) parts.forEach((size, split) => expect(Math.abs(size - n * shares[split]!)).toBeLessThan(1.01));
        }
      }),
    );
  });

  it('leaves excluded rows out and a part without a share empty', () => {
    const splits = assignSplits({ numRows: 100, isExcluded: (row) => row % 10 === 3, fractions: [0.7, 0, 0.3], seed: 1 });
    expect([...splits].filter((split) => split === -1)).toHaveLength(10);
    expect([...splits].filter((split) => split === 1)).toHaveLength(0);
    expect([...splits].filter((split) => split === 2)).toHaveLength(27);
  });

  it('depends on the seed and on nothing else', () => {
    const request = { numRows: 50, isExcluded: none, fractions: shares };
    expect(assignSplits({ ...request, seed: 4 })).toEqual(assignSplits({ ...request, seed: 4 }));
    expect(assignSplits({ ...request, seed: 4 })).not.toEqual(assignSplits({ ...request, seed: 5 }));
  });

  it('deals out exactly all cells', () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (n, a, b) => {
        const train = 0.01 + 0.99 * a;
        const sizes = partSizes(n, [train, (1 - train) * b, (1 - train) * (1 - b)]);
        expect(sizes.reduce((x, y) => x + y)).toBe(n);
        expect(Math.min(...sizes)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('a split by a field', () => {
  it('keeps each donor in one part, fills every part and comes as close to the shares as donors allow', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 100, maxLength: 400 }), fc.nat(), (codes, seed) => {
        fc.pre(new Set(codes).size >= 6);
        const by = column(
          'donor',
          Array.from({ length: 10 }, (_, i) => `d${i}`),
          codes,
        );
        const splits = assignSplits({ numRows: codes.length, isExcluded: none, fractions: shares, seed, by });
        const partsOf = new Map<number, Set<number>>();
        codes.forEach((code, row) => partsOf.set(code, (partsOf.get(code) ?? new Set()).add(splits[row]!)));
        for (const parts of partsOf.values()) expect(parts.size).toBe(1);
        expect(new Set(splits)).toEqual(new Set([0, 1, 2]));
        const numTrain = [...splits].filter((split) => split === 0).length;
        expect(numTrain / codes.length).toBeGreaterThan(0.45);
      }),
    );
  });

  it('takes over a field that says train, validation and test', () => {
    const by = column('set', ['test', 'Train', 'val'], [1, 1, 0, 2, 1]);
    expect([...assignSplits({ numRows: 5, isExcluded: none, fractions: shares, seed: 0, by })]).toEqual([0, 0, 2, 1, 0]);
  });

  it('names a cell without a value', () => {
    const by = column('donor', ['a', 'b', 'c'], [0, 1, -1, 2]);
    expect(() => assignSplits({ numRows: 4, isExcluded: none, fractions: shares, seed: 0, by })).toThrow(/obs\['donor'\]: cell 2 has no value/);
    expect(() => assignSplits({ numRows: 4, isExcluded: (row) => row === 2, fractions: shares, seed: 0, by })).not.toThrow();
  });
});
