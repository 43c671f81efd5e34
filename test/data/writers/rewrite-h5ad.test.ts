import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Hdf5File } from '../../../src/data/readers/hdf5.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { writeAnnotatedH5ad, type Annotations } from '../../../src/data/writers/h5ad.js';
import { readRows } from '../../support/read-rows.js';
import { tableText, writeSmallLoom, writeSmallMtx, writeSmallMuData, writeSmallZarr, type SmallCells } from '../../support/small-formats.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-rewrite-'));
const output = join(folder, 'output.h5ad');
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const cells: SmallCells = {
  cellIds: ['AAACCTGAGG-1', 'AAACGGGTCC-1', 'AAAGATGCAA-1'],
  geneNames: ['ACTB', 'CD3E'],
  rows: [
    [1, 0],
    [0, 0],
    [7, 300],
  ],
  cellTypes: ['T', 'B', 'T'],
};
const annotations: Annotations = {
  obs: { scdiva_cell_type: { kind: 'categorical', categories: ['B', 'T'], codes: [1, 0, 1] } },
  obsm: { X_scdiva: { values: Float32Array.of(1, 2, 3, 4, 5, 6), numDims: 2 } },
  uns: { scdiva: { version: '1' } },
};

describe('writeAnnotatedH5ad of a format that cannot be copied', () => {
  it.each<[string, string, () => Promise<void> | void, string[], string[]]>([
    [
      'Zarr',
      'cells.zarr',
      () => writeSmallZarr(at('cells.zarr'), cells, { version: 3, codec: 'zstd' }),
      ['X', 'layers/csc', 'layers/dense'],
      ['cell_type', 'size #1', 'is_first'],
    ],
    ['loom', 'cells.loom', () => writeSmallLoom(at('cells.loom'), cells), ['X', 'layers/spliced'], ['Age', 'ClusterName']],
    ['MuData', 'cells.h5mu', () => writeSmallMuData(at('cells.h5mu'), { rna: cells, prot: cells }), ['X'], ['cell_type']],
    ['a part of a file', 'cells.h5mu#prot', () => {}, ['X'], ['cell_type']],
    ['a matrix folder', 'mtx', () => writeSmallMtx(at('mtx'), cells), ['X'], []],
    ['a table', 'cells.csv', () => writeFileSync(at('cells.csv'), tableText(cells.cellIds, cells.geneNames, cells.rows)), ['X'], []],
  ])('writes a new file from %s, with all that a reader gives of it', async (_, name, make, matrices, columns) => {
    await make();
    const { notes } = await writeAnnotatedH5ad({ input: at(name), output, ...annotations });
    expect(notes).toEqual([
      expect.stringMatching(
        `^a new .h5ad was written from the .*: ${matrices.join(', ')}, obs and the names of genes; what else it holds is not carried over$`,
      ),
    ]);
    const [before, after] = [await openCellFile(at(name)), await openCellFile(output)];
    expect(after).toMatchObject({ format: 'h5ad', cellIds: cells.cellIds, obsKeys: [...columns, 'scdiva_cell_type'], notes: [] });
    expect(after.matrices.map(({ key }) => key)).toEqual(matrices);
    for (const key of matrices) {
      expect(await readRows(after.matrix(key))).toEqual(cells.rows);
      expect(after.matrix(key).genes).toEqual(before.matrix(key).genes);
    }
    for (const key of columns) {
      const column = before.obs(key);
      expect(after.obs(key)).toEqual(column.kind === 'numeric' ? { ...column, dtype: expect.stringMatching(/int/) as string } : column);
    }
    expect(after.obs('scdiva_cell_type')).toMatchObject({ categories: ['B', 'T'], codes: Int32Array.of(1, 0, 1) });
    before.close();
    after.close();
    const file = await Hdf5File.open(output);
    expect(file.keys('/')).toEqual(['X', 'layers', 'obs', 'obsm', 'obsp', 'uns', 'var', 'varm', 'varp']);
    expect([...file.dataset('obsm/X_scdiva').numbers()]).toEqual([1, 2, 3, 4, 5, 6]);
    file.close();
  });

  it('leaves nothing behind when the values turn out to be damaged', async () => {
    rmSync(output, { force: true });
    writeSmallMtx(at('cut'), cells, { matrix: '%%MatrixMarket matrix coordinate integer general\n2 3 2\n1 1 1\n' });
    await expect(writeAnnotatedH5ad({ input: at('cut'), output, ...annotations })).rejects.toThrow(/ends after 1 entries/);
    expect(existsSync(output)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('.tmp-'))).toEqual([]);
  });

  it('keeps what is missing in a column', async () => {
    await writeSmallZarr(at('missing.zarr'), cells, { version: 2 });
    const source = await openCellFile(at('missing.zarr'));
    // As nullable columns are read: null where there is nothing.
    const columns = {
      ...source,
      cellIds: source.cellIds,
      obsKeys: ['flag', 'text', 'code'],
      matrix: source.matrix.bind(source),
      close: () => {},
      obs: (key: string) =>
        ({
          flag: { kind: 'boolean', values: [true, null, false] },
          text: { kind: 'string', values: ['x', null, 'y'] },
          code: { kind: 'categorical', categories: ['p'], codes: Int32Array.of(0, -1, 0), isOrdered: true },
        })[key],
    };
    const { rewriteAsH5ad } = await import('../../../src/data/writers/rewrite-h5ad.js');
    await rewriteAsH5ad(columns as unknown as typeof source, output, {});
    source.close();
    const after = await openCellFile(output);
    expect(after.obs('flag')).toEqual({ kind: 'boolean', values: [true, null, false] });
    expect(after.obs('text')).toEqual({ kind: 'categorical', categories: ['x', 'y'], codes: Int32Array.of(0, -1, 1), isOrdered: false });
    expect(after.obs('code')).toEqual({ kind: 'categorical', categories: ['p'], codes: Int32Array.of(0, -1, 0), isOrdered: true });
    after.close();
  });
});
