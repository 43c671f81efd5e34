import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import type { CellMatrix, ObsColumn } from '../../../src/data/readers/reader.js';
import { hasShared, shared } from '../../support/shared.js';

// Awkward files: one per kind of trouble, and files other programs wrote, each with what Python reads from it.
interface ExpectedMatrix {
  nnz: number;
  sum_finite: number;
  n_nan?: number;
  row_sums_head: number[];
  first_row_nonzero?: [number, number][];
}
interface ExpectedFile {
  format: string;
  expect?: 'ok' | 'error';
  message_should_mention?: string;
  n_obs: number;
  n_vars: number;
  obs_names_head: string[];
  obs_names_tail?: string[];
  var_names_head: string[];
  var_names_tail?: string[];
  gene_ids_head?: string[];
  gene_symbols_head?: string[];
  feature_types?: Record<string, number>;
  X?: ExpectedMatrix;
  layers?: Record<string, ExpectedMatrix>;
  raw?: { n_vars: number; var_names_head?: string[]; X: ExpectedMatrix } | null;
  obs_columns?: Record<
    string,
    { kind: string; ordered?: boolean; categories?: unknown; n_categories?: number; codes_head?: number[]; values_head?: unknown[]; n_missing?: number }
  >;
}

const folders = ['h5ad-zoo', 'data/realfiles'];
const cases = hasShared
  ? folders.flatMap((folder) =>
      Object.entries(JSON.parse(readFileSync(shared(folder, 'expected.json'), 'utf8')) as Record<string, ExpectedFile>).map(([name, expected]) => ({
        name,
        path: shared(folder, name),
        expected,
      })),
    )
  : [];
const readable = cases.filter(({ expected }) => expected.expect !== 'error');
/** What the fixtures call the formats. */
const FORMATS: Record<string, string> = { '10x_mtx': '10x-mtx', '10x': '10x-h5', h5ad: 'h5ad', h5mu: 'h5mu', loom: 'loom' };
const refused = cases.filter(({ expected }) => expected.expect === 'error');

