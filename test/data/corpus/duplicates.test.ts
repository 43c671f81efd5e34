import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { CellHash, HashTable } from '../../../src/data/corpus/cell-hash.js';
import { openCorpus } from '../../../src/data/corpus/corpus.js';
import { randomCells, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('duplicates');

function hashOf(cell: readonly (readonly [gene: number, value: number])[]): [number, number] {
  const hash = new CellHash();
  hash.start();
  for (const [gene, value] of cell) hash.add(gene, value);
  hash.finish();
  return [hash.low, hash.high];
}

describe('the hash of a cell', () => {
  it('tells cells apart by gene, by value and by length', () => {
    const cells = [
      [],
      [[1, 1]],
      [[1, 2]],
      [[2, 1]],
      [
        [1, 1],
        [2, 1],
      ],
      [[1, 1.5]],
      [
        [2, 1],
        [1, 1],
      ],
    ] as [number, number][][];
    expect(new Set(cells.map((cell) => hashOf(cell).join())).size).toBe(cells.length);
  });

  it('spreads both halves evenly over similar cells', () => {
    const [lows, highs, ones] = [new Set<number>(), new Set<number>(), new Float64Array(64)];
    const numCells = 20_000;
    for (let i = 0; i < numCells; i++) {
      const [low, high] = hashOf([
        [3, 1 + (i % 100)],
        [4, 1 + Math.floor(i / 100)],
      ]);
      lows.add(low);
      highs.add(high);
      for (let bit = 0; bit < 32; bit++) {
        ones[bit]! += (low >>> bit) & 1;
        ones[32 + bit]! += (high >>> bit) & 1;
      }
    }
    // Of 20,000 draws from 2^32 about 0.05 agree with another one.
    expect(lows.size).toBeGreaterThan(numCells - 4);
    expect(highs.size).toBeGreaterThan(numCells - 4);
    for (const count of ones) expect(Math.abs(count / numCells - 0.5)).toBeLessThan(0.02);
  });

  it('is found again in a table that grows', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(fc.integer(), fc.integer()), { maxLength: 200, selector: (pair) => pair.join() }), (pairs) => {
        const table = new HashTable(4);
        pairs.forEach(([low, high], i) => expect(table.addIfNew(low, high, i)).toBe(-1));
        pairs.forEach(([low, high], i) => expect([table.get(low, high), table.addIfNew(low, high, 999)]).toEqual([i, i]));
        expect(table.size).toBe(pairs.length);
      }),
    );
  });
});

describe('--drop-duplicates', () => {
  it('keeps the first of equal cells, within a file and across files with other genes in another order', async () => {
    const folder = await newFolder();
    const first = randomCells(1, 30, 60);
    const rows = first.x!.rows.map((row) => [...row]);
    rows[20] = rows[3]!;
    await writeSmallH5ad(join(folder, 'a'), { ...first, x: { encoding: 'csr', rows } });
    // The same cells 10 … 19 with the genes reversed and one gene more, then ten of its own.
    const own = randomCells(2, 10, 60).x!.rows;
    const second = [...rows.slice(10, 20), ...own].map((row, i) => [i, ...[...row].reverse()]);
    await writeSmallH5ad(join(folder, 'b'), {
      x: { encoding: 'csc', rows: second },
      cellIds: second.map((_, i) => `b-${i}`),
      geneNames: ['NEW', ...[...first.geneNames].reverse()],
    });
    await buildCorpus([join(folder, 'a'), join(folder, 'b')], { out: join(folder, 'out'), dropDuplicates: true, shardCells: 7 });
    const corpus = await openCorpus(join(folder, 'out'));
    expect(corpus.cellIds()).toEqual([...first.cellIds.filter((_, i) => i !== 20), ...Array.from({ length: 10 }, (_, i) => `b-${10 + i}`)]);
    expect(corpus.manifest.sources.map(({ numCellsDuplicate, numCellsKept }) => [numCellsDuplicate, numCellsKept])).toEqual([
      [1, 29],
      [10, 10],
    ]);
  });

  it('does not take cells of a few genes for each other', async () => {
    const folder = await newFolder();
    const rows = Array.from({ length: 6 }, () => [1, 1, 1]);
    await writeSmallH5ad(join(folder, 'a'), { x: { encoding: 'csr', rows }, cellIds: ['a', 'b', 'c', 'd', 'e', 'f'], geneNames: ['A', 'B', 'C'] });
    await buildCorpus([join(folder, 'a')], { out: join(folder, 'out'), dropDuplicates: true });
    expect((await openCorpus(join(folder, 'out'))).numCells).toBe(6);
  });
});
