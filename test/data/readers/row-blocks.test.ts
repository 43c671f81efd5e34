import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.js';
import { Hdf5File } from '../../../src/data/readers/hdf5.js';
import { CscMatrix } from '../../../src/data/readers/matrix-csc.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import type { CellMatrix, RowBlock, RowBlockOptions } from '../../../src/data/readers/reader.js';
import { writeSmallH5ad, type SmallMatrix, type SparseNumbers } from '../../support/small-h5ad.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-rows-'));
const path = join(folder, 'cells.h5ad');
afterAll(() => rmSync(folder, { recursive: true }));

const names = (prefix: string, n: number) => Array.from({ length: n }, (_, i) => `${prefix}${i}`);

const anyMatrix = fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 7 })).chain(([numCells, numGenes]) =>
  fc.record({
    rows: fc.array(
      fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: -3, max: 40 }), fc.constant(0.5)), {
        minLength: numGenes,
        maxLength: numGenes,
      }),
      { minLength: numCells, maxLength: numCells },
    ),
    blockRows: fc.integer({ min: 1, max: numCells + 2 }),
    chunk: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    range: fc
      .tuple(fc.integer({ min: 0, max: numCells }), fc.integer({ min: 0, max: numCells }))
      .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) })),
  }),
);

describe('row blocks', () => {
  it('are the same from CSR, CSC and dense storage, for any block size, range and chunking', async () => {
    await fc.assert(
      fc.asyncProperty(anyMatrix, async ({ rows, blockRows, chunk, range }) => {
        const stored = (encoding: SmallMatrix['encoding']): SmallMatrix => ({ encoding, rows, ...(chunk !== undefined && { chunk }) });
        await writeSmallH5ad(path, {
          cellIds: names('c', rows.length),
          geneNames: names('g', rows[0]!.length),
          x: stored('csr'),
          layers: { csc: stored('csc'), dense: stored('dense') },
        });
        const file = await openCellFile(path);
        const [csr, csc, dense] = await Promise.all(['X', 'layers/csc', 'layers/dense'].map((key) => blocks(file.matrix(key), { ...range, blockRows })));
        file.close();
        expect(csc).toEqual(csr);
        expect(dense).toEqual(csr);
        expect(toRows(csr!, rows[0]!.length)).toEqual(rows.slice(range.start, range.end));
        expect(csr!.every(({ numRows }) => numRows <= blockRows)).toBe(true);
      }),
      { numRuns: 40, seed: 11 },
    );
  });

  it('come out of CSC the same when only few entries are turned at a time', async () => {
    const rows = names('', 9).map((_, i) => [i % 3, (i * 7) % 5, 0, i]);
    await writeSmallH5ad(path, { cellIds: names('c', 9), geneNames: names('g', 4), x: { encoding: 'csc', rows, chunk: 4 } });
    const file = await Hdf5File.open(path);
    const arrays = { data: file.dataset('X/data'), indices: file.dataset('X/indices'), indptr: file.dataset('X/indptr') };
    const place = { file: path, key: 'X', cellIds: names('c', 9), genes: { names: names('g', 4) }, numColumns: 4 };
    const whole = await blocks(new CscMatrix(arrays, place, 9), { blockRows: 2 });
    for (const budget of [1, 3, 5, 9, 100])
      expect(toRows(await blocks(new CscMatrix(arrays, place, 9, budget), { blockRows: 2 }), 4)).toEqual(toRows(whole, 4));
    expect(toRows(whole, 4)).toEqual(rows);
    file.close();
  });

  it('have genes ascending and unique: unsorted entries are sorted, repeats summed, zeros dropped', async () => {
    await write(
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
      'csr',
      { data: [5, 1, 2, 0, 4, -4], indices: [2, 0, 2, 1, 1, 1], indptr: [0, 4, 6] },
    );
    const [block] = await read('X');
    expect([...block!.indptr]).toEqual([0, 2, 2]);
    expect([...block!.indices]).toEqual([0, 2]);
    expect([...block!.values]).toEqual([1, 7]);
  });

  it('refuse NaN and infinity, naming cell and gene, unless they are allowed', async () => {
    for (const encoding of ['csr', 'csc', 'dense'] as const) {
      await writeSmallH5ad(path, {
        cellIds: ['a', 'b'],
        geneNames: ['CD3E', 'LYZ'],
        x: {
          encoding,
          rows: [
            [1, 0],
            [2, NaN],
          ],
        },
      });
      await expect(read('X')).rejects.toThrow(/cells.h5ad: X: NaN at cell 'b' \(row 1\), gene 'LYZ' \(column 1\)/);
      expect((await read('X', { allowNonFinite: true }))[0]!.values).toEqual(Float32Array.of(1, 2, NaN));
      await writeSmallH5ad(path, {
        cellIds: ['a', 'b'],
        geneNames: ['CD3E', 'LYZ'],
        x: {
          encoding,
          rows: [
            [1, -Infinity],
            [2, 0],
          ],
        },
      });
      await expect(read('X')).rejects.toThrow(/-Infinity at cell 'a'/);
    }
  });

  it('refuse numbers that nothing measures, as damaged bytes give them, unless they are allowed', async () => {
    for (const encoding of ['csr', 'csc', 'dense'] as const) {
      for (const [value, said] of [
        [1e-40, /9.99e-41|1.00e-40/],
        [-3.8e26, /-3.80e\+26/],
      ] as const) {
        await writeSmallH5ad(path, {
          cellIds: ['a', 'b'],
          geneNames: ['CD3E', 'LYZ'],
          x: {
            encoding,
            rows: [
              [1, 0],
              [2, value],
            ],
          },
        });
        await expect(read('X')).rejects.toThrow(said);
        await expect(read('X')).rejects.toThrow(/at cell 'b' \(row 1\), gene 'LYZ' \(column 1\) \(expected 0, or 1e-20 to 1000000000000000/);
        expect((await read('X', { allowNonFinite: true }))[0]!.values).toEqual(Float32Array.of(1, 2, value));
      }
      await writeSmallH5ad(path, {
        cellIds: ['a', 'b'],
        geneNames: ['CD3E', 'LYZ'],
        x: {
          encoding,
          rows: [
            [1e-17, 0],
            [2, 1e9],
          ],
        },
      });
      expect((await read('X'))[0]!.values).toEqual(Float32Array.of(1e-17, 2, 1e9));
    }
  });

  it('refuse a damaged sparse matrix, saying where it is damaged', async () => {
    const zeros = [
      [0, 0, 0],
      [0, 0, 0],
    ];
    const refused = async (arrays: SparseNumbers, encoding: 'csr' | 'csc' = 'csr') => {
      await write(zeros, encoding, arrays);
      return expect(read('X')).rejects;
    };
    await (
      await refused({ data: [1, 1], indices: [0, 3], indptr: [0, 1, 2] })
    ).toThrow(/row 1 \(cell 'c1'\) has a value in column 3 \(expected columns 0 to 2/);
    await (await refused({ data: [1, 1], indices: [0, -1], indptr: [0, 1, 2] })).toThrow(/column -1/);
    await (await refused({ data: [1, 1], indices: [0, 1], indptr: [0, 2, 1] })).toThrow(/X\/indptr: decreases from 2 to 1 at entry 2/);
    await (await refused({ data: [1, 1], indices: [0, 1], indptr: [0, 1, 3] })).toThrow(/ends at 3 \(expected 2, the number of stored values/);
    await (await refused({ data: [1, 1], indices: [0, 1], indptr: [1, 1, 2] })).toThrow(/starts at 1/);
    await (await refused({ data: [1], indices: [0, 1], indptr: [0, 1, 2] })).toThrow(/2 indices but 1 values/);
    await (await refused({ data: [1, 1], indices: [0, 2], indptr: [0, 1, 1, 2] }, 'csc')).toThrow(/a value in row 2 \(expected rows 0 to 1/);
    await write(zeros, 'csr', { data: [1], indices: [0], indptr: [0, 1] });
    await expect(openCellFile(path)).rejects.toThrow(/X\/indptr: 2 entries \(expected 3/);
  });

  it('refuse a range that is none', async () => {
    await write([[1], [2]], 'csr');
    await expect(read('X', { start: 1, end: 3 })).rejects.toThrow(RangeError);
    await expect(read('X', { blockRows: 0 })).rejects.toThrow(RangeError);
    expect(await read('X', { start: 1, end: 1 })).toEqual([]);
  });

  it('are refused as DataError, so that a user sees one line', async () => {
    await write([[1], [2]], 'csr', { data: [NaN], indices: [0], indptr: [0, 1, 1] });
    await expect(read('X')).rejects.toThrow(DataError);
  });
});

async function write(rows: number[][], encoding: 'csr' | 'csc', arrays?: SparseNumbers): Promise<void> {
  await writeSmallH5ad(path, { cellIds: names('c', rows.length), geneNames: names('g', rows[0]!.length), x: { encoding, rows, ...(arrays && { arrays }) } });
}

async function read(key: string, options?: RowBlockOptions): Promise<RowBlock[]> {
  const file = await openCellFile(path);
  try {
    return await blocks(file.matrix(key), options);
  } finally {
    file.close();
  }
}

async function blocks(matrix: CellMatrix, options?: RowBlockOptions): Promise<RowBlock[]> {
  const all: RowBlock[] = [];
  for await (const block of matrix.rowBlocks(options)) all.push(block);
  return all;
}

function toRows(all: readonly RowBlock[], numGenes: number): number[][] {
  return all.flatMap(({ numRows, indptr, indices, values }) =>
    Array.from({ length: numRows }, (_, row) => {
      const dense = new Array<number>(numGenes).fill(0);
      for (let i = indptr[row]!; i < indptr[row + 1]!; i++) dense[indices[i]!] = values[i]!;
      return dense;
    }),
  );
}
