import { beforeAll, describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CellBatch } from '../../../src/data/batch.js';
import type { Corpus } from '../../../src/data/corpus/corpus.js';
import { DepthCorruption, LoaderConfig, Preprocessing } from '../../../src/data/loader/config.js';
import { BatchPlan } from '../../../src/data/loader/batch-plan.js';
import { createLoader, type LoaderOptions } from '../../../src/data/loader/loader.js';
import { Serializer } from '../../../src/data/loader/serialize.js';
import { Rng } from '../../../src/rng.js';
import { randomCells, smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const newFolder = temporaryFolder('loader');
const preprocessing = Preprocessing.parse({ maxGenes: 20, lengthMultiple: 4 });
const inProcess = LoaderConfig.parse({ numWorkers: 0, sortWindow: 3 });
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
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
  for await (const batch of createLoader(corpus, {
    rows,
    batchSize: 8,
    preprocessing,
    rng: Rng.fromSeed(5),
    labelKeys: ['cell_type'],
    loader: inProcess,
    ...options,
  }))
    batches.push(batch);
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
        expect([...batch.geneIds.subarray(at, at + batch.seqLen)]).toEqual([
          ...target.geneIds.subarray(0, n),
          ...new Array<number>(batch.seqLen - n).fill(corpus.vocabulary.padId),
        ]);
        expect([...batch.values.subarray(at, at + batch.seqLen)]).toEqual([...target.values.subarray(0, n), ...new Array<number>(batch.seqLen - n).fill(0)]);
        expect(batch.labels['cell_type']![b]).toBe(corpus.labelCodes('cell_type')[row]);
      }
    }
  });

  it('pads less than unsorted batches would', async () => {
    const padding = (batches: readonly CellBatch[]): number =>
      batches.reduce((sum, { seqLen, numCells, numGenes }) => sum + seqLen * numCells - numGenes.reduce((a, b) => a + b, 0), 0);
    const sorted = padding(await pass({ loader: { ...inProcess, sortWindow: 12 } }));
    const unsorted = padding(await pass({ loader: { ...inProcess, sortWindow: 1 } }));
    expect(sorted).toBeLessThan(unsorted / 2);
  });

  it('continues at any batch as if it had not stopped', async () => {
    const whole = await pass({ depth: DepthCorruption.parse({ kind: 'thin' }) });
    expect(whole).toHaveLength(13);
    for (const skipBatches of [1, 4, 12, 13])
      expect(await pass({ depth: DepthCorruption.parse({ kind: 'thin' }), skipBatches })).toEqual(whole.slice(skipBatches));
  });

  it('gives the same batches whatever the number of threads', async () => {
    const options = { depth: DepthCorruption.parse({ kind: 'thin', min: 0.1 }), preprocessing: { ...preprocessing, serialisation: 'random' as const } };
    const here = await pass(options);
    for (const numWorkers of [1, 2]) expect(await pass({ ...options, loader: { ...inProcess, numWorkers } })).toEqual(here);
  });

  it.each(['entropy', 'expression'] as const)('gives the same batches by compiled loops as by WebAssembly, ranked by %s', async (serialisation) => {
    const options = { preprocessing: { ...preprocessing, serialisation } };
    const here = await pass(options);
    for (const loader of [{ numWorkers: 1 }, { numWorkers: 3 }, { numWorkers: 2, compiledLoops: false }])
      expect(await pass({ ...options, loader: { ...inProcess, ...loader } })).toEqual(here);
    expect(await pass({ ...options, skipBatches: 4, part: { rank: 7, worldSize: 8 }, loader: { ...inProcess, numWorkers: 2 } })).toEqual(
      await pass({ ...options, skipBatches: 4, part: { rank: 7, worldSize: 8 } }),
    );
  });

  it.each([true, false])('gives the same batches in memory that is handed back, compiled loops %s', async (compiledLoops) => {
    const here = await pass();
    const rows = Int32Array.from({ length: corpus.numCells }, (_, row) => row);
    const loader = createLoader(corpus, {
      rows,
      batchSize: 8,
      preprocessing,
      rng: Rng.fromSeed(5),
      labelKeys: ['cell_type'],
      loader: { ...inProcess, numWorkers: 2, compiledLoops },
    });
    const buffers = new Set<unknown>();
    let index = 0;
    for await (const batch of loader) {
      expect(batch).toEqual(here[index++]);
      buffers.add(batch.geneIds.buffer);
      loader.recycle!(batch);
      loader.recycle!(batch);
    }
    expect(index).toBe(here.length);
    if (compiledLoops && process.platform === 'linux') expect(buffers.size).toBeLessThan(here.length);
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

  it.each([
    [0, true],
    [1, true],
    [1, false],
  ])('names a shard that fails under it, with %i threads, compiled loops %s', async (numWorkers, compiledLoops) => {
    const broken = await smallCorpus(await newFolder(), randomCells(1, 30, 20), { shardCells: 10 });
    expect(broken.layouts).toHaveLength(3);
    await truncate(join(broken.path, 'shard-00002.arrow'), 900);
    const loader = createLoader(broken, {
      rows: Int32Array.of(0, 1, 25),
      batchSize: 2,
      preprocessing,
      rng: null,
      loader: { ...inProcess, numWorkers, compiledLoops },
    });
    const read = async (): Promise<void> => {
      for await (const batch of loader) expect(batch.numCells).toBe(2);
    };
    await expect(read()).rejects.toThrow(/shard-00002\.arrow: .*cannot be read/);
  });

  it('refuses to thin what are no counts, and labels that are not there', async () => {
    const content = randomCells(4, 20, 15);
    const logged = await smallCorpus(await newFolder(), {
      ...content,
      x: { encoding: 'csr', rows: content.x!.rows.map((row) => row.map((value) => Math.log1p(value / 3))) },
    });
    const options = { rows: Int32Array.of(0), batchSize: 1, preprocessing, rng: null, loader: inProcess };
    expect(() => createLoader(logged, { ...options, depth: DepthCorruption.parse({ kind: 'thin' }) })).toThrow(/depth\.kind: thin with values that are log1p/);
    expect(() => createLoader(logged, { ...options, labelKeys: ['tissue'] })).toThrow(/obs\['tissue'\]: no such field/);
  });
});

