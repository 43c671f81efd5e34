import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { GeneAccumulator, smoothEntropy } from '../../../src/data/corpus/statistics.js';
import type { RawCell } from '../../../src/data/loader/depth.js';
import { randomCells, smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const newFolder = temporaryFolder('statistics');
const V = 12;
const counts = { kind: 'counts' } as const;

function cellOf(row: readonly number[]): RawCell {
  const genes = row.flatMap((value, g) => (value > 0 ? [g] : []));
  return { geneIds: Int32Array.from(genes, (g) => g + 2), values: Uint16Array.from(genes, (g) => row[g]!), total: row.reduce((a, b) => a + b, 0) };
}

function accumulate(rows: readonly (readonly number[])[]): GeneAccumulator {
  const accumulator = new GeneAccumulator(V, counts);
  for (const row of rows) accumulator.add(cellOf(row));
  return accumulator;
}

/** The entropy from its definition, -Σ p ln p / ln N. */
function entropyByDefinition(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  return -values.filter((x) => x > 0).reduce((h, x) => h + (x / sum) * Math.log(x / sum), 0) / Math.log(values.length);
}

const tables = fc.array(fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3000 })), { minLength: 7, maxLength: 7 }), { minLength: 2, maxLength: 40 });

describe('gene statistics', () => {
  it('agree with the definitions', () => {
    fc.assert(
      fc.property(tables, (rows) => {
        const { numCells, numDetected, mean, rawEntropy } = accumulate(rows).statistics();
        expect(numCells).toBe(rows.length);
        for (let g = 0; g < 7; g++) {
          const values = rows.map((row) => (row[g]! > 0 ? Math.log1p((1e4 * row[g]!) / row.reduce((a, b) => a + b, 0)) : 0));
          const detected = values.filter((x) => x > 0).length;
          expect(numDetected[g + 2]).toBe(detected);
          expect(mean[g + 2]).toBeCloseTo(values.reduce((a, b) => a + b, 0) / rows.length, 10);
          expect(rawEntropy[g + 2]).toBeCloseTo(detected > 0 ? entropyByDefinition(values) : 1, 5);
        }
        expect([rawEntropy[0], rawEntropy[1], rawEntropy[V - 1]]).toEqual([1, 1, 1]);
      }),
    );
  });

  it('come out the same in pieces', () => {
    fc.assert(
      fc.property(tables, fc.nat(40), (rows, cut) => {
        const merged = accumulate(rows.slice(0, cut));
        merged.merge(accumulate(rows.slice(cut)));
        const [a, b] = [merged.statistics(), accumulate(rows).statistics()];
        expect(a.numDetected).toEqual(b.numDetected);
        b.rawEntropy.forEach((h, g) => expect(a.rawEntropy[g]).toBeCloseTo(h, 6));
        b.mean.forEach((x, g) => expect(a.mean[g]).toBeCloseTo(x, 10));
      }),
    );
  });

  it('tell an even gene from one of few cells, and neither trust a gene seen once nor one never seen', () => {
    const rows = Array.from({ length: 400 }, (_, i) => [5, i < 40 ? 5 : 0, i === 7 ? 5 : 0, 0, 0, 0, 90]);
    const { numDetected, rawEntropy } = accumulate(rows).statistics();
    const entropy = smoothEntropy({ numDetected, rawEntropy });
    const [even, marker, once, never] = [entropy[2]!, entropy[3]!, entropy[4]!, entropy[5]!];
    expect(even).toBeGreaterThan(0.999);
    expect(marker).toBeCloseTo((40 * (Math.log(40) / Math.log(400)) + 100) / 140, 3);
    expect(rawEntropy[4]).toBe(0);
    expect(once).toBeCloseTo(100 / 101, 6);
    expect(never).toBe(1);
    expect(marker).toBeLessThan(once);
  });

  it('are those of the training cells alone', async () => {
    const content = randomCells(9, 60, 7);
    const corpus = await smallCorpus(await newFolder(), content, { shardCells: 13 });
    const train = Array.from(corpus.splitRows('train'), (row) => content.x!.rows[row]!);
    const expected = accumulate(train).statistics();
    expect(corpus.statistics.numCells).toBe(48);
    expect(corpus.statistics.numDetected).toEqual(expected.numDetected);
    corpus.entropy.forEach((h, id) => expect(h).toBeCloseTo(smoothEntropy(expected)[id]!, 6));
  });
});
