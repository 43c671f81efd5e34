import fc from 'fast-check';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { loadHdf5 } from '../../../src/data/readers/hdf5-library.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { hashSource, parseReference, sourceName } from '../../../src/data/readers/reference.js';
import type { CellFile } from '../../../src/data/readers/reader.js';
import { readRows } from '../../support/read-rows.js';
import {
  tableText,
  transpose,
  writeSmallGenomes,
  writeSmallLoom,
  writeSmallMtx,
  writeSmallMuData,
  writeSmallZarr,
  type SmallCells,
} from '../../support/small-formats.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-formats-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const genes = ['CD3E', 'MS4A1', 'LYZ', 'NKG7'];
const cells: SmallCells = {
  cellIds: ['AAACCTGA-1', 'AAACGGGT-1', 'AAAGATGC-1'],
  geneNames: genes,
  rows: [
    [1, 0, 5, 0],
    [0, 2, 0, 0],
    [7, 0, 0, 30],
  ],
  cellTypes: ['T cell', 'B cell', 'T cell'],
};

describe('every format', () => {
  const anyCells = fc.integer({ min: 1, max: 4 }).chain((numGenes) =>
    fc.record({
      rows: fc.array(
        fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 4000 })), { minLength: numGenes, maxLength: numGenes }),
        { minLength: 1, maxLength: 9 },
      ),
      blockRows: fc.integer({ min: 1, max: 10 }),
    }),
  );

  it('gives the same row blocks of the same cells', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(anyCells, async ({ rows, blockRows }) => {
        const some: SmallCells = {
          cellIds: rows.map((_, i) => `AAACCTGACC-${i}`),
          geneNames: genes.slice(0, rows[0]!.length),
          rows,
          cellTypes: rows.map((_, i) => `type ${i % 3}`),
        };
        const here = (name: string) => at(`${run}-${name}`);
        run++;
        await writeSmallLoom(here('a.loom'), some, { chunk: 3 });
        await writeSmallZarr(here('a.zarr'), some, { version: run % 2 ? 2 : 3, codec: 'blosc', chunkRows: 2 });
        writeSmallMtx(here('mtx'), some, { isByGene: run % 2 === 0 });
        writeFileSync(here('cells.csv'), tableText(some.cellIds, some.geneNames, rows));
        writeFileSync(here('genes.tsv.gz'), gzipSync(tableText(some.geneNames, some.cellIds, transpose(rows), { delimiter: '\t', corner: null })));
        for (const name of ['a.loom', 'a.zarr', 'mtx', 'cells.csv', 'genes.tsv.gz']) {
          const file = await openCellFile(here(name));
          expect(file.cellIds, name).toEqual(some.cellIds);
          expect(file.matrix('X').genes.names, name).toEqual(some.geneNames);
          for (const { key } of file.matrices) {
            expect(await readRows(file.matrix(key), { blockRows }), `${name} ${key}`).toEqual(rows);
            expect(await readRows(file.matrix(key), { start: rows.length >> 1, end: rows.length }), `${name} ${key}`).toEqual(rows.slice(rows.length >> 1));
          }
          file.close();
        }
      }),
      { numRuns: 8, seed: 5 },
    );
  });
});

describe('a loom file', () => {
  it('is read with its layers and columns, embeddings left aside', async () => {
    await writeSmallLoom(at('cells.loom'), cells);
    await withFile(at('cells.loom'), async (file) => {
      expect(file).toMatchObject({ format: 'loom', numCells: 3, obsKeys: ['Age', 'ClusterName'], notes: [] });
      expect(file.matrices.map(({ key, dtype }) => [key, dtype])).toEqual([
        ['X', 'float32'],
        ['layers/spliced', 'int32'],
      ]);
      expect(file.obs('ClusterName')).toEqual({ kind: 'string', values: cells.cellTypes });
      expect(file.obs('Age')).toEqual({ kind: 'numeric', values: Float64Array.of(0, 1, 2), dtype: 'int32' });
      expect(() => file.obs('Embedding')).toThrow(/col_attrs\['Embedding'\]: no such column \(expected one of Age, ClusterName\)/);
    });
  });

  it('is refused when nothing names its genes', async () => {
    await writeSmallLoom(at('nameless.loom'), cells, { geneKey: 'Chromosome' });
    await expect(openCellFile(at('nameless.loom'))).rejects.toThrow(/nameless.loom: row_attrs: no names of genes among Chromosome/);
  });
});

