import { beforeAll, describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CellBatch } from '../../../src/data/batch.js';
import type { Corpus } from '../../../src/data/corpus/corpus.js';
import { DepthCorruption, LoaderConfig, Preprocessing } from '../../../src/data/loader/config.js';
import { createLoader, type LoaderOptions } from '../../../src/data/loader/loader.js';
import { Serializer } from '../../../src/data/loader/serialize.js';
import { Rng } from '../../../src/rng.js';
import { randomCells, smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const newFolder = temporaryFolder('loader');
const preprocessing = Preprocessing.parse({ maxGenes: 20, lengthMultiple: 4 });
const inProcess = LoaderConfig.parse({ numWorkers: 0, sortWindow: 3 });
let corpus: Corpus;

beforeAll(async () => {
  const content = randomCells(11, 103, 40);
  // Cells of 1 to 40 genes, so that lengths matter.
  const rows = content.x!.rows.map((row, i) => row.map((value, g) => (g <= i % 40 ? value || 1 : 0)));
  corpus = await smallCorpus(await newFolder(), { ...content, x: { rows, encoding: 'csr' } }, { shardCells: 17, label: 'cell_type' });
});

async function pass(options: Partial<LoaderOptions> = {}): Promise<CellBatch[]> {
  const batches: CellBatch[] = [];
  const rows = options.rows ?? Int32Array.from({ length: corpus.numCells }, (_, row) => row);
  for await (const batch of createLoader(corpus, { rows, batchSize: 8, preprocessing, rng: Rng.fromSeed(5), labelKeys: ['cell_type'], loader: inProcess, ...options })) batches.push(batch);
  return batches;
}

const rowsOf = (batches: readonly CellBatch[]): number[] => batches.flatMap(({ cellIndex }) => [...cellIndex]);

describe('an opened corpus', () => {
  it('divides all its rows among the splits', () => {
    const rows = (['train', 'validation', 'test'] as const).flatMap((split) => [...corpus.splitRows(split)]);
    expect(rows.sort((a, b) => a - b)).toEqual(Array.from({ length: 103 }, (_, row) => row));
    expect(corpus.manifest.splitCells.train).toBe(corpus.splitRows('train').length);
  });
});

describe('a pass over a corpus', () => {
  it('shows every cell once, in an order of its own for each epoch', async () => {
    const [first, second] = [rowsOf(await pass()), rowsOf(await pass({ rng: Rng.fromSeed(6) }))];
    expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 103 }, (_, row) => row));
    expect(first).not.toEqual(second);
    expect([...second].sort((a, b) => a - b)).toEqual([...first].sort((a, b) => a - b));
    expect(first).not.toEqual([...first].sort((a, b) => a - b));
  });

  it('keeps the order of the rows without a stream', async () => {
    const rows = corpus.splitRows('validation');
    expect(rows.length).toBeGreaterThan(8);
    expect(rowsOf(await pass({ rows, rng: null }))).toEqual([...rows]);
  });

  it('shows what the cell holds: ids, values, labels, and padding behind them', async () => {
    const serializer = new Serializer({ preprocessing, scale: corpus.scale, entropy: corpus.entropy });
    for (const batch of await pass()) {
      expect(batch.seqLen % 4).toBe(0);
      expect(batch.seqLen - Math.max(...batch.numGenes)).toBeLessThan(4);
      expect(batch.cleanValues).toBeUndefined();
      for (let b = 0; b < batch.numCells; b++) {
        const row = batch.cellIndex[b]!;
        const target = { geneIds: new Int32Array(20), values: new Float32Array(20), offset: 0 };
        const n = serializer.serialize(corpus.readCell(row), target);
        const at = b * batch.seqLen;
        expect(batch.numGenes[b]).toBe(n);
        expect([...batch.geneIds.subarray(at, at + batch.seqLen)]).toEqual([...target.geneIds.subarray(0, n), ...new Array<number>(batch.seqLen - n).fill(corpus.vocabulary.padId)]);
        expect([...batch.values.subarray(at, at + batch.seqLen)]).toEqual([...target.values.subarray(0, n), ...new Array<number>(batch.seqLen - n).fill(0)]);
        expect(batch.labels['cell_type']![b]).toBe(corpus.labelCodes('cell_type')[row]);
      }
    }
  });

  it('pads less than unsorted batches would', async () => {
    const padding = (batches: readonly CellBatch[]): number => batches.reduce((sum, { seqLen, numCells, numGenes }) => sum + seqLen * numCells - numGenes.reduce((a, b) => a + b, 0), 0);
    const sorted = padding(await pass({ loader: { ...inProcess, sortWindow: 12 } }));
    const unsorted = padding(await pass({ loader: { ...inProcess, sortWindow: 1 } }));
    expect(sorted).toBeLessThan(unsorted / 2);
  });

  it('continues at any batch as if it had not stopped', async () => {
    const whole = await pass({ depth: DepthCorruption.parse({ kind: 'thin' }) });
    expect(whole).toHaveLength(13);
    for (const skipBatches of [1, 4, 12, 13]) expect(await pass({ depth: DepthCorruption.parse({ kind: 'thin' }), skipBatches })).toEqual(whole.slice(skipBatches));
  });

  it('gives the same batches whatever the number of threads', async () => {
    const options = { depth: DepthCorruption.parse({ kind: 'thin', min: 0.1 }), preprocessing: { ...preprocessing, serialisation: 'random' as const } };
    const here = await pass(options);
    for (const numWorkers of [1, 2]) expect(await pass({ ...options, loader: { ...inProcess, numWorkers } })).toEqual(here);
  });

  it('can be left early, and closed without having begun', async () => {
    const loader = createLoader(corpus, { rows: corpus.splitRows('train'), batchSize: 4, preprocessing, rng: null, loader: { ...inProcess, numWorkers: 2 } });
    for await (const batch of loader) {
      expect(batch.numCells).toBe(4);
      break;
    }
    await loader.close();
    const unused = createLoader(corpus, { rows: corpus.splitRows('train'), batchSize: 4, preprocessing, rng: null, loader: inProcess });
    expect(unused.numBatches).toBe(Math.ceil(corpus.splitRows('train').length / 4));
    await unused.close();
  });

  it.each([0, 1])('names a shard that fails under it, with %i threads', async (numWorkers) => {
    const broken = await smallCorpus(await newFolder(), randomCells(1, 30, 20), { shardCells: 10 });
    expect(broken.layouts).toHaveLength(3);
    await truncate(join(broken.path, 'shard-00002.arrow'), 900);
    const loader = createLoader(broken, { rows: Int32Array.of(0, 1, 25), batchSize: 2, preprocessing, rng: null, loader: { ...inProcess, numWorkers } });
    const read = async (): Promise<void> => {
      for await (const batch of loader) expect(batch.numCells).toBe(2);
    };
    await expect(read()).rejects.toThrow(/shard-00002\.arrow: .*cannot be read/);
  });

  it('refuses to thin what are no counts, and labels that are not there', async () => {
    const content = randomCells(4, 20, 15);
    const logged = await smallCorpus(await newFolder(), { ...content, x: { encoding: 'csr', rows: content.x!.rows.map((row) => row.map((value) => Math.log1p(value / 3))) } });
    const options = { rows: Int32Array.of(0), batchSize: 1, preprocessing, rng: null, loader: inProcess };
    expect(() => createLoader(logged, { ...options, depth: DepthCorruption.parse({ kind: 'thin' }) })).toThrow(/depth\.kind: thin with values that are log1p/);
    expect(() => createLoader(logged, { ...options, labelKeys: ['tissue'] })).toThrow(/obs\['tissue'\]: no such field/);
  });
});

describe('a loader thread', () => {
  it('starts in milliseconds because it loads no Arrow, HDF5 or tensor library', () => {
    const worker = fileURLToPath(new URL('../../../dist/data/loader/worker.js', import.meta.url));
    const seen = new Set<string>();
    const visit = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/from '([^']+)'/g)) {
        if (specifier!.startsWith('.')) visit(join(dirname(file), specifier!));
        else expect(specifier, `imported by ${file}`).toMatch(/^(node:|zod$)/);
      }
    };
    visit(worker);
    expect(seen.size).toBeGreaterThan(5);
  });
});
