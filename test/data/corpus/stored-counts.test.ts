import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CountLoops, type ColumnMeaning } from '../../../src/data/corpus/count-loops.js';
import { GeneAccumulator } from '../../../src/data/corpus/statistics.js';
import { canReadCounts, StoredCounts } from '../../../src/data/corpus/stored-counts.js';
import { RowTranslator } from '../../../src/data/loader/row-translator.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import type { CellFile } from '../../../src/data/readers/reader.js';
import { Rng } from '../../../src/rng.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, writeSmallTenx, type SparseNumbers } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('counts');
const counts = { kind: 'counts' } as const;
const NUM_GENES = 40;

/** Rows of many kinds: empty ones, unsorted ones, with repeats and zeros. */
function untidyRows(random: Rng, numRows: number, largest: number): SparseNumbers {
  const [indptr, indices, data] = [[0], [] as number[], [] as number[]];
  for (let row = 0; row < numRows; row++) {
    const isSorted = random.int(2) === 0;
    const genes = Array.from({ length: random.int(NUM_GENES) }, () => random.int(NUM_GENES));
    for (const gene of isSorted ? [...new Set(genes)].sort((a, b) => a - b) : genes) {
      indices.push(gene);
      data.push(random.int(10) === 0 ? 0 : 1 + random.int(random.int(5) === 0 ? largest : 5));
    }
    indptr.push(indices.length);
  }
  return { indptr, indices, data };
}

async function fileOf(arrays: SparseNumbers, chunk?: number): Promise<CellFile> {
  const path = join(await newFolder(), 'cells.h5ad');
  const rows = Array.from({ length: arrays.indptr.length - 1 }, () => []);
  await writeSmallH5ad(path, {
    x: { rows, arrays, encoding: 'csr', ...(chunk && { chunk }) },
    cellIds: rows.map((_, i) => `c${i}`),
    geneNames: Array.from({ length: NUM_GENES }, (_, g) => `G${g}`),
  });
  return openCellFile(path);
}

async function storedCounts(file: CellFile, meaning: ColumnMeaning, loops: CountLoops): Promise<StoredCounts> {
  const storage = await file.matrix('X').storedRows!();
  expect(storage && canReadCounts(storage)).toBe(true);
  return new StoredCounts(storage!, meaning, loops);
}

function rowOf(loops: CountLoops, r: number) {
  const [geneIds, values] = loops.entries(r, r + 1);
  return { geneIds, values, total: loops.totals[r]!, matched: loops.matched[r]!, mitochondrial: loops.mitochondrial[r]!, renamed: loops.renamed[r]! };
}

