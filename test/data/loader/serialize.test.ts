import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { Preprocessing, type ValueScale } from '../../../src/data/loader/config.js';
import { Serializer } from '../../../src/data/loader/serialize.js';
import { Ranker } from '../../../src/data/loader/rank.js';
import { Rng } from '../../../src/rng.js';
import type { RawCell } from '../../../src/data/loader/depth.js';

const V = 60;

/** A cell over genes 2 … V-4 with values in (0, 2000], and a library larger than what it holds. */
const cells = (isCounts: boolean): fc.Arbitrary<RawCell> =>
  fc
    .tuple(
      fc.uniqueArray(fc.integer({ min: 2, max: V - 4 }), { minLength: 1, maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 40, maxLength: 40 }),
      fc.nat(500),
    )
    .map(([ids, draws, outside]) => {
      const geneIds = isCounts ? Uint16Array.from(ids).sort() : Int32Array.from(ids).sort();
      const numbers = draws.slice(0, ids.length).map((draw) => (isCounts ? draw : draw / 300));
      const values = isCounts ? Uint16Array.from(numbers) : Float32Array.from(numbers);
      return { geneIds, values, total: [...values].reduce((a, b) => a + b, 0) + outside };
    });

const entropyTables = fc.array(fc.double({ min: 0.1, max: 1, noNaN: true }), { minLength: V, maxLength: V }).map((h) => Float32Array.from(h));

/** The formula of serialize.ts, in plain words. */
function naive(cell: RawCell, preprocessing: Preprocessing, scale: ValueScale, entropy: Float32Array): { ids: number[]; values: number[] } {
  const genes = [...cell.geneIds].map((id, i) => {
    const x = cell.values[i]!;
    const value = Math.fround(
      scale.kind !== 'log1p'
        ? Math.log1p(x * (preprocessing.targetSum / cell.total))
        : scale.targetSum
          ? Math.log1p(Math.expm1(x) * (preprocessing.targetSum / scale.targetSum))
          : x,
    );
    const weight = preprocessing.serialisation === 'entropy' ? Math.fround(1.1 - entropy[id]!) : 1;
    return { id, value, score: Math.fround(value * weight) };
  });
  genes.sort((a, b) => b.score - a.score || a.id - b.id);
  const kept = genes.slice(0, preprocessing.maxGenes);
  return { ids: kept.map(({ id }) => id), values: kept.map(({ value }) => value) };
}

function run(serializer: Serializer, cell: RawCell, maxGenes: number, rng?: Rng) {
  const target = { geneIds: new Int32Array(maxGenes + 3).fill(-7), values: new Float32Array(maxGenes + 3).fill(-7), offset: 2 };
  const n = serializer.serialize(cell, target, undefined, rng);
  return {
    n,
    ids: [...target.geneIds.subarray(2, 2 + n)],
    values: [...target.values.subarray(2, 2 + n)],
    around: [...target.geneIds.subarray(0, 2), ...target.geneIds.subarray(2 + n)],
  };
}

