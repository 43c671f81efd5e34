import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import type { CellBatch } from '../../../src/data/batch.js';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { openCorpus, type Corpus } from '../../../src/data/corpus/corpus.js';
import { BatchPlan } from '../../../src/data/loader/batch-plan.js';
import { CorpusChoice, DepthCorruption, LoaderConfig, Preprocessing } from '../../../src/data/loader/config.js';
import { createLoader, type LoaderOptions } from '../../../src/data/loader/loader.js';
import { openCorpora, type CellSource } from '../../../src/data/loader/mixture.js';
import { passRows } from '../../../src/data/loader/sampling.js';
import { Serializer } from '../../../src/data/loader/serialize.js';
import { Rng } from '../../../src/rng.js';
import { randomCells, smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const newFolder = temporaryFolder('mixture');
const preprocessing = Preprocessing.parse({ maxGenes: 20, lengthMultiple: 4 });
const loader = LoaderConfig.parse({ numWorkers: 0, sortWindow: 2 });
const all = { fractions: [1, 0, 0] as const };
let large: Corpus;
let small: Corpus;
let even: CellSource;
let weighted: CellSource;

beforeAll(async () => {
  large = await smallCorpus(await newFolder(), randomCells(1, 90, 40), { label: 'cell_type', ...all });
  small = await smallCorpus(await newFolder(), randomCells(2, 30, 40, { types: ['T', 'Mono'] }), { label: 'cell_type', ...all });
  even = await openCorpora([{ path: large.path }, { path: small.path }]);
  weighted = await openCorpora([
    { path: large.path, weight: 1 },
    { path: small.path, weight: 3 },
  ]);
});

async function pass(source: CellSource, options: Partial<LoaderOptions> = {}): Promise<CellBatch[]> {
  const batches: CellBatch[] = [];
  for await (const batch of createLoader(source, {
    rows: source.splitRows('train'),
    batchSize: 8,
    preprocessing,
    rng: Rng.fromSeed(5),
    labelKeys: ['cell_type'],
    loader,
    ...options,
  }))
    batches.push(batch);
  return batches;
}

const times = (rows: Iterable<number>, numCells: number): number[] => {
  const counts = new Array<number>(numCells).fill(0);
  for (const row of rows) counts[row]!++;
  return counts;
};
const rowsOf = (batches: readonly CellBatch[]): number[] => batches.flatMap(({ cellIndex }) => [...cellIndex]);

describe('several corpora', () => {
  it('without weights are one corpus: every cell once', async () => {
    expect(even.numCells).toBe(120);
    expect(times(rowsOf(await pass(even)), 120)).toEqual(new Array(120).fill(1));
  });

  it('with weights share a pass of as many cells exactly, the cells of each as equally as can be', async () => {
    const counts = times(rowsOf(await pass(weighted)), 120);
    expect(counts.slice(0, 90).reduce((a, b) => a + b)).toBe(30); // a quarter of 120
    expect(new Set(counts.slice(0, 90))).toEqual(new Set([0, 1]));
    expect(counts.slice(90)).toEqual(new Array(30).fill(3));
    const other = times(rowsOf(await pass(weighted, { rng: Rng.fromSeed(6) })), 120);
    expect(other.slice(0, 90)).not.toEqual(counts.slice(0, 90));
  });

  it('show every cell in the long run, though a pass shows a part', () => {
    const seen = new Set(Array.from({ length: 20 }, (_, epoch) => [...passRows(weighted, weighted.splitRows('train'), undefined, Rng.fromSeed(epoch))]).flat());
    expect(seen.size).toBe(120); // (2/3)^20 · 90 = 0.03 cells are expected to be missing
  });

  it('go on at any batch, with any number of threads, as if the pass had not stopped', async () => {
    const depth = DepthCorruption.parse({ kind: 'thin' });
    const whole = await pass(weighted, { depth });
    expect(whole).toHaveLength(15);
    for (const [skipBatches, numWorkers] of [
      [4, 0],
      [11, 2],
      [0, 1],
    ] as const)
      expect(await pass(weighted, { depth, skipBatches, loader: { ...loader, numWorkers } })).toEqual(whole.slice(skipBatches));
  });

  it('give the cells of each with the ranking of all', async () => {
    const serializer = new Serializer({ preprocessing, scale: even.scale, entropy: even.entropy });
    for (const batch of await pass(even)) {
      for (let b = 0; b < batch.numCells; b++) {
        const row = batch.cellIndex[b]!;
        const target = { geneIds: new Int32Array(20), values: new Float32Array(20), offset: 0 };
        const n = serializer.serialize(row < 90 ? large.readCell(row) : small.readCell(row - 90), target);
        expect([...batch.geneIds.subarray(b * batch.seqLen, b * batch.seqLen + n)]).toEqual([...target.geneIds.subarray(0, n)]);
      }
    }
  });

  it('have the gene entropy of one corpus built from all files', async () => {
    const out = join(await newFolder(), 'both');
    await buildCorpus([join(large.path, '../cells.h5ad'), join(small.path, '../cells.h5ad')], { out, label: 'cell_type', ...all });
    const both = await openCorpus(out);
    expect(both.numCells).toBe(120);
    expect(Math.max(...both.entropy.map((h, id) => Math.abs(h - even.entropy[id]!)))).toBeLessThan(1e-5);
    expect(Math.max(...both.entropy.map((h, id) => Math.abs(h - large.entropy[id]!)))).toBeGreaterThan(1e-3);
  });

  it('have one code for a label of the same name', () => {
    const codes = even.labelCodes('cell_type');
    const names = (corpus: Corpus) => [...corpus.labelCodes('cell_type')].map((code) => corpus.labelNames('cell_type')[code]!);
    const labels = [...names(large), ...names(small)];
    expect(new Set(labels).size).toBe(4);
    expect(new Set(labels.map((name, row) => `${name} ${codes[row]}`)).size).toBe(4);
  });

  it('even out classes within each share', async () => {
    const balanced = await pass(weighted, { loader: { ...loader, sampling: { kind: 'balanced', labelKey: 'cell_type', strength: 1 } } });
    const counts = times(rowsOf(balanced), 120);
    expect(counts.slice(0, 90).reduce((a, b) => a + b)).toBe(30);
    const codes = weighted.labelCodes('cell_type');
    const shown = times(
      rowsOf(balanced)
        .filter((row) => row >= 90)
        .map((row) => codes[row]!),
      4,
    );
    expect(shown.filter((n) => n > 0)).toEqual([45, 45]);
  });

  it('are another data set with other weights, and the same with the same', async () => {
    const open = async (weights: readonly [number, number]) =>
      (
        await openCorpora([
          { path: large.path, weight: weights[0] },
          { path: small.path, weight: weights[1] },
        ])
      ).fingerprint;
    expect(await open([2, 6])).toBe(weighted.fingerprint);
    expect(await open([1, 2])).not.toBe(weighted.fingerprint);
    expect(even.fingerprint).not.toBe(weighted.fingerprint);
  });
});

describe('corpora that do not go together', () => {
  it('are refused with the reason', async () => {
    const others = await smallCorpus(await newFolder(), randomCells(3, 20, 41), all);
    await expect(openCorpora([{ path: large.path }, { path: others.path }])).rejects.toThrow(/corpus: genes: not those of .*\(build it again with --genes/);
    const content = randomCells(4, 20, 40);
    const logged = await smallCorpus(
      await newFolder(),
      { ...content, x: { encoding: 'csr', rows: content.x!.rows.map((row) => row.map((value) => Math.log1p(value / 3))) } },
      all,
    );
    await expect(openCorpora([{ path: large.path }, { path: logged.path }])).rejects.toThrow(/values: log1p.* \(expected counts, as in .*--convert/);
    await expect(openCorpora([{ path: large.path }, { path: large.path }])).rejects.toThrow(/the same corpus as .* \(name it once, with a larger weight/);
    await expect(openCorpora([{ path: large.path, weight: 1 }, { path: small.path }])).rejects.toThrow(/data\.corpus: .* has no weight, others have one/);
    const held = randomCells(5, 20, 40);
    const heldOut = await smallCorpus(await newFolder(), { ...held, obs: { part: held.cellIds!.map(() => 'validation') } }, { splitBy: 'part' });
    await expect(
      openCorpora([
        { path: large.path, weight: 1 },
        { path: heldOut.path, weight: 1 },
      ]),
    ).rejects.toThrow(/train split: no cell in it/);
    await expect(openCorpora([{ path: large.path }, { path: join(large.path, 'gone') }])).rejects.toThrow(/gone/);
  });

  it('are asked for in words that a config can hold', () => {
    expect(() => parseConfig(CorpusChoice, [{ path: 'a', weigth: 2 }])).toThrow(/0\.weigth: no such key/);
    expect(() => parseConfig(CorpusChoice, [{ path: 'a', weight: -1 }])).toThrow(/0\.weight: found -1 \(expected number to be >0/);
    expect(() => parseConfig(CorpusChoice, 7)).toThrow(/found 7 \(expected a corpus folder, or a list of \{path, weight\}/);
    expect(() => parseConfig(CorpusChoice, [])).toThrow();
  });
});

describe('mixing of several corpora', () => {
  it('fills batches from files sorted by label as draws by the weights would', () => {
    const [sizes, shares, numClasses, batchSize] = [[16_000, 4000], [0.4, 0.6], 10, 64] as const;
    const numCells = sizes[0] + sizes[1];
    // Classes 0 … 9 one after the other in the first file; 5 … 14 in the second.
    const classOf = (row: number): number =>
      row < sizes[0] ? Math.floor((row * numClasses) / sizes[0]) : 5 + Math.floor(((row - sizes[0]) * numClasses) / sizes[1]);
    const entropyOf = (classes: readonly number[]): number => {
      const counts = times(classes, 15);
      return -counts.reduce((sum, n) => sum + (n > 0 ? (n / classes.length) * Math.log(n / classes.length) : 0), 0);
    };
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const source = {
      labelCodes: () => new Int32Array(0),
      parts: [
        { path: 'a', firstRow: 0, numCells: sizes[0], share: shares[0] },
        { path: 'b', firstRow: sizes[0], numCells: sizes[1], share: shares[1] },
      ],
    };
    const rng = Rng.fromSeed(9);
    const rows = passRows(
      source,
      Int32Array.from({ length: numCells }, (_, row) => row),
      undefined,
      rng,
    );
    const plan = new BatchPlan({ rows, batchSize, rng, sortWindow: 16, length: (row) => 1 + ((row * 7919) % 997) });
    const batches = Array.from({ length: Math.floor(numCells / batchSize) }, (_, k) => [...plan.rowsOf(k)]);

    const draw = Rng.fromSeed(8);
    const cell = (): number => (draw.uniform() < shares[0] ? draw.int(sizes[0]) : sizes[0] + draw.int(sizes[1]));
    const ideal = mean(Array.from({ length: 2000 }, () => entropyOf(Array.from({ length: batchSize }, () => classOf(cell())))));
    const measured = mean(batches.map((batch) => entropyOf(batch.map(classOf))));
    expect(ideal).toBeLessThan(Math.log(15) - 0.1);
    expect(Math.abs(measured / ideal - 1)).toBeLessThan(0.01);
    // Of each batch 0.4 come from the first corpus, within what chance allows: standard deviation sqrt(0.24 / 64) = 0.061.
    const ofFirst = batches.map((batch) => batch.filter((row) => row < sizes[0]).length / batchSize);
    expect(Math.abs(mean(ofFirst) - 0.4)).toBeLessThan(0.002);
    expect(Math.sqrt(mean(ofFirst.map((share) => (share - 0.4) ** 2)))).toBeLessThan(0.07);
    // Unmixed, one corpus after the other, the measure tells.
    expect(mean(Array.from({ length: 300 }, (_, k) => entropyOf([...rows.slice(k * batchSize, (k + 1) * batchSize)].map(classOf))))).toBeLessThan(ideal * 0.8);
  });
});
