import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../../src/data/readers/open.js';
import { readRows } from '../../support/read-rows.js';
import { writeSmallMtx, type MtxOptions, type SmallCells } from '../../support/small-formats.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-mtx-'));
afterAll(() => rmSync(folder, { recursive: true }));

const cells: SmallCells = {
  cellIds: ['AAAC-1', 'AAAG-1', 'AAAT-1'],
  geneNames: ['CD3E', 'MS4A1'],
  rows: [
    [1, 4],
    [0, 0],
    [70000, 2],
  ],
  cellTypes: [],
};
const HEAD = '%%MatrixMarket matrix coordinate integer general\n';
let count = 0;
const write = (options: MtxOptions = {}): string => {
  const path = join(folder, `mtx-${count++}`);
  writeSmallMtx(path, cells, options);
  return path;
};
const read = async (path: string): Promise<number[][]> => {
  const file = await openCellFile(path);
  try {
    return await readRows(file.matrix('X'), { blockRows: 2 });
  } finally {
    file.close();
  }
};

describe('a 10x matrix folder', () => {
  it.each<[string, MtxOptions]>([
    ['packed', {}],
    ['plain', { isPacked: false }],
    ['of Cell Ranger 2', { isOld: true, isPacked: false }],
    ['with one prefix', { prefix: 'GSM123_' }],
    ['gene by gene', { isByGene: true }],
  ])('is read when it is %s', async (_, options) => {
    const path = write(options);
    const file = await openCellFile(path);
    expect(file).toMatchObject({
      format: '10x-mtx',
      numCells: 3,
      cellIds: cells.cellIds,
      obsKeys: [],
      notes: [],
      matrices: [{ key: 'X', numGenes: 2, encoding: 'csr', dtype: 'int64' }],
    });
    expect(file.matrix('X').genes).toEqual({ names: cells.geneNames, ensemblIds: ['ENSG00000000000', 'ENSG00000000001'] });
    // Twice: the second time from what was parsed the first time.
    for (let time = 0; time < 2; time++) expect(await readRows(file.matrix('X'), { blockRows: 2 })).toEqual(cells.rows);
    expect(() => file.obs('cell_type')).toThrow(/holds no annotation of cells/);
    file.close();
  });

  it('is read by the name of its .mtx file', async () => {
    const path = write();
    writeFileSync(join(path, 'other_matrix.mtx'), '');
    await expect(openCellFile(path)).rejects.toThrow(/holds 2 matrices: .*name the .mtx file you mean/);
    expect(await read(join(path, 'matrix.mtx.gz'))).toEqual(cells.rows);
  });

  it('is refused where a line of features lacks a field that the others have', async () => {
    const path = write({ isPacked: false });
    writeFileSync(join(path, 'features.tsv'), readFileSync(join(path, 'features.tsv'), 'utf8').replace('MS4A1\t', 'MS4A1 '));
    await expect(openCellFile(path)).rejects.toThrow(
      /features\.tsv: line 2: 'ENSG00000000001 MS4A1 Gene Expression', 2 of 3 fields \(expected fields with tabulators between them/,
    );
  });

  it('leaves features that are no genes out, and says so', async () => {
    const path = write({ isPacked: false });
    writeFileSync(join(path, 'features.tsv'), readFileSync(join(path, 'features.tsv'), 'utf8').replace(/Gene Expression/, 'Antibody Capture'));
    const file = await openCellFile(path);
    expect(file.notes).toEqual(['left out what is not gene expression: 1 × Antibody Capture']);
    expect(await readRows(file.matrix('X'))).toEqual([[4], [0], [2]]);
    file.close();
  });

  it('may hold fractions, patterns, repeats and empty lines', async () => {
    expect(await read(write({ matrix: '%%MatrixMarket matrix coordinate real general\n\n2 3 4\n1 1 0.5\r\n 2  1\t-1.25e2 \n\n1 3 +3\n1 3 4\n' }))).toEqual([
      [0.5, -125],
      [0, 0],
      [7, 0],
    ]);
    expect(await read(write({ matrix: '%%MatrixMarket matrix coordinate pattern general\n2 3 2\n1 1\n2 3\n' }))).toEqual([
      [1, 0],
      [0, 0],
      [0, 1],
    ]);
  });

  it.each<[string, string, RegExp]>([
    ['is no MatrixMarket', 'cells,genes\n', /is no MatrixMarket file \(it starts with 'cells,genes'\)/],
    ['is dense', '%%MatrixMarket matrix array real general\n2 3\n', /a matrix of the kind 'array real general'/],
    ['has no sizes', HEAD, /ends before its sizes are told/],
    ['is transposed', `${HEAD}3 2 0\n`, /has 3 rows \(expected 2, as many as there are lines in .*features.tsv.gz/],
    ['has other cells', `${HEAD}2 4 0\n`, /has 4 columns \(expected 3, as many as there are lines in .*barcodes.tsv.gz/],
    ['leaves its rows', `${HEAD}2 3 1\n3 1 1\n`, /line 3: row 3 \(expected 1 to 2/],
    ['leaves its columns', `${HEAD}2 3 1\n1 0 1\n`, /line 3: column 0 \(expected 1 to 3/],
    ['holds words', `${HEAD}2 3 1\n1 1 many\n`, /line 3: 'many' \(expected a number/],
    ['holds fractions it denies', `${HEAD}2 3 1\n1 1 0.5\n`, /line 3: value 0.5 \(expected an integer, as the head/],
    ['has too few fields', `${HEAD}2 3 1\n1 1\n`, /line 3: 2 fields \(expected 3/],
    ['has too many fields', `${HEAD}2 3 1\n1 1 1 1\n`, /line 3: more than three fields/],
    ['is cut', `${HEAD}2 3 2\n1 1 1\n`, /ends after 1 entries \(expected 2, as its head says/],
    ['goes on', `${HEAD}2 3 1\n1 1 1\n2 2 2\n`, /line 4: one entry too many/],
  ])('is refused when it %s', async (_, matrix, message) => {
    await expect(read(write({ matrix }))).rejects.toThrow(message);
  });

  it('is refused when it is packed and cut, or a file is missing', async () => {
    const path = write();
    writeFileSync(join(path, 'matrix.mtx.gz'), gzipSync(`${HEAD}2 3 0\n`.padEnd(400, ' 1 2 3\n')).subarray(0, 30));
    await expect(read(path)).rejects.toThrow(/matrix.mtx.gz: is truncated/);
    rmSync(join(path, 'barcodes.tsv.gz'));
    await expect(openCellFile(path)).rejects.toThrow(/there is no barcodes.tsv \(.gz\) beside it/);
    await expect(openCellFile(folder)).rejects.toThrow(/is a folder without matrix.mtx: it holds mtx-0/);
  });
});
