import { beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadBatchAddon, type BatchAddon, type CrewSettings } from '../../../src/data/loader/batch-addon.js';
import { Ranker } from '../../../src/data/loader/rank.js';
import { findCompiler } from '../../../src/toolchain/compiler.js';
import { temporaryFolder } from '../../support/small-corpus.js';

// B cells, L gene slots, V gene ids
interface Cell {
  readonly geneIds: Uint16Array;
  readonly counts: Uint16Array;
  readonly total: number;
}
type Written = { geneIds: number[]; values: number[]; numGenes: number[] };

const V = 3000;
const targetSum = 10_000;
const padId = 7;
const newFolder = temporaryFolder('batch-addon');
const hasCompiler =
  process.platform === 'linux' &&
  (await findCompiler().then(
    () => true,
    () => false,
  ));
if (!hasCompiler) console.warn('SKIPPED, out loud: no C++ compiler, or not Linux; batches/ is not tested');
let addon: BatchAddon;
let folder: string;
let numFiles = 0;

beforeAll(async () => {
  folder = await newFolder();
  if (hasCompiler) addon = (await loadBatchAddon())!;
});

/** A file with the columns of a shard, and where they lie in it. */
async function shard(cells: readonly Cell[]): Promise<CrewSettings['layouts'][number]> {
  const indptr = new Int32Array(cells.length + 1);
  cells.forEach(({ counts }, i) => (indptr[i + 1] = indptr[i]! + counts.length));
  const columns = [indptr, ...cells.map(({ geneIds }) => geneIds), ...cells.map(({ counts }) => counts), Float64Array.from(cells, ({ total }) => total)].map(
    ({ buffer }) => Buffer.from(buffer),
  );
  const numValues = indptr[cells.length]!;
  const file = join(folder, `${numFiles++}`);
  await writeFile(file, Buffer.concat(columns));
  const geneIds = indptr.byteLength;
  const region = (offset: number) => ({ offset, bytes: 0 });
  return {
    file,
    numCells: cells.length,
    indptr: region(0),
    geneIds: region(geneIds),
    values: region(geneIds + 2 * numValues),
    total: region(geneIds + 4 * numValues),
  };
}

async function byAddon(layouts: CrewSettings['layouts'], weights: Float32Array, rows: Int32Array, L: number): Promise<Written | undefined> {
  const crew = addon.start({ layouts, weights, targetSum, padId }, 2);
  const [geneIds, values, numGenes] = [
    new Int32Array(rows.length * L).fill(-1),
    new Float32Array(rows.length * L).fill(NaN),
    new Int32Array(rows.length).fill(-1),
  ];
  const isMade = await new Promise<boolean>((resolve) => addon.ask(crew, rows, geneIds, values, numGenes, resolve));
  addon.stop(crew);
  return isMade ? { geneIds: [...geneIds], values: [...values], numGenes: [...numGenes] } : undefined;
}

function byWebAssembly(cells: readonly Cell[], weights: Float32Array, L: number): Written {
  const [geneIds, values] = [new Int32Array(cells.length * L).fill(padId), new Float32Array(cells.length * L)];
  const ranker = new Ranker(weights);
  const numGenes = cells.map(({ geneIds: ids, counts, total }, b) => {
    ranker.load(ids);
    const wanted = Math.min(L, ranker.scoreCounts(counts, targetSum / total));
    ranker.rank(wanted);
    return ranker.writeTo(geneIds, values, b * L, wanted);
  });
  return { geneIds: [...geneIds], values: [...values], numGenes };
}

/** Cells of every kind there is: empty, of one gene, with dropped out genes, ties, the largest counts. */
const cells: fc.Arbitrary<Cell> = fc
  .tuple(
    fc.uniqueArray(fc.nat(V - 1), { maxLength: 400, size: 'max' }),
    fc.constantFrom(1, 3, 200, 65_535),
    fc.double({ min: 0.001, max: 1e6, noNaN: true }),
    fc.infiniteStream(fc.nat(65_535)),
  )
  .map(([ids, largest, outside, draws]) => {
    const counts = Uint16Array.from(ids, () => draws.next().value % (largest + 1));
    return { geneIds: Uint16Array.from(ids).sort(), counts, total: counts.reduce((a, b) => a + b, 0) + outside };
  });
const weightTables = fc.constantFrom(
  new Float32Array(V).fill(1),
  new Float32Array(V),
  Float32Array.from({ length: V }, (_, g) => 0.1 + ((g * 7919) % V) / V),
  Float32Array.from({ length: V }, (_, g) => (g % 3) / 2),
  Float32Array.from({ length: V }, (_, g) => 1 + g * 2 ** -23),
);