describe('several processes', () => {
  it.each([2, 3])('take disjoint parts of the same batches, %i of them', async (worldSize) => {
    const whole = await pass();
    const parts = await Promise.all(Array.from({ length: worldSize }, (_, rank) => pass({ part: { rank, worldSize } })));
    expect(parts.every((part) => part.length === whole.length)).toBe(true);
    whole.forEach(({ cellIndex }, k) => {
      const taken = parts.flatMap((part) => [...part[k]!.cellIndex]);
      expect(taken.sort((a, b) => a - b)).toEqual([...cellIndex].sort((a, b) => a - b));
    });
  });

  it('go on with another number of processes where they stopped', async () => {
    const seen = [...(await Promise.all([0, 1].map((rank) => pass({ part: { rank, worldSize: 2 } })))).flatMap((batches) => rowsOf(batches.slice(0, 5)))];
    for (let rank = 0; rank < 3; rank++) seen.push(...rowsOf(await pass({ part: { rank, worldSize: 3 }, skipBatches: 5 })));
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 103 }, (_, row) => row));
  });

  it('cannot be more than a batch has cells', () => {
    const create = (rank: number, worldSize: number) =>
      createLoader(corpus, { rows: Int32Array.of(0), batchSize: 4, preprocessing, rng: null, loader: inProcess, part: { rank, worldSize } });
    expect(() => create(0, 5)).toThrow(/rank 0 of 5 processes for batches of 4 cells/);
    expect(() => create(2, 2)).toThrow(/rank 2 of 2/);
  });
});

describe('balanced sampling', () => {
  const rare = Int32Array.from([...Array.from({ length: 30 }, (_, i) => 3 * i), 1, 4, 7]); // 30 cells of type B, 3 of NK
  const balanced = (strength: number) => ({ ...inProcess, sampling: { kind: 'balanced' as const, labelKey: 'cell_type', strength } });

  it('shows classes equally often, in as many cells, and as they are at strength 0', async () => {
    const counts = async (strength: number): Promise<number[]> => {
      const codes = (await pass({ rows: rare, loader: balanced(strength) })).flatMap(({ labels }) => [...labels['cell_type']!]);
      expect(codes).toHaveLength(33);
      return [0, 1].map((code) => codes.filter((other) => other === code).length);
    };
    for (const n of await counts(1)) expect(Math.abs(n - 16.5)).toBeLessThanOrEqual(1);
    expect(await counts(0)).toEqual([30, 3]);
    expect((await counts(0.5))[1]).toBeGreaterThan(5);
  });

  it('draws other cells in another pass, and leaves passes without a stream alone', async () => {
    const [first, second] = [
      rowsOf(await pass({ rows: rare, loader: balanced(1) })),
      rowsOf(await pass({ rows: rare, loader: balanced(1), rng: Rng.fromSeed(77) })),
    ];
    expect(new Set(first)).not.toEqual(new Set(second));
    expect(rowsOf(await pass({ rows: rare, loader: balanced(1), rng: null }))).toEqual([...rare]);
  });
});

describe('mixing', () => {
  it('fills batches from a file sorted by label as a uniform draw would', () => {
    const [numRows, batchSize, numClasses] = [20_000, 64, 20];
    const rows = Int32Array.from({ length: numRows }, (_, row) => row);
    const entropyOf = (sample: ArrayLike<number>): number => {
      const counts = new Float64Array(numClasses);
      for (const row of Array.from(sample)) counts[Math.floor((row * numClasses) / numRows)]!++;
      return -counts.reduce((sum, n) => sum + (n > 0 ? (n / sample.length) * Math.log(n / sample.length) : 0), 0);
    };
    const batchEntropy = (sortWindow: number, rng: Rng | null): number => {
      const plan = new BatchPlan({ rows, batchSize, rng, sortWindow, length: (row) => 1 + ((row * 7919) % 997) });
      return mean(Array.from({ length: Math.floor(numRows / batchSize) }, (_, k) => entropyOf(plan.rowsOf(k))));
    };
    const draw = Rng.fromSeed(8);
    const ideal = mean(Array.from({ length: 2000 }, () => entropyOf(Array.from({ length: batchSize }, () => draw.int(numRows)))));
    expect(ideal).toBeLessThan(Math.log(numClasses) - 0.1); // 64 draws from 20 classes are not even
    for (const sortWindow of [1, 16]) expect(Math.abs(batchEntropy(sortWindow, Rng.fromSeed(9)) / ideal - 1)).toBeLessThan(0.01);
    expect(batchEntropy(16, null)).toBeLessThan(ideal / 5); // the measure can tell
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
