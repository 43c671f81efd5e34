import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../../src/data/readers/open.js';
import { readRows } from '../../support/read-rows.js';
import { tableText, transpose } from '../../support/small-formats.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-table-'));
afterAll(() => rmSync(folder, { recursive: true }));

const cellIds = ['AAACCTGAGG-1', 'AAACGGGTCC-1', 'AAAGATGCAA-1'];
const genes = ['ACTB', 'MS4A1'];
const rows = [
  [1, 0],
  [0, 2.5],
  [7, 3],
];

describe('a table of text', () => {
  it.each([
    ['cells in rows', 'a.csv', tableText(cellIds, genes, rows), 'genes are in columns, told from ACTB, MS4A1'],
    ['genes in rows', 'b.csv', tableText(genes, cellIds, transpose(rows)), 'genes are in rows, told from ACTB, MS4A1'],
    ['tabulators', 'c.tsv', tableText(cellIds, genes, rows, { delimiter: '\t', corner: 'cell' }), 'genes are in columns, told from ACTB, MS4A1'],
    ['semicolons', 'd.csv', tableText(cellIds, genes, rows, { delimiter: ';' }), 'genes are in columns, told from ACTB, MS4A1'],
    ["R's missing corner", 'e.txt', tableText(genes, cellIds, transpose(rows), { delimiter: '\t', corner: null }), 'genes are in rows, told from ACTB, MS4A1'],
    ['quotes and Windows line ends', 'f.csv', tableText(cellIds, genes, rows, { quote: '"', newline: '\r\n' }), 'genes are in columns, told from ACTB, MS4A1'],
    [
      'Ensembl ids',
      'g.csv',
      tableText(['ENSG00000075624', 'ENSG00000156738'], ['x1', 'x2', 'x3'], transpose(rows)),
      'genes are in rows, told from Ensembl ids',
    ],
  ])('is read with %s', async (_, name, text, note) => {
    for (const [file, bytes] of [
      [name, text],
      [`${name}.gz`, gzipSync(text)],
    ] as const) {
      writeFileSync(join(folder, file), bytes);
      const opened = await openCellFile(join(folder, file));
      expect(opened).toMatchObject({ format: 'table', numCells: 3, obsKeys: [], notes: [note], matrices: [{ key: 'X', encoding: 'dense', dtype: 'float64' }] });
      expect(await readRows(opened.matrix('X'), { blockRows: 2 })).toEqual(rows);
      opened.close();
    }
  });

  it('is refused while nothing tells where the genes are, and read once that is said', async () => {
    const path = join(folder, 'unclear.csv');
    writeFileSync(path, tableText(['r1', 'r2', 'r3'], ['k1', 'k2'], rows));
    await expect(openCellFile(path)).rejects.toThrow(
      /neither the names of rows nor those of columns look like genes.*'.*unclear.csv#genes-in-rows' or '.*unclear.csv#genes-in-columns'/,
    );
    const read = async (part: string) => {
      const file = await openCellFile(`${path}#${part}`);
      const found = { cellIds: file.cellIds, rows: await readRows(file.matrix('X')) };
      file.close();
      return found;
    };
    expect(await read('genes-in-columns')).toEqual({ cellIds: ['r1', 'r2', 'r3'], rows });
    expect(await read('genes-in-rows')).toEqual({ cellIds: ['k1', 'k2'], rows: transpose(rows) });
    await expect(openCellFile(`${path}#genes`)).rejects.toThrow(/no part 'genes' of a table \(expected genes-in-columns or genes-in-rows\)/);
    writeFileSync(path, tableText(['CD3D', 'CD3E', 'LYZ'], ['ACTB', 'B2M'], rows));
    await expect(openCellFile(path)).rejects.toThrow(/the names of rows and of columns both look like genes/);
  });

  it('has missing values refused when they are read, naming cell and gene', async () => {
    const path = join(folder, 'missing.csv');
    writeFileSync(path, `,ACTB,LYZ\n${cellIds[0]},1,NA\n${cellIds[1]},,2\n`);
    const file = await openCellFile(path);
    await expect(readRows(file.matrix('X'))).rejects.toThrow(/missing.csv: X: NaN at cell 'AAACCTGAGG-1' \(row 0\), gene 'LYZ'/);
    expect(await readRows(file.matrix('X'), { allowNonFinite: true })).toEqual([
      [1, NaN],
      [NaN, 2],
    ]);
    file.close();
  });

  it('that ends within a line is read with a note', async () => {
    const path = join(folder, 'cut.csv');
    writeFileSync(path, tableText(cellIds, genes, rows).slice(0, -1));
    const file = await openCellFile(path);
    expect(file.notes).toContain('its last line has no end: is the file whole?');
    expect(await readRows(file.matrix('X'))).toEqual(rows);
    file.close();
  });

  it.each([
    ['words', ',ACTB,cell_type\na,1,T\n', /line 2: 'T' in column 'cell_type' is no number \(expected numbers only/],
    ['a short line', ',ACTB,LYZ\na,1,2\nb,1\n', /line 3: 2 fields \(expected 3, as the header has/],
    ['an open quote', ',ACTB,LYZ\na,1,2\n"b,1,2\n', /line 3: a quote does not end/],
    ['no header', 'a,1,2\nb,3,4\n', /the first line holds numbers \('1, 2'\), no names/],
    ['one line', ',ACTB,LYZ\n', /has one line only/],
    ['no columns', 'ACTB\nLYZ\n', /the header does not fit the line below it/],
  ])('is refused with %s', async (_, text, message) => {
    const path = join(folder, 'damaged.csv');
    writeFileSync(path, text);
    await expect(openCellFile(path)).rejects.toThrow(message);
  });
});
