import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Hdf5File } from '../../../src/data/readers/hdf5.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import type { CellFile } from '../../../src/data/readers/reader.js';
import { checkOutput, writeNewH5ad, type NewH5ad } from '../../../src/data/writers/new-h5ad.js';
import { OutputError } from '../../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-new-h5ad-'));
afterAll(() => rmSync(folder, { recursive: true }));

const content = (name: string): NewH5ad => ({
  output: join(folder, name),
  cellIds: ['a', 'b', 'c'],
  geneNames: ['CD3E', 'LYZ', 'NKG7', 'É'],
  x: { indptr: Int32Array.of(0, 2, 2, 5), indices: Int32Array.of(0, 3, 0, 1, 2), values: Float32Array.of(1, 2.5, 3, 0.25, 4) },
  layers: { flags: { indptr: Int32Array.of(0, 0, 0, 1), indices: Int32Array.of(1), values: Float32Array.of(1) } },
  obs: {
    type: { kind: 'categorical', categories: ['B', 'T'], codes: [1, -1, 0] },
    sample: { kind: 'numeric', values: Int32Array.of(0, 1, 2) },
    from: { kind: 'string', values: ['x', '', 'z'] },
  },
  var: { ensembl_id: { kind: 'string', values: ['E1', 'E2', '', 'E4'] } },
  uns: { scdiva: { version: '1', seed: 7 } },
});

async function dense(file: CellFile, key: string): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const { numRows, indptr, indices, values } of file.matrix(key).rowBlocks()) {
    for (let r = 0; r < numRows; r++) {
      const row = new Array<number>(file.matrix(key).numGenes).fill(0);
      for (let i = indptr[r]!; i < indptr[r + 1]!; i++) row[indices[i]!] = values[i]!;
      rows.push(row);
    }
  }
  return rows;
}

describe('writeNewH5ad', () => {
  it('writes what the reader reads back', async () => {
    await writeNewH5ad(content('new.h5ad'));
    const file = await openCellFile(join(folder, 'new.h5ad'));
    expect(file.cellIds).toEqual(['a', 'b', 'c']);
    expect(file.matrix('X').genes.names).toEqual(['CD3E', 'LYZ', 'NKG7', 'É']);
    expect(await dense(file, 'X')).toEqual([
      [1, 0, 0, 2.5],
      [0, 0, 0, 0],
      [3, 0.25, 4, 0],
    ]);
    expect(await dense(file, 'layers/flags')).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 1, 0, 0],
    ]);
    expect(file.obsKeys).toEqual(['type', 'sample', 'from']);
    expect(file.obs('type')).toEqual({ kind: 'categorical', categories: ['B', 'T'], codes: Int32Array.of(1, -1, 0), isOrdered: false });
    expect(file.obs('from')).toEqual({ kind: 'string', values: ['x', '', 'z'] });
    file.close();
    const tree = await Hdf5File.open(join(folder, 'new.h5ad'));
    expect(tree.stringAttribute('/', 'encoding-type')).toBe('anndata');
    expect(tree.stringAttribute('X', 'encoding-type')).toBe('csr_matrix');
    expect([...tree.dataset('uns/scdiva/seed').numbers()]).toEqual([7]);
    expect(tree.dataset('var/ensembl_id').strings()).toEqual(['E1', 'E2', '', 'E4']);
    tree.close();
  });

  it('writes a matrix without entries', async () => {
    await writeNewH5ad({
      output: join(folder, 'empty.h5ad'),
      cellIds: ['a'],
      geneNames: ['G'],
      x: { indptr: Int32Array.of(0, 0), indices: new Int32Array(), values: new Float32Array() },
    });
    const file = await openCellFile(join(folder, 'empty.h5ad'));
    expect(await dense(file, 'X')).toEqual([[0]]);
    file.close();
  });

  it('takes the place of an older file, and leaves nothing behind where it cannot be written', async () => {
    writeFileSync(join(folder, 'old.h5ad'), 'old');
    await writeNewH5ad(content('old.h5ad'));
    (await openCellFile(join(folder, 'old.h5ad'))).close();
    mkdirSync(join(folder, 'folder.h5ad'));
    await expect(writeNewH5ad(content('folder.h5ad'))).rejects.toThrow(/folder\.h5ad: is a folder/);
    await expect(writeNewH5ad(content('old.h5ad/new.h5ad'))).rejects.toThrow(OutputError);
    expect(readdirSync(folder).filter((name) => name.includes('.tmp-'))).toEqual([]);
    await expect(checkOutput(join(folder, 'folder.h5ad'))).rejects.toThrow(OutputError);
    await checkOutput(join(folder, 'deep/new.h5ad'));
  });
});