describe.runIf(hasShared)('files of every kind', () => {
  it.each(readable)('reads $name as Python does', async ({ path, expected }) => {
    const file = await openCellFile(path);
    try {
      expect(file.numCells).toBe(expected.n_obs);
      expect(file.cellIds.slice(0, expected.obs_names_head.length)).toEqual(expected.obs_names_head);
      if (expected.obs_names_tail) expect(file.cellIds.slice(-expected.obs_names_tail.length)).toEqual(expected.obs_names_tail);
      expect(file.format).toBe(Object.entries(FORMATS).find(([prefix]) => expected.format.startsWith(prefix))?.[1]);
      if (expected.X) await expectMatrix(file.matrix('X'), expected.X, expected.n_vars, expected.var_names_head);
      for (const [name, layer] of Object.entries(expected.layers ?? {}))
        await expectMatrix(file.matrix(`layers/${name}`), layer, expected.n_vars, expected.var_names_head);
      if (expected.raw) await expectMatrix(file.matrix('raw/X'), expected.raw.X, expected.raw.n_vars, expected.raw.var_names_head ?? []);
      const { genes } = file.matrix('X');
      if (expected.var_names_tail) expect(genes.names.slice(-expected.var_names_tail.length)).toEqual(expected.var_names_tail);
      if (expected.gene_ids_head) expect(genes.ensemblIds?.slice(0, expected.gene_ids_head.length)).toEqual(expected.gene_ids_head);
      if (expected.gene_symbols_head) expect(genes.symbols?.slice(0, expected.gene_symbols_head.length)).toEqual(expected.gene_symbols_head);
      if (expected.obs_columns) expect(Object.keys(expected.obs_columns).filter((key) => !file.obsKeys.includes(key))).toEqual([]);
      for (const [key, column] of Object.entries(expected.obs_columns ?? {})) expectColumn(file.obs(key), column);
    } finally {
      file.close();
    }
  });

  it.each(refused)('refuses $name in one line that names the file', async ({ path }) => {
    const error = await openCellFile(path).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toContain(path);
    expect((error as DataError).message).not.toContain('\n');
  });

  it('says why a file is refused', async () => {
    await expect(openCellFile(shared('h5ad-zoo/50_truncated.h5ad'))).rejects.toThrow(/truncated: 19944 of 33240 bytes.*not a complete HDF5 file/);
    await expect(openCellFile(shared('h5ad-zoo/51_not_hdf5.h5ad'))).rejects.toThrow(/not an HDF5 file/);
    await expect(openCellFile(shared('h5ad-zoo/55_shape_mismatch_obs.h5ad'))).rejects.toThrow(/X: 65 rows \(expected 60, as many as obs has/);
  });

  it('leaves features that are no genes out of a 10x matrix, and says so', async () => {
    const file = await openCellFile(shared('h5ad-zoo/72_10x_cellranger_v3.h5'));
    expect(file.notes).toEqual(['left out what is not gene expression: 3 × Antibody Capture']);
    expect(file.matrices[0]!.numGenes).toBe(80);
    file.close();
  });
});

async function expectMatrix(matrix: CellMatrix, expected: ExpectedMatrix, numGenes: number, namesHead: readonly string[]): Promise<void> {
  expect(matrix.numGenes).toBe(numGenes);
  expect(matrix.genes.names).toHaveLength(numGenes);
  expect(matrix.genes.names.slice(0, namesHead.length)).toEqual(namesHead);
  const numNaN = expected.n_nan ?? 0;
  if (numNaN > 0) await expect(readAll(matrix, false)).rejects.toThrow(DataError);
  const { sum, rowSums, numEntries, firstRow } = await readAll(matrix, numNaN > 0);
  // Values are singles; Python summed what the file stores, doubles among them.
  expect(Math.abs(sum - expected.sum_finite)).toBeLessThanOrEqual(1e-6 * Math.max(10, Math.abs(expected.sum_finite)));
  expected.row_sums_head.forEach((rowSum, row) => expect(rowSums[row]).toBeCloseTo(rowSum, 3));
  if (numNaN === 0) expect(numEntries).toBe(expected.nnz);
  if (expected.first_row_nonzero) {
    const entries = firstRow.slice(0, expected.first_row_nonzero.length);
    expect(entries.map(([gene]) => gene)).toEqual(expected.first_row_nonzero.map(([gene]) => gene));
    entries.forEach(([, value], i) => expect(value).toBeCloseTo(expected.first_row_nonzero![i]![1], 4));
  }
}

async function readAll(matrix: CellMatrix, allowNonFinite: boolean) {
  let sum = 0;
  let numEntries = 0;
  const rowSums: number[] = [];
  let firstRow: [number, number][] = [];
  for await (const block of matrix.rowBlocks({ blockRows: 7, allowNonFinite })) {
    numEntries += block.values.length;
    for (let row = 0; row < block.numRows; row++) {
      let rowSum = 0;
      for (let i = block.indptr[row]!; i < block.indptr[row + 1]!; i++) if (Number.isFinite(block.values[i])) rowSum += block.values[i]!;
      rowSums.push(rowSum);
      sum += rowSum;
    }
    if (block.firstRow === 0) firstRow = Array.from(block.indices.subarray(0, block.indptr[1]), (gene, i) => [gene, block.values[i]!]);
  }
  return { sum, rowSums, numEntries, firstRow };
}

type ExpectedColumn = NonNullable<ExpectedFile['obs_columns']>[string];

function expectColumn(column: ObsColumn, expected: ExpectedColumn): void {
  if (expected.kind === 'categorical') {
    if (column.kind !== 'categorical') throw new Error(`read as ${column.kind}`);
    if (Array.isArray(expected.categories))
      expect(column.categories).toEqual(
        expected.categories.map((category) => (typeof category === 'boolean' ? (category ? 'True' : 'False') : String(category))),
      );
    if (expected.n_categories !== undefined) expect(column.categories).toHaveLength(expected.n_categories);
    if (expected.codes_head) expect([...column.codes.slice(0, expected.codes_head.length)]).toEqual(expected.codes_head);
    if (expected.ordered !== undefined) expect(column.isOrdered).toBe(expected.ordered);
    if (expected.n_missing !== undefined) expect(column.codes.filter((code) => code === -1)).toHaveLength(expected.n_missing);
    return;
  }
  const isText = /string|object/.test(expected.kind);
  expect(column.kind).toBe(isText ? 'string' : /bool/.test(expected.kind) ? 'boolean' : 'numeric');
  if (column.kind === 'categorical') return;
  const values = Array.from<unknown>(column.values as ArrayLike<unknown>).map((value) => (Number.isNaN(value) ? null : value));
  if (expected.values_head) expect(values.slice(0, expected.values_head.length)).toEqual(expected.values_head);
  if (expected.n_missing !== undefined) expect(values.filter((value) => value === null)).toHaveLength(expected.n_missing);
}
