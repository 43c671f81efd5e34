import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { CellColumns } from '../../../src/data/corpus/cell-columns.js';
import { CellStatistics } from '../../../src/data/corpus/cell-statistics.js';
import { describeCorpus, describeGenes, genesTsv } from '../../../src/data/corpus/describe.js';
import { randomCells, smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const newFolder = temporaryFolder('statistics');
const fields = [{ key: 'type', numCategories: 2 }];

interface Cell {
  readonly numGenes: number;
  readonly total: number;
  readonly split: number;
  readonly type: number;
}

function columns(cells: readonly Cell[]): CellColumns {
  return {
    numCells: cells.length,
    numGenes: Int32Array.from(cells, ({ numGenes }) => numGenes),
    total: Float64Array.from(cells, ({ total }) => total),
    codes: (key) => Int32Array.from(cells, (cell) => (key === 'split' ? cell.split : cell.type)),
  };
}

const cell: fc.Arbitrary<Cell> = fc.record({
  numGenes: fc.integer({ min: 1, max: 300 }),
  total: fc.integer({ min: 1, max: 100_000 }),
  split: fc.integer({ min: 0, max: 2 }),
  type: fc.integer({ min: -1, max: 1 }),
});

describe('CellStatistics', () => {
  it('gives the quantiles of the sorted values, exactly for genes and to half a percent for library sizes', () => {
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 80 }), (cells) => {
        const statistics = new CellStatistics(fields);
        statistics.add(columns(cells));
        const at = (values: number[], share: number): number => values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))]!;
        const genes = statistics.genesPerCell();
        const library = statistics.librarySize();
        for (const [name, share] of [
          ['min', 0],
          ['q25', 0.25],
          ['median', 0.5],
          ['q75', 0.75],
          ['max', 1],
        ] as const) {
          expect(genes.quantiles[name]).toBe(
            at(
              cells.map(({ numGenes }) => numGenes),
              share,
            ),
          );
          expect(
            Math.abs(
              library.quantiles[name] /
                at(
                  cells.map(({ total }) => total),
                  share,
                ) -
                1,
            ),
          ).toBeLessThan(0.005);
        }
        for (const { histogram } of [genes, library]) {
          expect(histogram.counts.reduce((a, b) => a + b)).toBe(cells.length);
          expect(histogram.edges.length).toBe(histogram.counts.length + 1);
          expect(histogram.counts.length).toBeLessThanOrEqual(40);
        }
      }),
    );
  });

  it('is the same whatever the shards and the order in which they are added up', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(cell, { maxLength: 20 }), { minLength: 1, maxLength: 5 }).filter((shards) => shards.flat().length > 0),
        (shards) => {
          const whole = new CellStatistics(fields);
          whole.add(columns(shards.flat()));
          const merged = new CellStatistics(fields);
          for (const shard of [...shards].reverse()) {
            const ofShard = new CellStatistics(fields);
            ofShard.add(columns(shard));
            merged.merge(ofShard);
          }
          const all = (statistics: CellStatistics): unknown => [
            statistics.numCells,
            statistics.genesPerCell(),
            statistics.librarySize(),
            statistics.classes('type'),
          ];
          expect(all(merged)).toEqual(all(whole));
        },
      ),
    );
  });

  it('counts the cells of each class in each split, and those without a class', () => {
    const statistics = new CellStatistics(fields);
    statistics.add(
      columns([
        { numGenes: 1, total: 1, split: 0, type: 0 },
        { numGenes: 1, total: 1, split: 2, type: 1 },
        { numGenes: 1, total: 1, split: 0, type: -1 },
        { numGenes: 1, total: 1, split: 0, type: 0 },
      ]),
    );
    expect(statistics.classes('type')).toEqual({
      classes: [
        [2, 0, 0],
        [0, 0, 1],
      ],
      missing: [1, 0, 0],
    });
  });
});

describe('describing a corpus', () => {
  it('does not depend on the size of its shards', async () => {
    const content = randomCells(1, 50, 30);
    const [one, many] = [await smallCorpus(await newFolder(), content), await smallCorpus(await newFolder(), content, { shardCells: 7 })];
    const facts = (corpus: typeof one): unknown => {
      const { genesPerCell, librarySize, histograms, labels, mostDiscriminative } = describeCorpus(corpus);
      return { genesPerCell, librarySize, histograms, labels, genes: mostDiscriminative.map(({ symbol, numCells }) => [symbol, numCells]) };
    };
    expect(facts(many)).toEqual(facts(one));
    const totals = content.x!.rows.map((row) => row.reduce((a, b) => a + b));
    expect(describeCorpus(one).librarySize).toMatchObject({ min: Math.min(...totals), max: Math.max(...totals) });
  });

  it('writes every gene with its detection, mean and entropy', async () => {
    const corpus = await smallCorpus(
      await newFolder(),
      {
        x: {
          encoding: 'csr',
          rows: [
            [1, 2, 0],
            [3, 0, 0],
            [1, 1, 0],
            [4, 4, 0],
          ],
        },
        cellIds: ['a', 'b', 'c', 'd'],
        geneNames: ['CD3E', 'LYZ', 'NEVER'],
      },
      { fractions: [1, 0, 0] },
    );
    const [head, ...rows] = genesTsv(describeGenes(corpus))
      .trim()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(head).toEqual(['symbol', 'ensembl_id', 'num_cells', 'mean', 'entropy']);
    expect(rows.map(([symbol, , numCells]) => [symbol, numCells])).toEqual([
      ['CD3E', '4'],
      ['LYZ', '3'],
      ['NEVER', '0'],
    ]);
    const mean = [1 / 3, 1, 1 / 2, 1 / 2].reduce((sum, share) => sum + Math.log1p(1e4 * share), 0) / 4;
    expect(Number(rows[0]![3])).toBeCloseTo(mean, 10);
    expect(Number(rows[2]![4])).toBe(1);
  });
});
