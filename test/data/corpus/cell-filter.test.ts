import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildCorpus, type BuildOptions } from '../../../src/data/corpus/build.js';
import { corpusPage, describeCorpus } from '../../../src/data/corpus/describe.js';
import { smallCorpus, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('filter');

const cells: SmallH5ad = {
  x: {
    encoding: 'csr',
    rows: [
      [5, 5, 0],
      [1, 0, 0],
      [0, 0, 0],
      [9, 1, 9],
      [3, 4, 1],
      [2, 2, 1],
      [8, 8, 1],
    ],
  },
  cellIds: ['good', 'few-genes', 'empty', 'dying', 'platelet', 'shallow', 'unknown'],
  geneNames: ['CD3E', 'LYZ', 'MT-ND1'],
  obs: { cell_type: ['T', 'T', 'T', 'T', 'platelet', 'T', null], doublet: ['no', 'no', 'no', 'no', 'no', 'no', 'no'] },
};

describe('cell filters', () => {
  it('drop cells for the first reason that holds, and count each reason', async () => {
    const corpus = await smallCorpus(await newFolder(), cells, {
      minGenes: 2,
      minCounts: 6,
      maxMitoShare: 0.4,
      drop: { cell_type: ['platelet'] },
      shardCells: 3,
    });
    expect(corpus.cellIds()).toEqual(['good', 'unknown']);
    expect(corpus.manifest.sources[0]).toMatchObject({
      numCells: 7,
      numCellsKept: 2,
      numCellsFilteredByObs: 1,
      numCellsWithoutGenes: 1,
      numCellsBelowMinGenes: 1,
      numCellsBelowMinCounts: 1,
      numCellsAboveMaxMito: 1,
    });
    expect(corpusPage(describeCorpus(corpus))).toContain(
      'cells  2 of 7; left out: 1 by --keep and --drop, 1 without a gene of the vocabulary, 1 below --min-genes, 1 below --min-counts, 1 above --max-mito',
    );
    const { train, validation, test } = corpus.manifest.splitCells;
    expect(train + validation + test).toBe(2);
  });

  it('keep only cells with a value that was named, and forget the labels that are gone', async () => {
    const corpus = await smallCorpus(await newFolder(), cells, { keep: { cell_type: ['T'], doublet: ['no'] } });
    expect(corpus.cellIds()).toEqual(['good', 'few-genes', 'dying', 'shallow']);
    expect(corpus.manifest.obs[0]).toEqual({ key: 'cell_type', categories: ['T'], numMissing: 0 });
  });

  it('measure the mitochondrial share of log-normalised values as linear expression', async () => {
    const rows = cells.x!.rows.filter((_, i) => i !== 2).map((row) => row.map((value) => Math.log1p((1e4 * value) / row.reduce((a, b) => a + b))));
    const content = { ...cells, x: { encoding: 'csr' as const, rows }, cellIds: cells.cellIds.filter((_, i) => i !== 2), obs: {} };
    const corpus = await smallCorpus(await newFolder(), content, { maxMitoShare: 0.4 });
    expect(corpus.cellIds()).toEqual(['good', 'few-genes', 'platelet', 'shallow', 'unknown']);
  });

  it.each<[string, Partial<BuildOptions>, Partial<SmallH5ad>, RegExp]>([
    ['a value that no cell has', { keep: { cell_type: ['B'] } }, {}, /--keep cell_type: 'B', which no cell has \(expected of T, platelet\)/],
    ['a field that is not there', { drop: { celltype: ['B'] } }, {}, /obs\['celltype'\]: no such column/],
    ['--max-mito where no gene is mitochondrial', { maxMitoShare: 0.2 }, { geneNames: ['A', 'B', 'C'] }, /genes: no mitochondrial gene/],
    [
      '--min-counts of values that are no counts',
      { minCounts: 5 },
      { x: { encoding: 'csr', rows: cells.x!.rows.map((row) => row.map((value) => value / 3)) } },
      /X: log1p, which no longer tells how many counts a cell had/,
    ],
    ['to leave no cell', { minCounts: 100 }, {}, /no cell is left: 6 of 7 have a smaller library than --min-counts \(lower --min-counts\)/],
  ])('refuse %s', async (_, options, change, message) => {
    const folder = await newFolder();
    await writeSmallH5ad(join(folder, 'cells.h5ad'), { ...cells, ...change });
    await expect(buildCorpus([join(folder, 'cells.h5ad')], { out: join(folder, 'out'), ...options })).rejects.toThrow(message);
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });
});
