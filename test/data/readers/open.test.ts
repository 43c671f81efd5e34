import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.js';
import { loadHdf5 } from '../../../src/data/readers/hdf5-library.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import type { CellMatrix } from '../../../src/data/readers/reader.js';
import { writeWithUnknownFilter } from '../../support/unknown-filter.js';
import { behindUserBlock, writeSmallH5ad, writeSmallLegacy, writeSmallTenx } from '../../support/small-h5ad.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-open-'));
const path = join(folder, 'cells.h5ad');
const storage = new URL('../../fixtures/h5ad-storage/storage.h5ad', import.meta.url).pathname;
afterAll(() => rmSync(folder, { recursive: true }));

describe('openCellFile', () => {
  it('says why a file cannot be opened', async () => {
    await writeSmallH5ad(path, { cellIds: ['a'], geneNames: ['CD3E'], x: { encoding: 'dense', rows: [[1]] } });
    const whole = readFileSync(path);
    mkdirSync(join(folder, 'a-folder'));
    const cases: [name: string, content: Buffer | string | undefined, message: RegExp][] = [
      ['missing.h5ad', undefined, /missing.h5ad: no such file$/],
      ['a-folder', undefined, /a-folder: is a folder/],
      ['empty.h5ad', '', /is empty \(0 bytes\)/],
      ['text.h5ad', 'cell,gene,count\n', /not an HDF5 file \(it starts with 'cell,gene,count\.'\)/],
      ['packed.h5ad', gzipSync(whole), /compressed with gzip.*gunzip/],
      ['archive.h5ad', Buffer.from('PK\x03\x04 and so on'), /zip archive/],
      ['cells.zarr.zip', Buffer.from('PK\x03\x04 and so on'), /cells\.zarr\.zip: is a zip archive.*unpack it first/],
      ['half.h5ad', whole.subarray(0, whole.length >> 1), /is truncated: \d+ of \d+ bytes/],
      ['stump.h5ad', whole.subarray(0, 5), /is truncated: 5 bytes/],
    ];
    for (const [name, content, message] of cases) {
      if (content !== undefined) writeFileSync(join(folder, name), content);
      const error = await openCellFile(join(folder, name)).then(
        () => undefined,
        (reason: unknown) => reason as Error,
      );
      expect(error, name).toBeInstanceOf(DataError);
      expect(error!.message).toMatch(message);
    }
  });

  it('finds the file behind a user block', async () => {
    await writeSmallH5ad(path, { cellIds: ['a'], geneNames: ['CD3E'], x: { encoding: 'dense', rows: [[1]] } }, { libver: 'earliest' });
    writeFileSync(join(folder, 'user-block.h5ad'), behindUserBlock(readFileSync(path), 512));
    const file = await openCellFile(join(folder, 'user-block.h5ad'));
    expect(file.cellIds).toEqual(['a']);
    file.close();
  });

  it('has no matrix where its numbers are complex', async () => {
    await writeSmallH5ad(path, { cellIds: ['a', 'b'], geneNames: ['CD3E'] });
    const { File } = await loadHdf5();
    const written = new File(path, 'a');
    const complex = new Map(['r', 'i'].map((part) => [part, Float64Array.of(1, 2)]));
    const root = written.get('/') as InstanceType<Awaited<ReturnType<typeof loadHdf5>>['Group']>;
    root.create_dataset({
      name: 'X',
      data: complex,
      dtype: [
        ['r', '<d'],
        ['i', '<d'],
      ],
      shape: [2],
    });
    written.close();
    const file = await openCellFile(path);
    expect(file.matrices).toEqual([]);
    expect(file.notes.join()).toMatch(/X is no matrix of numbers .* and is left out/);
    expect(() => file.matrix('X')).toThrow(/X: no such matrix/);
    file.close();
  });

  it('says what HDF5 files of other kinds are', async () => {
    const { File } = await loadHdf5();
    const other = async (...groups: string[]) => {
      const file = new File(path, 'w');
      for (const name of groups) file.create_group(name);
      file.close();
      return expect(openCellFile(path)).rejects;
    };
    await (
      await other('mod', 'mod/prot', 'obs', 'var')
    ).toThrow(/MuData file without a modality 'rna' \(expected one of prot; name the one that holds expression: '.*cells.h5ad#prot'/);
    await (await other('row_attrs', 'col_attrs')).toThrow(/neither AnnData, MuData, loom nor 10x: it holds col_attrs, row_attrs/);
    await (await other('weights', 'obs')).toThrow(/neither AnnData, MuData, loom nor 10x: it holds obs, weights and has no var/);
  });

  it('reads text that is no UTF-8 as Latin-1, so that names stay apart', async () => {
    await writeSmallH5ad(path, { cellIds: ['Z@rich', 'Z%rich'], geneNames: ['CD3E'], x: { encoding: 'dense', rows: [[1], [2]] } });
    const bytes = readFileSync(path);
    for (const [sign, code] of [
      ['Z@rich', 0xfc],
      ['Z%rich', 0xe9],
    ] as const)
      bytes[bytes.indexOf(sign) + 1] = code;
    writeFileSync(path, bytes);
    const file = await openCellFile(path);
    expect(file.cellIds).toEqual(['Zürich', 'Zérich']);
    file.close();
  });

  it('names the columns and matrices there are when one is missing', async () => {
    await writeSmallH5ad(path, { cellIds: ['a'], geneNames: ['CD3E'], obs: { cell_type: ['T'], donor: ['D'] } });
    const file = await openCellFile(path);
    expect(() => file.obs('celltype')).toThrow(/obs\['celltype'\]: no such column \(expected one of cell_type, donor\)/);
    expect(() => file.matrix('X')).toThrow(/X: no such matrix \(expected one of \(the file holds no matrix\)\)/);
    file.close();
  });

  it('refuses a file whose parts do not fit each other', async () => {
    await writeSmallH5ad(path, { cellIds: ['a', 'b'], geneNames: ['CD3E'], x: { encoding: 'dense', rows: [[1]] } });
    await expect(openCellFile(path)).rejects.toThrow(/X: 1 rows \(expected 2, as many as obs has/);
  });

  it.each([
    ['a column is missing that column-order names', 'cell_type', 'cell_typo', /obs\['cell_typ[eo]'\]: no such column, though column-order names it/],
    ['two categories have the same name', 'B cell', 'T cell', /obs\['cell_type'\]: the category 'T cell' twice \(expected each once/],
    [
      'a cell has a control character in its name',
      'barcode-1',
      'barcode\u00031',
      /cell 1: "barcode\\u00031" is its name \(expected text without control characters, in UTF-8/,
    ],
    ['a gene has a control character in its name', 'MS4A1', 'MS\u001bA1', /gene 1: "MS\\u001bA1" is its name/],
  ])('refuses a damaged file in which %s', async (_, was, is, message) => {
    await writeSmallH5ad(path, {
      cellIds: ['barcode-0', 'barcode-1'],
      geneNames: ['CD3E', 'MS4A1'],
      obs: { cell_type: ['T cell', 'B cell'] },
      x: {
        encoding: 'csr',
        rows: [
          [1, 0],
          [0, 2],
        ],
      },
    });
    const whole = readFileSync(path);
    const failures: string[] = [];
    for (let at = whole.indexOf(was); at >= 0; at = whole.indexOf(was, at + 1)) {
      const damaged = Buffer.from(whole);
      damaged.write(is, at, 'latin1');
      writeFileSync(path, damaged);
      try {
        const file = await openCellFile(path);
        file.obs('cell_type');
        file.close();
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
    expect(failures.join('\n')).toMatch(message);
  });

  it('notes names that are unlike all the others, and missing ones', async () => {
    const barcodes = Array.from({ length: 40 }, (_, i) => `s1_AAACCTGAG${'ACGT'[i % 4]}${'ACGT'[(i >> 2) % 4]}${'ACGT'[i >> 4]}-1`);
    const ids = Array.from({ length: 40 }, (_, i) => `ENSG000000000${10 + i}`);
    const rows = barcodes.map((_, i) => ids.map((_, j) => Number(i === j)));
    const notesOf = async (cellIds: string[], geneNames: string[]) => {
      await writeSmallH5ad(path, { cellIds, geneNames, x: { encoding: 'csr', rows } });
      const file = await openCellFile(path);
      const { notes, numCells } = file;
      expect(numCells).toBe(40);
      file.close();
      return notes;
    };
    expect(await notesOf(barcodes, ids)).toEqual([]);
    expect(await notesOf(barcodes.with(3, 's1_AAAEETGAGTAA-1').with(5, ''), ids)).toEqual([
      '1 of 40 cells has no name',
      "nearly every cell name has a barcode of 12 letters, but not 's1_AAAEETGAGTAA-1'",
    ]);
    expect(await notesOf(barcodes, ids.with(0, 'GFP'))).toEqual(["nearly every gene id is an Ensembl id, but not 'GFP'"]);
    const mixed = barcodes.map((name, i) => (i % 4 === 0 ? `hashed-${i}` : name));
    expect(await notesOf(mixed, ids)).toEqual([]);
  });

  it('refuses a name of a matrix folder that is no UTF-8', async () => {
    const mtx = join(folder, 'no-utf8');
    mkdirSync(mtx);
    writeFileSync(join(mtx, 'matrix.mtx'), '%%MatrixMarket matrix coordinate integer general\n1 2 1\n1 1 5\n');
    writeFileSync(join(mtx, 'features.tsv'), 'ENSG00000000001\tCD3E\tGene Expression\n');
    writeFileSync(join(mtx, 'barcodes.tsv'), Buffer.concat([Buffer.from('AAAC-1\nAA'), Buffer.of(0xc3), Buffer.from('C-2\n')]));
    await expect(openCellFile(mtx)).rejects.toThrow(/cell 1: "AA\uFFFDC-2" is its name \(expected text without control characters, in UTF-8/);
  });

  it('reads columns with a slash in their name, which lie in groups of their own', async () => {
    await writeSmallH5ad(path, {
      cellIds: ['a', 'b'],
      geneNames: ['CD3E'],
      obs: { size: Float64Array.of(1, 2), xyz: Float64Array.of(3, 4) },
      x: { encoding: 'csr', rows: [[1], [2]] },
    });
    const { File } = await loadHdf5();
    const stored = new File(path, 'a');
    const obs = stored.get('obs') as InstanceType<Awaited<ReturnType<typeof loadHdf5>>['Group']>;
    obs.create_group('n').create_dataset({ name: 'm', data: Float64Array.of(5, 6) });
    obs.delete_attribute('column-order');
    obs.create_attribute('column-order', ['size', 'n/m', 'xyz']);
    stored.close();
    const file = await openCellFile(path);
    expect(file.obsKeys).toEqual(['size', 'n/m', 'xyz']);
    expect(file.obs('n/m')).toEqual({ kind: 'numeric', dtype: 'float64', values: Float64Array.of(5, 6) });
    file.close();
  });

  it('reads a file of anndata 0.6: compound tables, categories in uns, raw.X', async () => {
    await writeSmallLegacy(path);
    const file = await openCellFile(path);
    expect(file.cellIds).toEqual(['cell-a', 'cell-b', 'cell-c']);
    expect(file.obs('cell_type')).toEqual({ kind: 'categorical', categories: ['B cell', 'T cell'], codes: Int32Array.of(1, -1, 0), isOrdered: false });
    expect(file.obs('n_genes')).toEqual({ kind: 'numeric', dtype: 'int64', values: Float64Array.of(2, 1, 2) });
    expect(file.matrices).toEqual([
      { key: 'X', numGenes: 2, encoding: 'dense', dtype: 'float32' },
      { key: 'raw/X', numGenes: 3, encoding: 'csr', dtype: 'float32' },
    ]);
    expect(await rows(file.matrix('raw/X'))).toEqual([
      [3, 0, 1],
      [0, 2, 0],
      [4, 0, 5],
    ]);
    file.close();
  });

  it('reads a 10x file without the features that are no genes, and says so', async () => {
    await writeSmallTenx(path);
    const file = await openCellFile(path);
    expect(file).toMatchObject({ format: '10x-h5', numCells: 3, notes: ['left out what is not gene expression: 1 × Antibody Capture'] });
    expect(file.matrix('X').genes).toEqual({ names: ['CD3E', 'LYZ'], ensemblIds: ['ENSG00000198851', 'ENSG00000090382'] });
    expect(await rows(file.matrix('X'))).toEqual([
      [5, 0],
      [0, 2],
      [7, 0],
    ]);
    expect(() => file.obs('cell_type')).toThrow(/holds no annotation of cells/);
    file.close();
  });
});

describe('stored numbers', () => {
  const counts = [
    [1, 0, 5],
    [2, 7, 0],
    [0, 3, 300],
    [9, 0, 1],
  ];

  it.each(['big_endian_float', 'big_endian_int', 'half', 'int64', 'uint16', 'scale_offset', 'lzf'])('are read from %s', async (layer) => {
    const file = await openCellFile(storage);
    expect(await rows(file.matrix(`layers/${layer}`))).toEqual(counts);
    file.close();
  });

  it('are refused when nothing unpacks them, where the library itself would hand out wrong numbers', async () => {
    writeWithUnknownFilter(path);
    const file = await openCellFile(path);
    await expect(rows(file.matrix('layers/lzf'))).rejects.toThrow(/cells.h5ad: layers\/lzf: is compressed with zfp \(HDF5 filter 32013\).*compression='gzip'/);
    file.close();
  });
});

async function rows(matrix: CellMatrix): Promise<number[][]> {
  const all: number[][] = [];
  for await (const { numRows, indptr, indices, values } of matrix.rowBlocks()) {
    for (let row = 0; row < numRows; row++) {
      const dense = new Array<number>(matrix.numGenes).fill(0);
      for (let i = indptr[row]!; i < indptr[row + 1]!; i++) dense[indices[i]!] = values[i]!;
      all.push(dense);
    }
  }
  return all;
}