describe('rows of counts read in place', () => {
  it.each([
    ['in the order of the vocabulary', (column: number) => column, undefined],
    ['in another order, some of no gene, some of the same', (column: number) => (column % 7 === 3 ? -1 : (column * 17) % 23), undefined],
    ['in another order, from packed chunks', (column: number) => (column * 13) % NUM_GENES, 16],
  ])('are what the readers make of them, columns %s, and so are their statistics, to the last bit', async (_, idOf, chunk) => {
    const numRows = 300;
    const file = await fileOf(untidyRows(Rng.fromSeed(3), numRows, 3000), chunk);
    const vocabularyIds = Int32Array.from({ length: NUM_GENES }, (__, column) => idOf(column));
    const isRenamed = Uint8Array.from({ length: NUM_GENES }, (__, column) => Number(column % 5 === 0));
    const loops = new CountLoops(NUM_GENES);
    const stored = await storedCounts(file, { vocabularyIds, isRenamed, isMitochondrial: isRenamed.map((mark) => 1 - mark) }, loops);
    const translator = new RowTranslator(vocabularyIds, NUM_GENES, counts);
    const accumulator = new GeneAccumulator(NUM_GENES, counts);
    let row = 0;
    let numReady = 0;
    let first = 0;
    for await (const block of file.matrix('X').rowBlocks({ blockRows: 64 })) {
      for (let r = 0; r < block.numRows; r++, row++) {
        if (row === first + numReady) {
          first = row;
          numReady = stored.read(row, Math.min(numRows, row + 37));
          expect(numReady).toBeGreaterThan(0);
        }
        const expected = translator.translate(block, r);
        const found = rowOf(loops, row - first);
        expect([...found.geneIds]).toEqual([...expected.geneIds]);
        expect([...found.values]).toEqual([...expected.values]);
        expect([found.total, found.matched]).toEqual([expected.total, translator.matched]);
        expect(found.renamed + found.mitochondrial).toBe(expected.total);
        expect(found.renamed).toBe(sumWhere(block, r, isRenamed));
        if (found.total > 0) {
          // Most by the block, some as if they had come from a reader.
          loops.addRow(row - first);
          accumulator.add({ ...found, values: Uint16Array.from(expected.values) });
        }
      }
    }
    expect(row).toBe(numRows);
    expect(loops.takeSums()).toEqual(accumulator.takeSums());
    stored.close();
    file.close();
  });

  it('have the statistics that the accumulator has when cells come another way', () => {
    const [loops, accumulator, random] = [new CountLoops(100), new GeneAccumulator(100, counts), Rng.fromSeed(8)];
    for (let cell = 0; cell < 50; cell++) {
      const geneIds = Uint16Array.from({ length: 100 }, (_, g) => g).filter(() => random.int(3) === 0);
      const values = Uint16Array.from(geneIds, () => 1 + random.int(random.int(9) === 0 ? 60_000 : 4));
      const raw = { geneIds, values, total: 1 + values.reduce((a, b) => a + b, 0) };
      loops.add(raw);
      accumulator.add(raw);
    }
    const sums = accumulator.takeSums();
    expect(sums.numCells).toBe(50);
    expect(loops.takeSums()).toEqual(sums);
    expect(loops.takeSums().numCells).toBe(0);
  });

  it.each<[string, Partial<SparseNumbers>]>([
    ['a negative value', { data: [1, -2] }],
    ['a fraction', { data: [1, 0.5] }],
    ['NaN', { data: [1, NaN] }],
    ['a count over 16 bits', { data: [1, 65_536] }],
    ['a sum over 16 bits', { data: [40_000, 40_000], indices: [3, 3] }],
    ['a column that is not there', { indices: [0, NUM_GENES] }],
    ['a negative column', { indices: [0, -1] }],
  ])('end before a row with %s: the readers have words for it', async (_, bad) => {
    const arrays = { indptr: [0, 1, 2, 4, 5], indices: [0, 1, ...(bad.indices ?? [2, 3]), 5], data: [1, 2, ...(bad.data ?? [3, 4]), 5] };
    const file = await fileOf(arrays);
    const loops = new CountLoops(NUM_GENES);
    const stored = await storedCounts(file, { vocabularyIds: Int32Array.from({ length: NUM_GENES }, (__, i) => i) }, loops);
    expect(stored.read(0, 4)).toBe(2);
    expect([...rowOf(loops, 1).values]).toEqual([2]);
    expect(stored.read(2, 4)).toBe(0);
    expect(stored.read(3, 4)).toBe(1);
    stored.close();
    file.close();
  });

  it('are none where the offsets decrease, begin late or end elsewhere', async () => {
    for (const indptr of [
      [0, 2, 1, 3],
      [1, 2, 3, 3],
      [0, 1, 2, 2],
      [0, 1, 2, 4],
    ]) {
      const file = await fileOf({ indptr, indices: [0, 1, 2], data: [1, 1, 1] });
      const stored = await storedCounts(file, { vocabularyIds: Int32Array.from({ length: NUM_GENES }, (_, i) => i) }, new CountLoops(NUM_GENES));
      expect(stored.read(0, 3)).toBe(0);
      stored.close();
      file.close();
    }
  });

  it('leave out the columns of a 10x file that are no genes', async () => {
    const path = join(await newFolder(), 'tenx.h5');
    await writeSmallTenx(path);
    const file = await openCellFile(path);
    const loops = new CountLoops(2);
    const stored = await storedCounts(file, { vocabularyIds: Int32Array.of(1, 0) }, loops);
    expect(stored.read(0, 3)).toBe(3);
    expect([0, 1, 2].map((r) => [[...rowOf(loops, r).geneIds], [...rowOf(loops, r).values], rowOf(loops, r).total])).toEqual([
      [[1], [5], 5],
      [[0], [2], 2],
      [[1], [7], 7],
    ]);
    stored.close();
    file.close();
  });
});

function sumWhere(block: { indptr: Int32Array; indices: Int32Array; values: Float32Array }, r: number, marks: Uint8Array): number {
  let sum = 0;
  for (let i = block.indptr[r]!; i < block.indptr[r + 1]!; i++) if (marks[block.indices[i]!] === 1) sum += block.values[i]!;
  return sum;
}
