import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { DataError, OutputError, ShapeError } from '../../../src/errors.js';
import { Hdf5File } from '../../../src/data/readers/hdf5.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import type { CellFile } from '../../../src/data/readers/reader.js';
import { lookup3 } from '../../../src/data/writers/hdf5-patch.js';
import { writeAnnotatedH5ad, type Annotations } from '../../../src/data/writers/h5ad.js';
import { behindUserBlock, writeSmallH5ad, writeSmallLegacy, writeSmallTenx, type SmallH5ad } from '../../support/small-h5ad.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-write-'));
const input = join(folder, 'input.h5ad');
const output = join(folder, 'output.h5ad');
beforeEach(() => rmSync(output, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const small: SmallH5ad = {
  cellIds: ['a', 'b', 'c'],
  geneNames: ['CD3E', 'LYZ'],
  x: {
    encoding: 'csr',
    rows: [
      [1, 0],
      [0, 2],
      [3, 4],
    ],
  },
  layers: {
    scaled: {
      encoding: 'dense',
      rows: [
        [-1, 0],
        [0, 1],
        [2, 2],
      ],
    },
  },
  raw: {
    encoding: 'csc',
    rows: [
      [1, 0, 5],
      [0, 2, 0],
      [3, 4, 0],
    ],
    geneNames: ['CD3E', 'LYZ', 'NKG7'],
  },
  obs: { donor: ['D1', 'D1', null], score: Float64Array.of(0.5, NaN, 2) },
};
const annotations: Annotations = {
  obs: {
    predicted: { kind: 'categorical', categories: ['B', 'T', 'é'], codes: [2, -1, 0] },
    confidence: { kind: 'numeric', values: Float32Array.of(0.25, 0.5, 0.75) },
    note: { kind: 'string', values: ['x', '', 'z'] },
  },
  obsm: { X_scdiva: { values: Float32Array.of(1, 2, 3, 4, 5, 6), numDims: 2 } },
  uns: { scdiva: { version: '0.1', seed: 7, rate: 0.5, labels: ['B', 'T'], none: [], deep: { er: Float32Array.of(1, 2) } } },
};

describe('writeAnnotatedH5ad', () => {
  it('adds columns, embeddings and uns, and keeps all there was', async () => {
    await writeSmallH5ad(input, small);
    expect(await writeAnnotatedH5ad({ input, output, ...annotations })).toEqual({ notes: [] });
    const [before, after] = [await openCellFile(input), await openCellFile(output)];
    expect(after.obsKeys).toEqual(['donor', 'score', 'predicted', 'confidence', 'note']);
    expect(after.obs('predicted')).toEqual({ kind: 'categorical', categories: ['B', 'T', 'é'], codes: Int32Array.of(2, -1, 0), isOrdered: false });
    expect(after.obs('confidence')).toEqual({ kind: 'numeric', dtype: 'float32', values: Float64Array.of(0.25, 0.5, 0.75) });
    expect(after.obs('note')).toEqual({ kind: 'string', values: ['x', '', 'z'] });
    expect(after.obs('donor')).toEqual(before.obs('donor'));
    expect(after.obs('score')).toEqual(before.obs('score'));
    expect(after.matrices).toEqual(before.matrices);
    for (const { key } of before.matrices) expect(await entries(after, key)).toEqual(await entries(before, key));
    before.close();
    after.close();
    const file = await Hdf5File.open(output);
    expect(file.keys('/')).toEqual(['X', 'layers', 'obs', 'obsm', 'obsp', 'raw', 'uns', 'var', 'varm', 'varp']);
    expect(file.dataset('obsm/X_scdiva').shape).toEqual([3, 2]);
    expect([...file.dataset('obsm/X_scdiva').numbers()]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(file.dataset('uns/scdiva/version').strings()).toEqual(['0.1']);
    expect([...file.dataset('uns/scdiva/seed').numbers()]).toEqual([7]);
    expect(file.dataset('uns/scdiva/labels').strings()).toEqual(['B', 'T']);
    expect(file.dataset('uns/scdiva/none').shape).toEqual([0]);
    expect([...file.dataset('uns/scdiva/deep/er').numbers()]).toEqual([1, 2]);
    expect(file.stringAttribute('obs/predicted', 'encoding-type')).toBe('categorical');
    expect(file.stringAttribute('/', 'encoding-type')).toBe('anndata');
    file.close();
  });

  it('never touches the input', async () => {
    await writeSmallH5ad(input, small);
    const bytes = readFileSync(input);
    await writeAnnotatedH5ad({ input, output, ...annotations });
    expect(readFileSync(input).equals(bytes)).toBe(true);
  });

  it('replaces what has the same name, in its place', async () => {
    await writeSmallH5ad(input, small);
    await writeAnnotatedH5ad({ input, output, ...annotations });
    const again = join(folder, 'again.h5ad');
    await writeAnnotatedH5ad({
      input: output,
      output: again,
      obs: { predicted: { kind: 'categorical', categories: ['NK'], codes: [0, 0, 0] } },
      obsm: { X_scdiva: { values: Float32Array.of(7, 8, 9), numDims: 1 } },
      uns: { scdiva: { version: '0.2' } },
    });
    const file = await openCellFile(again);
    expect(file.obsKeys).toEqual(['donor', 'score', 'predicted', 'confidence', 'note']);
    expect(file.obs('predicted')).toMatchObject({ categories: ['NK'], codes: Int32Array.of(0, 0, 0) });
    file.close();
    const tree = await Hdf5File.open(again);
    expect(tree.dataset('obsm/X_scdiva').shape).toEqual([3, 1]);
    expect(tree.keys('uns/scdiva')).toEqual(['version']);
    tree.close();
  });

  it('writes over an output that is there', async () => {
    await writeSmallH5ad(input, small);
    writeFileSync(output, 'old');
    await writeAnnotatedH5ad({ input, output, ...annotations });
    await expect(openCellFile(output).then((file) => file.close())).resolves.toBeUndefined();
  });

  it('turns the newer superblocks to the new root, too', async () => {
    for (const libver of ['v108', 'latest'] as const) {
      const newer = join(folder, `${libver}.h5ad`);
      await writeSmallH5ad(newer, small, { libver });
      expect(readFileSync(newer)[8]).toBe(libver === 'v108' ? 2 : 3);
      await writeAnnotatedH5ad({ input: newer, output, ...annotations });
      const cells = await openCellFile(output);
      expect(cells.obsKeys).toContain('predicted');
      expect(await entries(cells, 'X')).toEqual([
        [0, 0, 1],
        [1, 1, 2],
        [2, 0, 3],
        [2, 1, 4],
      ]);
      cells.close();
    }
  });

  it('writes behind a user block', async () => {
    await writeSmallH5ad(input, small, { libver: 'earliest' });
    const shifted = join(folder, 'user-block.h5ad');
    writeFileSync(shifted, behindUserBlock(readFileSync(input), 1024));
    await writeAnnotatedH5ad({ input: shifted, output, ...annotations });
    const cells = await openCellFile(output);
    expect(cells.obs('predicted')).toMatchObject({ categories: ['B', 'T', 'é'] });
    cells.close();
  });

  it('brings a file of anndata 0.6 up to date', async () => {
    await writeSmallLegacy(input);
    expect(await writeAnnotatedH5ad({ input, output, ...annotations })).toEqual({ notes: [] });
    const [before, after] = [await openCellFile(input), await openCellFile(output)];
    expect(after.obsKeys).toEqual(['cell_type', 'n_counts', 'n_genes', 'predicted', 'confidence', 'note']);
    for (const key of before.obsKeys) expect(after.obs(key)).toEqual(before.obs(key));
    expect(after.obs('cell_type')).toEqual({ kind: 'categorical', categories: ['B cell', 'T cell'], codes: Int32Array.of(1, -1, 0), isOrdered: false });
    expect(after.obs('n_genes')).toMatchObject({ dtype: 'int64' });
    expect(after.cellIds).toEqual(['cell-a', 'cell-b', 'cell-c']);
    expect(after.matrix('raw/X').genes.names).toEqual(['CD3E', 'LYZ', 'NKG7']);
    expect(await entries(after, 'raw/X')).toEqual(await entries(before, 'raw/X'));
    before.close();
    after.close();
    const file = await Hdf5File.open(output);
    expect(file.kind('obs')).toBe('group');
    expect(file.kind('var')).toBe('group');
    expect(file.keys('/')).toEqual(['X', 'obs', 'obsm', 'raw', 'uns', 'var']);
    expect(file.stringAttribute('raw/X', 'encoding-type')).toBe('csr_matrix');
    // Python's anndata would apply leftover categories to the column that has them already.
    expect(file.keys('uns')).toEqual(['cell_type_colors', 'scdiva']);
    file.close();
  });

  it('keeps booleans boolean and embeddings whole when it brings an old file up to date', async () => {
    const legacy = new URL('../../fixtures/h5ad-storage/legacy.h5ad', import.meta.url).pathname;
    expect(await writeAnnotatedH5ad({ input: legacy, output, ...annotations })).toEqual({ notes: [] });
    const cells = await openCellFile(output);
    expect(cells.obs('doublet')).toEqual({ kind: 'boolean', values: [true, false, true] });
    expect(cells.obs('cell_type')).toMatchObject({ categories: ['B', 'T'], codes: Int32Array.of(1, -1, 0) });
    expect(cells.obs('n_counts')).toEqual({ kind: 'numeric', dtype: 'int64', values: Float64Array.of(5, 6, 7) });
    cells.close();
    const file = await Hdf5File.open(output);
    expect(file.dataset('var/highly_variable').booleans()).toEqual([true, false]);
    expect(file.dataset('obsm/X_pca').shape).toEqual([3, 3]);
    expect([...file.dataset('obsm/X_pca').numbers()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(file.dataset('varm/PCs')).toMatchObject({ shape: [2, 2], dtype: 'float64' });
    file.close();
  });

  it('makes an .h5ad of a 10x file, its antibodies still in it', async () => {
    const tenx = join(folder, 'cells.h5');
    await writeSmallTenx(tenx);
    const { notes } = await writeAnnotatedH5ad({ input: tenx, output, ...annotations });
    expect(notes).toEqual(["X keeps the features that are no genes; var['feature_types'] tells them apart"]);
    const file = await openCellFile(output);
    expect(file).toMatchObject({ format: 'h5ad', cellIds: ['AAAC-1', 'AAAG-1', 'AAAT-1'] });
    expect(file.matrix('X').genes).toEqual({ names: ['CD3E', 'CD3', 'LYZ'], ensemblIds: ['ENSG00000198851', 'CD3_TotalSeqB', 'ENSG00000090382'] });
    expect(await entries(file, 'X')).toEqual([
      [0, 0, 5],
      [0, 1, 100],
      [1, 1, 90],
      [1, 2, 2],
      [2, 0, 7],
    ]);
    expect(file.obsKeys).toEqual(['predicted', 'confidence', 'note']);
    file.close();
  });

  it('refuses to write over its input, by whatever name', async () => {
    await writeSmallH5ad(input, small);
    await expect(writeAnnotatedH5ad({ input, output: input, ...annotations })).rejects.toThrow(OutputError);
    await expect(writeAnnotatedH5ad({ input, output: join(folder, '.', 'x', '..', 'input.h5ad'), ...annotations })).rejects.toThrow(/is the input file/);
  });

  it('refuses annotations of another length, impossible names and the index', async () => {
    await writeSmallH5ad(input, small);
    const attempt = (extra: Annotations) => writeAnnotatedH5ad({ input, output, ...extra });
    await expect(attempt({ obs: { p: { kind: 'numeric', values: Float32Array.of(1) } } })).rejects.toThrow(ShapeError);
    await expect(attempt({ obsm: { X: { values: Float32Array.of(1, 2, 3, 4), numDims: 2 } } })).rejects.toThrow(/obsm\['X'\]: 4 values \(expected 3 × 2\)/);
    await expect(attempt({ obs: { 'a/b': { kind: 'string', values: ['x', 'y', 'z'] } } })).rejects.toThrow(/cannot be a name/);
    await expect(attempt({ obs: { _index: { kind: 'string', values: ['x', 'y', 'z'] } } })).rejects.toThrow(DataError);
  });

  it('says when a part of the output path is a file', async () => {
    await writeSmallH5ad(input, small);
    await expect(writeAnnotatedH5ad({ input, output: join(input, 'x.h5ad'), ...annotations })).rejects.toThrow(/a part of the path is a file/);
  });

  it('leaves no half-written file behind when it fails', async () => {
    await writeSmallH5ad(input, small);
    await expect(writeAnnotatedH5ad({ input, output, obs: { _index: { kind: 'string', values: ['x', 'y', 'z'] } } })).rejects.toThrow(DataError);
    expect(readdirSync(folder).filter((name) => name.includes('.tmp-') || name === 'output.h5ad')).toEqual([]);
  });

  it('writes an embedding larger than one block of memory', async () => {
    const numCells = 9000;
    await writeSmallH5ad(input, {
      cellIds: Array.from({ length: numCells }, (_, i) => `c${i}`),
      geneNames: ['CD3E'],
      x: { encoding: 'csr', rows: Array.from({ length: numCells }, () => [1]) },
    });
    const values = Float32Array.from({ length: numCells * 512 }, (_, i) => i);
    await writeAnnotatedH5ad({ input, output, obsm: { X_scdiva: { values, numDims: 512 } } });
    const file = await Hdf5File.open(output);
    const written = file.dataset('obsm/X_scdiva');
    expect(written.shape).toEqual([numCells, 512]);
    expect(Buffer.from(written.numbers().buffer).equals(Buffer.from(values.buffer))).toBe(true);
    file.close();
  });
});

describe('lookup3', () => {
  it('gives the values its author published', () => {
    expect(lookup3(Buffer.from(''))).toBe(0xdeadbeef);
    expect(lookup3(Buffer.from('Four score and seven years ago'))).toBe(0x17770551);
  });
});

/** [row, gene, value] of every entry. */
async function entries(file: CellFile, key: string): Promise<[number, number, number][]> {
  const all: [number, number, number][] = [];
  for await (const { firstRow, numRows, indptr, indices, values } of file.matrix(key).rowBlocks()) {
    for (let row = 0; row < numRows; row++) for (let i = indptr[row]!; i < indptr[row + 1]!; i++) all.push([firstRow + row, indices[i]!, values[i]!]);
  }
  return all;
}
