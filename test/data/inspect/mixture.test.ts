import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { inspectFile } from '../../../src/data/inspect/inspect.js';
import { StatisticsCollector } from '../../../src/data/inspect/statistics.js';
import { guessValueKind, type ValueGuess } from '../../../src/data/inspect/value-kind.js';
import { Rng } from '../../../src/rng.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('mixture');
const NUM_GENES = 60;

/** Cells of very different depth. */
function makeCounts(seed: number, numCells: number): number[][] {
  const rng = Rng.fromSeed(seed);
  return Array.from({ length: numCells }, () => {
    const depth = 1 + rng.int(40);
    return Array.from({ length: NUM_GENES }, () => (rng.uniform() < 0.5 ? 1 + rng.int(depth) : 0));
  });
}

function normalised(rows: readonly number[][], total: number, finish = (value: number): number => value): number[][] {
  return rows.map((row) => {
    const sum = row.reduce((a, b) => a + b);
    return row.map((value) => finish((total * value) / sum));
  });
}

function guess(rows: readonly number[][]): ValueGuess {
  const collector = new StatisticsCollector(NUM_GENES);
  rows.forEach((row, r) => {
    const indices = row.flatMap((value, g) => (value === 0 ? [] : [g]));
    collector.add({
      firstRow: r,
      numRows: 1,
      indptr: Int32Array.of(0, indices.length),
      indices: Int32Array.from(indices),
      values: Float32Array.from(indices, (g) => row[g]!),
    });
  });
  return guessValueKind(collector.result());
}

const counts = makeCounts(1, 300);
const dropGenes = (rows: number[][]): number[][] => rows.map((row) => row.map((value, g) => (g % 3 ? value : 0)));

describe('a mixture of values', () => {
  it.each<[string, number[][], RegExp]>([
    [
      'counts and log1p',
      [...counts, ...normalised(makeCounts(2, 100), 1e4, Math.log1p)],
      /^cells of different make: 300 with whole numbers, 100 that sum to about 10,000 after exp\(v\) - 1$/,
    ],
    [
      'log1p of two totals',
      [...normalised(counts, 1e4, Math.log1p), ...normalised(makeCounts(2, 100), 1e6, Math.log1p)],
      /300 that sum to about 10,000 after exp\(v\) - 1, 100 that sum to about 1,000,000 after/,
    ],
    ['CPM and log1p', [...normalised(counts, 1e6), ...normalised(makeCounts(2, 100), 1e4, Math.log1p)], /300 that sum to about 1,000,000, 100 that/],
    [
      'counts and values whose total is lost',
      [...counts, ...dropGenes(normalised(makeCounts(2, 100), 1e4, Math.log1p))],
      /300 with whole numbers, 100 with fractions/,
    ],
    ['counts and scaled', [...counts, ...normalised(makeCounts(2, 100), 1e4, (value) => value / 7 - 2)], /300 with whole numbers, 100 with negative values/],
    [
      'a few cells among many',
      [...normalised(makeCounts(3, 900), 1e4, Math.log1p), ...makeCounts(2, 10)],
      /900 that sum to about 10,000 .*, 10 with whole numbers/,
    ],
  ])('is recognised: %s', (_, rows, evidence) => {
    expect(guess(rows)).toEqual({ kind: 'mixed', evidence: expect.stringMatching(evidence) as string });
  });

  it.each<[string, number[][], string]>([
    ['counts of every depth', makeCounts(5, 900), 'counts'],
    ['counts thinned to one depth beside others', [...counts, ...makeCounts(6, 100).map((row) => row.map((value) => value * 3))], 'counts'],
    ['log1p', normalised(counts, 1e4, Math.log1p), 'log1p'],
    ['log1p with genes dropped', dropGenes(normalised(makeCounts(7, 900), 1e4, Math.log1p)), 'log1p'],
    [
      'CPM among whose cells some have whole numbers',
      normalised(
        counts.map((row, i) => (i % 9 ? row : row.map((value, g) => (g < 50 ? 20 : value * 0)))),
        1e6,
      ),
      'cpm',
    ],
    ['scaled', normalised(counts, 1e4, (value) => value / 7 - 2), 'scaled'],
    ['estimated counts', counts.map((row) => row.map((value) => value * 10.3)), 'unknown'],
  ])('is not seen in %s', (_, rows, kind) => {
    expect(guess(rows).kind).toBe(kind);
  });

  it('is told by the doctor and refused by the build, with the mend', async () => {
    const folder = await newFolder();
    const file = join(folder, 'mixed.h5ad');
    const rows = [...counts, ...normalised(makeCounts(2, 100), 1e4, Math.log1p)];
    await writeSmallH5ad(file, {
      x: { encoding: 'csr', rows },
      cellIds: rows.map((_, i) => `c${i}`),
      geneNames: Array.from({ length: NUM_GENES }, (_, g) => `GENE${g}A`),
    });
    const found = await inspectFile(file);
    expect([found.valueKind, found.matrix]).toEqual(['mixed', null]);
    expect(found.problems[0]).toMatch(
      /^X: a mixture of values \(cells of different make: 300 with whole numbers, .*write each kind of cells to a file of its own/,
    );
    await expect(buildCorpus([file], { out: join(folder, 'out') })).rejects.toThrow(/mixed\.h5ad: X: a mixture of values/);
  });

  it.each<[string, number[][], RegExp]>([
    [
      'to another total',
      normalised([makeCounts(2, 1)[0]!], 1e6, Math.log1p),
      /cell 'c2950' sums to [\d,]+ after exp\(v\) - 1 \(expected about 10,000, as the cells looked at first/,
    ],
    ['not at all', [Array.from({ length: NUM_GENES }, () => 40)], /40 at cell 'c2950', gene 'GENE0A' \(expected logarithms, as in the cells looked at first/],
  ])('beyond the cells looked at first is met by the build: a cell normalised %s', async (_, strange, message) => {
    const folder = await newFolder();
    const file = join(folder, 'late.h5ad');
    const rows = normalised(makeCounts(8, 3300), 1e4, Math.log1p);
    rows[2950] = strange[0]!; // the doctor looks at 256 cells in each of eight places, and this is between them
    await writeSmallH5ad(file, {
      x: { encoding: 'csr', rows },
      cellIds: rows.map((_, i) => `c${i}`),
      geneNames: Array.from({ length: NUM_GENES }, (_, g) => `GENE${g}A`),
    });
    await expect(buildCorpus([file], { out: join(folder, 'out') })).rejects.toThrow(message);
  });
});