describe('a MuData file', () => {
  it("gives its modality 'rna', or the one named after #", async () => {
    const path = at('cells.h5mu');
    await writeSmallMuData(path, {
      rna: cells,
      prot: { ...cells, geneNames: ['p1', 'p2', 'p3', 'p4'], rows: cells.rows.map((row) => row.map((value) => value * 2)) },
    });
    await withFile(path, async (file) => {
      expect(file).toMatchObject({ format: 'h5mu', numCells: 3, notes: ['reads the modality rna; left out: prot'] });
      expect(await readRows(file.matrix('X'))).toEqual(cells.rows);
      expect(file.obs('cell_type')).toMatchObject({ kind: 'categorical', categories: ['B cell', 'T cell'] });
    });
    await withFile(`${path}#prot`, async (file) => {
      // Whoever opens it again by this path reads the same cells.
      expect(file.path).toBe(`${path}#prot`);
      expect(file.matrix('X').genes.names).toEqual(['p1', 'p2', 'p3', 'p4']);
    });
    await expect(openCellFile(`${path}#atac`)).rejects.toThrow(/without a modality 'atac' \(expected one of prot, rna/);
  });
});

describe('a 10x file of several genomes', () => {
  it('is refused until one is named', async () => {
    await writeSmallGenomes(at('two.h5'), cells, ['hg19', 'mm10']);
    await expect(openCellFile(at('two.h5'))).rejects.toThrow(/holds 2 genomes: hg19, mm10 \(expected one; name the one you want: '.*two.h5#hg19'\)/);
    await withFile(at('two.h5#mm10'), async (file) =>
      expect(await readRows(file.matrix('X'))).toEqual(cells.rows.map((row) => row.map((value) => value * 10))),
    );
    await expect(openCellFile(at('two.h5#dm6'))).rejects.toThrow(/no genome 'dm6' \(expected one of hg19, mm10\)/);
  });
});

describe('a packed HDF5 dataset', () => {
  it.each([
    ['lzf', 32000, []],
    ['blosc', 32001, [0, 0, 0, 0, 5, 1, 1]],
    ['blosc2', 32026, [0, 0, 0, 0, 5, 1, 5]],
    ['zstd', 32015, [3]],
    ['lz4', 32004, [0]],
    ['bitshuffle', 32008, [0, 2]],
    ['bzip2', 307, [9]],
  ] as const)('is read when it is packed with %s', async (name, filter, options) => {
    const { File } = await loadHdf5();
    const path = at(`${name}.h5ad`);
    const rows = Array.from({ length: 300 }, (_, cell) => genes.map((_, gene) => (cell * gene) % 7));
    await writeSmallH5ad(path, { cellIds: rows.map((_, i) => `c${i}`), geneNames: genes });
    const file = new File(path, 'a');
    file.create_dataset({
      name: 'X',
      data: Float32Array.from(rows.flat()),
      shape: [300, 4],
      chunks: [50, 4],
      compression: filter,
      compression_opts: [...options],
    });
    file.close();
    await withFile(path, async (opened) => expect(await readRows(opened.matrix('X'))).toEqual(rows));
  });
});

describe('a reference', () => {
  it('parts the path from what follows #, unless a file is called so', () => {
    writeFileSync(at('odd#name.csv'), '');
    expect(parseReference('a/b.h5mu#rna')).toEqual({ path: 'a/b.h5mu', part: 'rna' });
    expect(parseReference(at('odd#name.csv'))).toEqual({ path: at('odd#name.csv'), part: undefined });
    expect(['a/b.h5ad', 'b.tsv.gz', 'x/b.zarr', 'b.h5mu#rna', 'b.loom', 'b.csv#genes-in-rows'].map(sourceName)).toEqual(new Array<string>(6).fill('b'));
  });

  it('is refused for a format without parts', async () => {
    writeSmallMtx(at('no-parts'), cells);
    await expect(openCellFile(`${at('no-parts')}#x`)).rejects.toThrow(/has no parts, so none 'x'/);
  });

  it('has a hash that changes with any of its files', async () => {
    writeSmallMtx(at('hashed'), cells, { isPacked: false });
    const before = await hashSource(at('hashed'));
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    writeFileSync(at('hashed/barcodes.tsv'), readFileSync(at('hashed/barcodes.tsv'), 'utf8').replace('AAAC', 'AAAG'));
    expect(await hashSource(at('hashed'))).not.toBe(before);
    await writeSmallZarr(at('hashed.zarr'), cells, { version: 2 });
    const zarr = await hashSource(at('hashed.zarr'));
    writeFileSync(at('hashed.zarr/X/.zattrs'), '{}');
    expect(await hashSource(at('hashed.zarr'))).not.toBe(zarr);
  });
});

async function withFile(path: string, use: (file: CellFile) => Promise<void>): Promise<void> {
  const file = await openCellFile(path);
  try {
    await use(file);
  } finally {
    file.close();
  }
}
