import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { findOverlap } from '../../../src/data/corpus/overlap.js';
import { GeneTable } from '../../../src/data/genes/gene-table.js';
import { randomCells, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../../support/small-h5ad.js';
import { hasShared, shared } from '../../support/shared.js';

const newFolder = temporaryFolder('overlap');
const NUM_GENES = 120;

const identity: (count: number, total: number) => number = (count) => count;

/** Rows [from, to) of the cells, with every third gene left out where `fewer` is set, and columns the other way round. */
function part(
  { x, cellIds, geneNames }: SmallH5ad,
  from: number,
  to: number,
  { fewer = false, rename = (name: string) => name, value = identity } = {},
): SmallH5ad {
  const columns = geneNames
    .map((_, g) => g)
    .filter((g) => !fewer || g % 3 !== 0)
    .reverse();
  const rows = x!.rows.slice(from, to).map((row) =>
    columns.map((g) =>
      value(
        row[g]!,
        row.reduce((a, b) => a + b),
      ),
    ),
  );
  return { x: { encoding: 'csr', rows }, cellIds: cellIds.slice(from, to).map((id) => `b-${id}`), geneNames: columns.map((g) => rename(geneNames[g]!)) };
}

describe('findOverlap', () => {
  const cells = randomCells(1, 40, NUM_GENES, { density: 0.6 });
  const other = { ...randomCells(2, 20, NUM_GENES, { density: 0.6 }), cellIds: Array.from({ length: 20 }, (_, i) => `other-${i}`) };

  async function files(b: SmallH5ad): Promise<{ corpus: string; file: string }> {
    const folder = await newFolder();
    const [a, o, file, corpus] = [join(folder, 'a'), join(folder, 'o'), join(folder, 'b'), join(folder, 'corpus')];
    // Two sources with different genes: a corpus knows which of its cells could have expressed what.
    await writeSmallH5ad(a, cells);
    await writeSmallH5ad(o, { ...other, geneNames: other.geneNames.map((name, g) => (g < 60 ? name : `OTHER${g}`)) });
    await writeSmallH5ad(file, b);
    await buildCorpus([o, a], { out: corpus, fractions: [0.5, 0.25, 0.25], shardCells: 16 });
    return { corpus, file };
  }

  it('finds the cells of a corpus in a file that has fewer genes in another order, and says in which split they are', async () => {
    const { corpus, file } = await files(part(cells, 5, 12, { fewer: true }));
    const found = await findOverlap(corpus, file);
    expect(found).toMatchObject({
      comparedBy: 'counts',
      numSharedGenes: 80,
      a: { numCells: 60, numIdentical: 7, numSameName: 0 },
      b: { numCells: 7, numIdentical: 7, shareIdentical: 1, identicalBySplit: null },
    });
    const bySplit = found.a.identicalBySplit!;
    expect(bySplit.train + bySplit.validation + bySplit.test).toBe(7);
    expect(found.examples[0]).toEqual({ a: 'cell-5', b: 'b-cell-5' });
  });

  it('finds them log-normalised, by which genes they express', async () => {
    const { corpus, file } = await files(part(cells, 0, 10, { value: (count, total) => Math.log1p((1e4 * count) / total) }));
    expect(await findOverlap(corpus, file)).toMatchObject({ comparedBy: 'expressed genes', a: { numIdentical: 10 }, b: { numIdentical: 10 } });
  });

  it('does not find cells that differ by one count, and counts equal names apart', async () => {
    const changed = part(cells, 0, 10);
    changed.x!.rows.forEach((row, i) => ((row as number[])[i] = row[i]! + 1));
    const { corpus, file } = await files({ ...changed, cellIds: cells.cellIds.slice(0, 10) });
    expect(await findOverlap(corpus, file)).toMatchObject({ a: { numIdentical: 0, numSameName: 10 }, b: { numIdentical: 0, numSameName: 10 }, examples: [] });
  });

  it('counts every copy on both sides', async () => {
    const twice = part(cells, 3, 4);
    const { corpus, file } = await files({
      ...twice,
      x: { encoding: 'csr', rows: [twice.x!.rows[0]!, twice.x!.rows[0]!, ...part(randomCells(7, 3, NUM_GENES, { density: 0.6 }), 0, 3).x!.rows] },
      cellIds: ['a', 'b', 'c', 'd', 'e'],
    });
    expect(await findOverlap(file, corpus)).toMatchObject({ a: { numIdentical: 2 }, b: { numIdentical: 1 } });
  });

  it('needs a table where the sets name their genes differently', async () => {
    const ensembl = (name: string): string => `ENSG${name.slice(4).padStart(11, '0')}`;
    const { corpus, file } = await files(part(cells, 0, 10, { rename: ensembl }));
    await expect(findOverlap(corpus, file)).rejects.toThrow(/b: genes: no gene in common with .*corpus \(expected genes that both express; .*--gene-table/);
    const geneTable = new GeneTable(cells.geneNames.map((symbol) => ({ symbol, ensemblId: ensembl(symbol), previous: [], aliases: [] })));
    expect((await findOverlap(corpus, file, { geneTable })).a.numIdentical).toBe(10);
  });
});

describe.runIf(hasShared)('two published files of one study', () => {
  it('share the cells whose barcodes agree, though one is log-normalised', async () => {
    const found = await findOverlap(
      shared('data/kang_ifnb/kang_ifnb_scgen_valid_lognorm.h5ad'),
      shared('data/kang_ifnb/kang_ifnb_2000cells_9015genes_counts.h5ad'),
    );
    expect([found.a.numIdentical, found.b.numIdentical]).toEqual([125, 125]);
    const barcode = (name: string): string => name.split('-')[0]!;
    for (const { a, b } of found.examples) expect(barcode(a)).toBe(barcode(b));
  });
});