describe.skipIf(!hasCompiler)('batches of compiled loops', () => {
  it('are those of WebAssembly, to the bit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(cells, { minLength: 1, maxLength: 5 }), weightTables, fc.integer({ min: 1, max: 420 }), async (some, weights, L) => {
        const rows = Int32Array.from(some, (_, row) => some.length - 1 - row);
        expect(await byAddon([await shard(some)], weights, rows, L)).toEqual(byWebAssembly([...some].reverse(), weights, L));
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['many genes on few levels', 2900, (g: number) => 1 + (g % 2), (g: number) => 1 + ((g * 31) % 97) * 2 ** -23],
    [
      'an outlier beside scores that are nearly the same',
      2900,
      (g: number) => (g === 5 ? 65_535 : 3),
      (g: number) => (g === 5 ? 1e20 : 1 + ((g * 7919) % 1000) * 2 ** -23),
    ],
    ['scores from 0 to the largest', 2900, (g: number) => (g * 37) % 65_536, (g: number) => (g % 11 === 0 ? 0 : 10 ** (g % 30))],
    ['descending scores', 2900, (g: number) => 65_535 - g, () => 1],
    ['ascending scores', 2900, (g: number) => g + 1, () => 1],
  ] as const)('are so for %s', async (_, n, countOf, weightOf) => {
    const geneIds = Uint16Array.from({ length: n }, (_, g) => g);
    const cell = { geneIds, counts: Uint16Array.from(geneIds, countOf), total: 123_456.7 };
    const weights = Float32Array.from({ length: V }, (_, g) => weightOf(g));
    for (const L of [1, 1200, n]) expect(await byAddon([await shard([cell])], weights, Int32Array.of(0), L)).toEqual(byWebAssembly([cell], weights, L));
  });

  it('are so in vocabularies of 65,536 genes', async () => {
    const geneIds = Uint16Array.from({ length: 65_535 }, (_, g) => g + 1);
    const cell = { geneIds, counts: geneIds.map((g) => (g * 40_503) % 700), total: 2e7 };
    const weights = Float32Array.from({ length: 65_536 }, (_, g) => 0.1 + ((g * 7919) % 65_536) / 65_536);
    expect(await byAddon([await shard([cell])], weights, Int32Array.of(0), 1200)).toEqual(byWebAssembly([cell], weights, 1200));
  });

  it('read corpora of more shards than are held open', async () => {
    const some = fc.sample(cells, { numRuns: 300, seed: 4 });
    const layouts = await Promise.all(some.map((cell) => shard([cell])));
    const rows = Int32Array.from({ length: 900 }, (_, i) => (i * 7) % 300);
    const weights = new Float32Array(V).fill(1);
    expect(await byAddon(layouts, weights, rows, 64)).toEqual(
      byWebAssembly(
        Array.from(rows, (row) => some[row]!),
        weights,
        64,
      ),
    );
  });

  it('are refused where a logarithm lies between two float32', async () => {
    // Half way between 2.5 and the next float32: rounding decides.
    const middle = 2.5 + 2 ** -23;
    const between = (count: number): Cell => ({ geneIds: Uint16Array.of(4), counts: Uint16Array.of(count), total: (targetSum * count) / Math.expm1(middle) });
    const weights = new Float32Array(V).fill(1);
    for (const count of [1, 5, 1000]) {
      expect(await byAddon([await shard([between(count)])], weights, Int32Array.of(0), 8)).toBeUndefined();
      const near = { ...between(count), total: between(count).total * (1 - 1e-12) };
      expect(await byAddon([await shard([near])], weights, Int32Array.of(0), 8)).toEqual(byWebAssembly([near], weights, 8));
    }
  });

  it('are refused where a cell is damaged or cannot be read', async () => {
    const cell = { geneIds: Uint16Array.of(3, 8, 200), counts: Uint16Array.of(1, 9, 2), total: 40 };
    const weights = new Float32Array(V).fill(1);
    const make = async (damage: Partial<Cell>, rows = Int32Array.of(0), table = weights) => byAddon([await shard([{ ...cell, ...damage }])], table, rows, 64);
    expect(await make({})).toBeDefined();
    for (const total of [0, -1, NaN, Infinity]) expect(await make({ total })).toBeUndefined();
    expect(await make({}, Int32Array.of(1))).toBeUndefined();
    expect(await make({}, Int32Array.of(-1))).toBeUndefined();
    expect(await make({}, Int32Array.of(0), weights.slice(0, Math.max(...cell.geneIds)))).toBeUndefined();
    const layout = await shard([cell]);
    expect(await byAddon([{ ...layout, file: `${layout.file}-gone` }], weights, Int32Array.of(0), 64)).toBeUndefined();
    await truncate(layout.file, layout.total.offset + 7);
    expect(await byAddon([layout], weights, Int32Array.of(0), 64)).toBeUndefined();
  });

  it('are not begun any more when their threads are stopped', async () => {
    const some = fc.sample(cells, { numRuns: 200, seed: 2 });
    const crew = addon.start({ layouts: [await shard(some)], weights: new Float32Array(V).fill(1), targetSum, padId }, 1);
    const rows = Int32Array.from({ length: 2000 }, (_, i) => i % 200);
    const answers = Array.from(
      { length: 50 },
      () =>
        new Promise<boolean>((resolve) =>
          addon.ask(crew, rows, new Int32Array(rows.length), new Float32Array(rows.length), new Int32Array(rows.length), resolve),
        ),
    );
    addon.stop(crew);
    expect(await Promise.all(answers)).toContain(false);
    expect(() => addon.ask(crew, rows, new Int32Array(rows.length), new Float32Array(rows.length), new Int32Array(rows.length), () => {})).toThrow(/stopped/);
    addon.stop(crew);
  });

  it('need arrays that fit', async () => {
    const crew = addon.start({ layouts: [], weights: new Float32Array(V), targetSum, padId }, 1);
    expect(() => addon.ask(crew, Int32Array.of(0), new Int32Array(8), new Float32Array(7), new Int32Array(1), () => {})).toThrow(/arrays of \[B, L\]/);
    expect(() => addon.ask(crew, Int32Array.of(0), new Int32Array(8), new Int32Array(8) as unknown as Float32Array, new Int32Array(1), () => {})).toThrow(
      /typed array of another type/,
    );
    addon.stop(crew);
  });
});
