import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.js';
import { checkValues, chooseMatrix, type ChooseOptions } from '../../../src/data/inspect/choose-matrix.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { hasShared, shared } from '../../support/shared.js';
import { writeWithUnknownFilter } from '../../support/unknown-filter.js';
import { writeSmallH5ad, type SmallH5ad, type SmallMatrix } from '../../support/small-h5ad.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-choose-'));
afterAll(() => rmSync(folder, { recursive: true }));

const cellIds = ['a', 'b', 'c', 'd'];
const geneNames = ['CD3E', 'MS4A1', 'LYZ'];
const counts: SmallMatrix = {
  encoding: 'csr',
  rows: [
    [1, 0, 5],
    [2, 7, 0],
    [0, 3, 3],
    [9, 0, 1],
  ],
};
const perCell = (row: readonly number[]) => row.map((value) => (1e4 * value) / row.reduce((a, b) => a + b, 0));
const cpm: SmallMatrix = { encoding: 'dense', rows: counts.rows.map(perCell) };
const log1p: SmallMatrix = { encoding: 'csc', rows: cpm.rows.map((row) => row.map(Math.log1p)) };
const scaled: SmallMatrix = { encoding: 'dense', rows: log1p.rows.map((row) => row.map((value) => value - 4)) };
const estimated: SmallMatrix = { encoding: 'csr', rows: counts.rows.map((row) => row.map((value) => value * 20.3)) };

describe('chooseMatrix', () => {
  it('prefers counts, wherever they are, then CPM, then log1p', async () => {
    expect(await choose({ x: counts })).toMatchObject({ key: 'X', valueKind: 'counts' });
    expect(await choose({ x: log1p, layers: { counts } })).toMatchObject({ key: 'layers/counts', valueKind: 'counts' });
    expect(await choose({ x: log1p, raw: { ...counts, geneNames } })).toMatchObject({ key: 'raw/X', valueKind: 'counts' });
    expect(await choose({ x: log1p, layers: { size_factors: cpm } })).toMatchObject({ key: 'layers/size_factors', valueKind: 'cpm' });
    expect(await choose({ x: scaled, raw: { ...log1p, geneNames } })).toMatchObject({ key: 'raw/X', valueKind: 'log1p' });
  });

  it('says why, naming what it passed over', async () => {
    expect((await choose({ x: scaled, layers: { counts }, raw: { ...log1p, geneNames } })).why).toBe(
      'layers/counts holds counts; X is scaled, raw/X holds log-normalised values',
    );
  });

  it('prefers the counts of more genes', async () => {
    const raw = { encoding: 'csr' as const, rows: counts.rows.map((row) => [...row, 4]), geneNames: [...geneNames, 'NKG7'] };
    expect(await choose({ x: counts, raw })).toMatchObject({ key: 'raw/X' });
  });

  it('does not take spliced counts for the whole', async () => {
    expect(await choose({ x: log1p, layers: { spliced: counts } })).toMatchObject({ key: 'X', valueKind: 'log1p' });
  });

  it('takes the matrix asked for', async () => {
    expect(await choose({ x: log1p, layers: { counts } }, { matrix: 'X' })).toMatchObject({ key: 'X', valueKind: 'log1p' });
  });

  it('refuses scaled values and says what to pass instead', async () => {
    await expect(choose({ x: scaled })).rejects.toThrow(/X: scaled values.*expected counts, CPM or log1p.*layers\['counts'\]/);
    await expect(choose({ x: scaled, layers: { counts } }, { matrix: 'X' })).rejects.toThrow(/choose layers\/counts, which holds counts/);
  });

  it('refuses NaN', async () => {
    const rows = counts.rows.map((row) => [...row]);
    rows[1]![1] = NaN;
    await expect(choose({ x: { ...counts, rows } })).rejects.toThrow(/X: NaN or infinite values/);
  });

  it('takes fractions it cannot place only at the word of the user', async () => {
    await expect(choose({ x: estimated })).rejects.toThrow(/unknown kind.*say so with --value-kind/);
    expect(await choose({ x: estimated }, { valueKind: 'counts' })).toMatchObject({
      key: 'X',
      valueKind: 'counts',
      evidence: expect.stringMatching(/^declared as counts/) as string,
    });
    await expect(choose({ x: scaled }, { valueKind: 'counts' })).rejects.toThrow(DataError);
  });

  it('names the matrices there are when the one asked for is missing', async () => {
    await expect(choose({ x: counts }, { matrix: 'layers/raw' })).rejects.toThrow(/layers\/raw: no such matrix \(expected one of X\)/);
    await expect(choose({})).rejects.toThrow(/no matrix of numbers/);
  });

  it('refuses an unreadable matrix that was asked for, with its own reason', async () => {
    const path = join(folder, 'filter.h5ad');
    writeWithUnknownFilter(path);
    const file = await openCellFile(path);
    await expect(chooseMatrix(file, { matrix: 'layers/lzf' })).rejects.toThrow(/zfp \(HDF5 filter 32013\)/);
    expect((await chooseMatrix(file)).why).toMatch(/layers\/lzf cannot be read/);
    file.close();
  });

  it.runIf(hasShared)('finds log1p in raw/X of a scaled file whose genes were filtered after normalising', async () => {
    const file = await openCellFile(shared('data/pbmc68k_reduced/10x_pbmc68k_reduced_legacy.h5ad'));
    expect(await chooseMatrix(file)).toMatchObject({
      key: 'raw/X',
      valueKind: 'log1p',
      evidence: expect.stringMatching(/cells sum to 1,093 … 2,782, not to one total/) as string,
    });
    file.close();
  });
});

describe('checkValues', () => {
  it('stops at a value that cannot be of the chosen kind, naming cell and gene', async () => {
    const path = join(folder, 'late.h5ad');
    await writeSmallH5ad(path, {
      cellIds,
      geneNames,
      x: {
        encoding: 'csr',
        rows: [
          [1, 0, 2],
          [0, 1, 0],
          [0, 0, 1],
          [0, 2.5, 0],
        ],
      },
    });
    const file = await openCellFile(path);
    const matrix = file.matrix('X');
    for await (const block of matrix.rowBlocks()) {
      expect(() => checkValues(block, { valueKind: 'counts' }, file, matrix)).toThrow(/2.5 at cell 'd', gene 'MS4A1'/);
      expect(() => checkValues(block, { valueKind: 'log1p' }, file, matrix)).not.toThrow();
    }
    file.close();
  });
});

let numFiles = 0;
async function choose(content: Omit<SmallH5ad, 'cellIds' | 'geneNames'>, options?: ChooseOptions) {
  const path = join(folder, `${numFiles++}.h5ad`);
  await writeSmallH5ad(path, { cellIds, geneNames, ...content });
  const file = await openCellFile(path);
  try {
    return await chooseMatrix(file, options);
  } finally {
    file.close();
  }
}