describe('serialisation', () => {
  it.each([
    ['counts', { kind: 'counts' }],
    ['CPM', { kind: 'cpm' }],
    ['log1p of unknown target', { kind: 'log1p' }],
    ['log1p of 1e6', { kind: 'log1p', targetSum: 1e6 }],
  ] as [string, ValueScale][])('agrees with a plain sort by the formula for %s', (_, scale) => {
    fc.assert(
      fc.property(
        cells(scale.kind === 'counts'),
        entropyTables,
        fc.integer({ min: 1, max: 45 }),
        fc.constantFrom('entropy' as const, 'expression' as const),
        (cell, entropy, maxGenes, serialisation) => {
          const preprocessing = Preprocessing.parse({ maxGenes, serialisation });
          const { ids, values, around } = run(new Serializer({ preprocessing, scale, entropy }), cell, maxGenes);
          expect({ ids, values }).toEqual(naive(cell, preprocessing, scale, entropy));
          expect(around.every((id) => id === -7)).toBe(true);
        },
      ),
    );
  });

  it('does not remember the cell before', () => {
    const preprocessing = Preprocessing.parse({ maxGenes: 30 });
    fc.assert(
      fc.property(cells(true), cells(true), entropyTables, (first, second, entropy) => {
        const serializer = new Serializer({ preprocessing, scale: { kind: 'counts' }, entropy });
        run(serializer, first, 30);
        expect(run(serializer, second, 30)).toEqual(run(new Serializer({ preprocessing, scale: { kind: 'counts' }, entropy }), second, 30));
      }),
    );
  });

  it('puts a gene of few cell types before an equally expressed one of all', () => {
    const entropy = new Float32Array(V).fill(1);
    entropy[9] = 0.6;
    const cell = { geneIds: Int32Array.of(4, 9, 20), values: Uint16Array.of(5, 5, 6), total: 100 };
    const serializer = (serialisation: 'entropy' | 'expression') =>
      new Serializer({ preprocessing: Preprocessing.parse({ maxGenes: 3, serialisation }), scale: { kind: 'counts' }, entropy });
    expect(run(serializer('entropy'), cell, 3).ids).toEqual([9, 20, 4]);
    expect(run(serializer('expression'), cell, 3).ids).toEqual([20, 4, 9]);
    entropy[9] = 1;
    expect(run(serializer('entropy'), cell, 3).ids).toEqual([20, 4, 9]);
  });

  it('refuses an entropy table that is none', () => {
    const entropy = new Float32Array(V).fill(1);
    entropy[4] = 3.2;
    expect(() => new Serializer({ preprocessing: Preprocessing.parse({}), scale: { kind: 'counts' }, entropy })).toThrow(
      /entropy of gene id 4: 3\.2.* \(expected a number from 0 to 1/,
    );
  });

  it("draws a random subset in random order from the cell's own stream", () => {
    const preprocessing = Preprocessing.parse({ maxGenes: 10, serialisation: 'random' });
    const serializer = new Serializer({ preprocessing, scale: { kind: 'counts' }, entropy: new Float32Array(V).fill(1) });
    const cell = { geneIds: Int32Array.from({ length: 40 }, (_, i) => i + 2), values: new Uint16Array(40).fill(1), total: 40 };
    const seen = new Map<number, number>();
    for (let draw = 0; draw < 400; draw++) {
      const { ids } = run(serializer, cell, 10, Rng.fromSeed(draw));
      expect(new Set(ids).size).toBe(10);
      for (const id of ids) seen.set(id, (seen.get(id) ?? 0) + 1);
    }
    for (const times of seen.values()) expect(Math.abs(times - 100)).toBeLessThan(50); // 100 expected, standard deviation 9
    expect(run(serializer, cell, 10, Rng.fromSeed(3))).toEqual(run(serializer, cell, 10, Rng.fromSeed(3)));
    expect(() => run(serializer, cell, 10)).toThrow(/random stream/);
  });
});

describe('Ranker', () => {
  const lists = fc.array(fc.oneof(fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, 1, 2)), { maxLength: 5000 });

  it.each([16, 32])('sorts any non-negative scores descending, equal ones in the order they came, or the best of them, with ids of %i bits', (idBits) => {
    const ranker = new Ranker(new Float32Array(6000).fill(1), 8);
    fc.assert(
      fc.property(lists, fc.nat(6000), (list, numWanted) => {
        const scores = Float32Array.from(list, (x) => Math.abs(x));
        const ids32 = Int32Array.from(scores, (_, i) => 5999 - i);
        const geneIds = idBits === 16 ? Uint16Array.from(ids32) : ids32;
        const expected = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
        for (const wanted of [scores.length, numWanted]) {
          ranker.load(geneIds);
          ranker.values.set(scores);
          ranker.score();
          ranker.rank(wanted);
          const [ids, values] = [new Int32Array(6000).fill(-1), new Float32Array(6000)];
          const n = ranker.writeTo(ids, values, 1, wanted);
          expect(n).toBe(Math.min(scores.length, wanted));
          expect([...ranker.ranked(wanted)]).toEqual(expected.slice(0, wanted));
          expect([...ids.subarray(1, 1 + n)]).toEqual(expected.slice(0, wanted).map((i) => 5999 - i));
          expect([...values.subarray(1, 1 + n)]).toEqual(expected.slice(0, wanted).map((i) => scores[i]));
          expect(ids[1 + n] ?? -1).toBe(-1);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('sorts scores that are nearly the same beside one that is far off', () => {
    const rng = Rng.fromSeed(3);
    const scores = Float32Array.from({ length: 5000 }, () => 1 + 1e-4 * rng.uniform());
    scores[4321] = 3e38;
    const ranker = new Ranker(new Float32Array(5000).fill(1));
    ranker.load(Int32Array.from(scores.keys()));
    ranker.values.set(scores);
    ranker.score();
    for (const wanted of [5000, 1200, 1]) {
      ranker.rank(wanted);
      expect([...ranker.ranked(wanted)]).toEqual([...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, wanted));
    }
  });

  it("takes the engine's own logarithms of counts, to the last bit", () => {
    const rng = Rng.fromSeed(4);
    const ranker = new Ranker(new Float32Array(1000).fill(1));
    for (let round = 0; round < 100; round++) {
      const counts = Uint16Array.from({ length: 1000 }, () => rng.int(1 + 2 ** (1 + (round % 16))) & 0xffff);
      const factor = 10 ** (8 * rng.uniform() - 6);
      ranker.load(Uint16Array.from(counts.keys()));
      expect(ranker.scoreCounts(counts, factor)).toBe(counts.filter((count) => count > 0).length);
      expect(counts.findIndex((count, i) => ranker.values[i] !== Math.fround(Math.log1p(count * factor)))).toBe(-1);
    }
  });

  it.each([
    ['small counts', 5],
    ['counts on both sides of what has a level of its own', 1400],
    ['large counts, too many to be put right one by one', 65_535],
  ])('ranks unweighted counts as it ranks anything else: %s', (_, largest) => {
    const rng = Rng.fromSeed(largest);
    const [ranker, geneIds] = [new Ranker(new Float32Array(3000).fill(1), 8), Uint16Array.from({ length: 3000 }, (_, i) => i)];
    for (const n of [0, 1, 40, 3000]) {
      // Mostly ones, some zeros, as thinning leaves them; few of the large ones where they are to be dealt to one level.
      const counts = Uint16Array.from({ length: n }, (_, i) =>
        rng.uniform() < 0.1 ? 0 : largest < 2000 && i % 60 !== 0 ? 1 + rng.int(5) : 1 + rng.int(largest),
      );
      for (const wanted of [1200, 7]) {
        const [found, expected] = [0, 1].map(() => ({ ids: new Int32Array(3000), values: new Float32Array(3000) })) as [
          { ids: Int32Array; values: Float32Array },
          { ids: Int32Array; values: Float32Array },
        ];
        ranker.load(geneIds.subarray(0, n));
        const numWanted = Math.min(wanted, ranker.scoreCounts(counts, 0.7));
        ranker.rank(numWanted);
        ranker.writeTo(expected.ids, expected.values, 2, numWanted);
        const written = ranker.writeCounts(counts, 0.7, found.ids, found.values, 2, wanted);
        if (largest === 65_535 && n === 3000) expect(written).toBeUndefined();
        else expect({ written, ...found }).toEqual({ written: numWanted, ...expected });
      }
    }
  });

  it('ranks weighted counts, and ids of 32 bits, the long way', () => {
    const out = [new Int32Array(2), new Float32Array(2)] as const;
    for (const [weights, ids] of [
      [Float32Array.of(1, 2), Uint16Array.of(0, 1)],
      [Float32Array.of(1, 1), Int32Array.of(0, 1)],
    ] as const) {
      const ranker = new Ranker(weights);
      ranker.load(ids);
      expect(ranker.writeCounts(Uint16Array.of(1, 2), 1, ...out, 0, 2)).toBeUndefined();
    }
  });

  it('keeps the weight of every id, the first and the last included', () => {
    const weights = Float32Array.of(3, 5, 0.5);
    const ranker = new Ranker(weights);
    for (const wanted of [1, 3, 3]) {
      ranker.load(Uint16Array.of(0, 1, 2));
      ranker.scoreCounts(Uint16Array.of(1, 1, 1), Math.E - 1);
      expect([...ranker.scores.subarray(0, 3)]).toEqual([...weights]);
      ranker.rank(wanted);
    }
  });

  it.each([Uint16Array, Int32Array])('refuses an id that has no weight', (Ids) => {
    const ranker = new Ranker(new Float32Array(10).fill(1));
    ranker.load(Ids.of(3, 10));
    ranker.values.set([1, 1]);
    expect(() => ranker.score()).toThrow('gene id 10 in a vocabulary of 10');
  });
});
