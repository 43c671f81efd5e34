import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { openCorpus, type Corpus } from '../../../src/data/corpus/corpus.js';
import { assignSplits } from '../../../src/data/corpus/split.js';
import { GeneTable } from '../../../src/data/genes/gene-table.js';
import { geneReport } from '../../../src/data/genes/gene-report.js';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { randomCells, smallCorpus, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../../support/small-h5ad.js';
import { writeSmallMuData } from '../../support/small-formats.js';

const newFolder = temporaryFolder('build');

/** Every cell of a corpus as {gene symbol: value}. */
function cellsOf(corpus: Corpus): Record<string, number>[] {
  return Array.from({ length: corpus.numCells }, (_, row) => {
    const { geneIds, values } = corpus.readCell(row);
    return Object.fromEntries(Array.from(geneIds, (id, i) => [corpus.vocabulary.gene(id).symbol, values[i]!]));
  });
}

function expectedCells({ x, geneNames }: SmallH5ad): Record<string, number>[] {
  return x!.rows.map((row) => Object.fromEntries(row.flatMap((value, g) => (value === 0 ? [] : [[geneNames[g]!, Math.fround(value)]]))));
}

async function folderBytes(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(
        async (name) =>
          [
            name,
            createHash('sha256')
              .update(await readFile(join(folder, name)))
              .digest('hex'),
          ] as const,
      ),
    ),
  );
}

describe('a corpus', () => {
  it('gives back every value, name, label and library size of the source, whatever the encoding and shard size', async () => {
    const row = fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 70_000 })), { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 4, maxLength: 20 }),
        fc.constantFrom('csr' as const, 'csc' as const, 'dense' as const),
        fc.integer({ min: 1, max: 7 }),
        async (rows, encoding, shardCells) => {
          rows[0] = [1, 2, 0, 0, 0, 65_535]; // a file without a value has no kind
          const content: SmallH5ad = {
            x: { rows, encoding },
            cellIds: rows.map((_, i) => `zelle ${i} ß`),
            geneNames: ['A', 'B', 'C', 'D', 'E', 'F'],
            obs: { donor: rows.map((_, i) => (i % 3 === 2 ? null : `d${i % 2}`)) },
          };
          const corpus = await smallCorpus(await newFolder(), content, { shardCells });
          const kept = rows.flatMap((values, i) => (values.some((value) => value > 0) ? [i] : []));
          expect(cellsOf(corpus)).toEqual(expectedCells({ ...content, x: { rows: kept.map((i) => rows[i]!), encoding } }));
          expect(corpus.cellIds()).toEqual(kept.map((i) => `zelle ${i} ß`));
          expect(kept.map((_, i) => corpus.readCell(i).total)).toEqual(kept.map((i) => rows[i]!.reduce((a, b) => a + b)));
          const codes = corpus.labelCodes('donor');
          expect(Array.from(codes, (code) => corpus.labelNames('donor')[code] ?? null)).toEqual(kept.map((i) => content.obs!['donor']![i]));
          expect([...corpus.numGenesPerCell()]).toEqual(kept.map((i) => rows[i]!.filter((value) => value > 0).length));
          expect(corpus.manifest.valueType).toBe(rows.flat().some((value) => value > 65_535) ? 'float32' : 'uint16');
          expect(corpus.manifest.sources[0]).toMatchObject({
            numCells: rows.length,
            numCellsKept: kept.length,
            numCellsWithoutGenes: rows.length - kept.length,
          });
          await corpus.verify();
          corpus.close();
        },
      ),
      { numRuns: 6 },
    );
  });

  it('keeps log1p values bit for bit and knows what they were normalised to', async () => {
    const counts = randomCells(4, 20, 15).x!.rows;
    const rows = counts.map((row) => row.map((value) => Math.log1p((1e4 * value) / row.reduce((a, b) => a + b))));
    const content = { ...randomCells(4, 20, 15), x: { rows, encoding: 'csr' as const } };
    const corpus = await smallCorpus(await newFolder(), content);
    expect(corpus.scale).toEqual({ kind: 'log1p', targetSum: 10_000 });
    expect(cellsOf(corpus)).toEqual(expectedCells(content));
  });

  it('refuses files of different kinds of values, or scaled to different sums', async () => {
    const folder = await newFolder();
    const counts = randomCells(4, 20, 15);
    const scaledTo = (target: number): SmallH5ad => ({
      ...counts,
      x: { encoding: 'csr', rows: counts.x!.rows.map((row) => row.map((value) => Math.log1p((target * value) / row.reduce((a, b) => a + b)))) },
    });
    const files = { counts, 'log-1e4': scaledTo(1e4), 'log-1e6': scaledTo(1e6) };
    const paths = await Promise.all(
      Object.entries(files).map(async ([name, content]) => (await writeSmallH5ad(join(folder, name), content), join(folder, name))),
    );
    const out = join(folder, 'out');
    await expect(buildCorpus([paths[0]!, paths[1]!], { out })).rejects.toThrow(/log-1e4: X: log1p \(expected counts, as in .*counts; choose --matrix/);
    await expect(buildCorpus([paths[1]!, paths[2]!], { out })).rejects.toThrow(
      /log-1e6: X: log1p of cells scaled to 1000000 \(expected 10000, as in .*log-1e4/,
    );
  });

  it('has the same bytes when built again', async () => {
    const content = randomCells(1, 60, 30);
    const folders = [await newFolder(), await newFolder()];
    await smallCorpus(folders[0]!, content, { shardCells: 16, label: 'cell_type' });
    await writeSmallH5ad(join(folders[1]!, 'cells.h5ad'), randomCells(2, 30, 30));
    await buildCorpus([join(folders[1]!, 'cells.h5ad')], { out: join(folders[1]!, 'other') }); // whatever this process wrote before
    await buildCorpus([join(folders[0]!, 'cells.h5ad')], { out: join(folders[1]!, 'corpus'), shardCells: 16, label: 'cell_type' });
    expect(await folderBytes(join(folders[0]!, 'corpus'))).toEqual(await folderBytes(join(folders[1]!, 'corpus')));
  });

  it('is not built twice, and not mixed with another one', async () => {
    const folder = await newFolder();
    const corpus = await smallCorpus(folder, randomCells(1, 40, 20), { seed: 1 });
    const before = await folderBytes(corpus.path);
    expect(await buildCorpus([join(folder, 'cells.h5ad')], { out: corpus.path, seed: 1 })).toEqual(corpus.manifest);
    await expect(buildCorpus([join(folder, 'cells.h5ad')], { out: corpus.path, seed: 2 })).rejects.toThrow(
      /corpus: seed: a corpus built with seed 1 \(expected 2; choose another --out or delete the folder\)/,
    );
    expect(await folderBytes(corpus.path)).toEqual(before);
    const foreign = await newFolder();
    await writeFile(join(foreign, 'thesis.tex'), '');
    await expect(buildCorpus([join(folder, 'cells.h5ad')], { out: foreign })).rejects.toThrow(/holds other files \(thesis\.tex\)/);
  });

  it('takes two modalities of one file as two sources, each once', async () => {
    const folder = await newFolder();
    const path = join(folder, 'cells.h5mu');
    const [first, second] = [3, 4].map((seed) => randomCells(seed, 12, 20));
    const asSmall = ({ cellIds, geneNames, x, obs }: SmallH5ad) => ({ cellIds, geneNames, rows: x!.rows, cellTypes: obs!['cell_type'] as string[] });
    await writeSmallMuData(path, { rna: asSmall(first!), gex: asSmall(second!) });
    const notes: string[] = [];
    const manifest = await buildCorpus([`${path}#rna`, `${path}#gex`], { out: join(folder, 'out'), onNotes: (_, found) => notes.push(...found) });
    expect([manifest.numCells, manifest.sources.map(({ file }) => file)]).toEqual([24, [`${path}#rna`, `${path}#gex`]]);
    expect(notes).toEqual(['reads the modality rna; left out: gex', 'reads the modality gex; left out: rna']);
    for (const again of [path, `${path}#gex`])
      await expect(buildCorpus([`${path}#rna`, `${path}#gex`, again], { out: join(folder, 'other') })).rejects.toThrow(/the same file as/);
  });

  it('refuses a file that is given twice, by name or by content, and a cell that a split by groups cannot place', async () => {
    const folder = await newFolder();
    const [a, copy, c] = [join(folder, 'a'), join(folder, 'copy'), join(folder, 'c')];
    const content = randomCells(1, 30, 20);
    const donor = content.cellIds.map((_, i) => (i === 17 ? null : `D${i % 4}`));
    await writeSmallH5ad(a, content);
    await writeFile(copy, await readFile(a));
    await writeSmallH5ad(c, { ...randomCells(2, 30, 20), obs: { donor, cell_type: content.obs!['cell_type']! } });
    const out = join(folder, 'out');
    await expect(buildCorpus([a, c, join(folder, '.', 'a')], { out })).rejects.toThrow(/a: the same file as .*a \(expected each file once/);
    await expect(buildCorpus([a, c, copy], { out })).rejects.toThrow(/copy: the same file as .*a \(/);
    await expect(buildCorpus([a, c], { out, splitBy: 'donor' })).rejects.toThrow(
      /c: obs\['donor'\]: cell 'cell-17' has no value \(expected one for every cell, to split by; .*--keep donor=…\)/,
    );
    expect(existsSync(out)).toBe(false);
    await buildCorpus([a, c], { out, splitBy: 'donor', keep: { donor: ['D0', 'D1', 'D2', 'D3'] } });
    const corpus = await openCorpus(out);
    const donors = (['train', 'validation', 'test'] as const).map(
      (split) => new Set(Array.from(corpus.splitRows(split), (row) => corpus.labelCodes('donor')[row]!)),
    );
    expect(donors.map((set) => set.size).reduce((sum, n) => sum + n)).toBe(4);
  });

  it('refuses files that have no gene in common, and joins them by a gene table', async () => {
    const folder = await newFolder();
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    const content = randomCells(1, 30, 20);
    const ensembl = content.geneNames.map((_, g) => `ENSG${String(g).padStart(11, '0')}`);
    await writeSmallH5ad(a, content);
    await writeSmallH5ad(b, { ...randomCells(2, 30, 20), geneNames: ensembl });
    await expect(buildCorpus([a, b], { out: join(folder, 'out') })).rejects.toThrow(
      /b: genes: 0 of 20 genes are in .*a \(Ensembl ids here, other names there\) \(expected files that share genes; pass a table/,
    );
    const geneTable = new GeneTable(content.geneNames.map((symbol, g) => ({ symbol, ensemblId: ensembl[g]!, previous: [], aliases: [] })));
    const reports: string[] = [];
    await buildCorpus([a, b], { out: join(folder, 'out'), geneTable, onGenes: (found) => reports.push(String(geneReport(found, reports.length === 0))) });
    const corpus = await openCorpus(join(folder, 'out'));
    expect(corpus.vocabulary.genes[3]).toEqual({ symbol: 'GENE3', ensemblId: 'ENSG00000000003' });
    expect(corpus.manifest.sources.map(({ numGenesMatched, expressionCoverage }) => [numGenesMatched, expressionCoverage])).toEqual([
      [20, 1],
      [20, 1],
    ]);
    expect(reports.join('').split('\n')[4]).toBe(`${a}\tGENE3\t5\tGENE3\tENSG00000000003\tfound as named`);
  });

  it('joins files over the union of their genes, with one set of labels', async () => {
    const folder = await newFolder();
    const [a, b] = [join(folder, 'a.h5ad'), join(folder, 'b.h5ad')];
    await writeSmallH5ad(a, {
      x: {
        rows: [
          [1, 2],
          [3, 0],
          [0, 4],
          [2, 2],
        ],
        encoding: 'csr',
      },
      cellIds: ['a0', 'a1', 'a2', 'a3'],
      geneNames: ['A', 'B'],
      obs: { type: ['T', 'T', 'B', 'B'] },
    });
    await writeSmallH5ad(b, {
      x: {
        rows: [
          [5, 6],
          [7, 0],
          [1, 1],
        ],
        encoding: 'dense',
      },
      cellIds: ['b0', 'b1', 'b2'],
      geneNames: ['C', 'A'],
      obs: { type: ['NK', 'T', 'NK'] },
    });
    await buildCorpus([a, b], { out: join(folder, 'out'), shardCells: 3 });
    const corpus = await openCorpus(join(folder, 'out'));
    expect(cellsOf(corpus)).toEqual([{ A: 1, B: 2 }, { A: 3 }, { B: 4 }, { A: 2, B: 2 }, { C: 5, A: 6 }, { C: 7 }, { C: 1, A: 1 }]);
    expect(corpus.cellIds(Int32Array.of(4, 0))).toEqual(['b0', 'a0']);
    expect(corpus.labelNames('type')).toEqual(['B', 'T', 'NK']);
    expect([...corpus.labelCodes('type')]).toEqual([1, 1, 0, 0, 2, 1, 2]);
    expect(() => corpus.labelCodes('celltype')).toThrow(
      /obs\['celltype'\]: no such field in this corpus \(expected one of type; build it with --obs celltype\)/,
    );
  });

  it('adds up columns of the same gene, leaves out foreign ones and says how much it covers', async () => {
    const folder = await newFolder();
    const content: SmallH5ad = {
      x: {
        rows: [
          [1, 2, 4, 3],
          [0, 5, 5, 0],
          [1, 0, 0, 9],
        ],
        encoding: 'csr',
      },
      cellIds: ['a', 'b', 'c'],
      geneNames: ['ENSG00000010610', 'X1', 'ENSG00000010610.7', 'MS4A1'],
    };
    const vocabulary = new Vocabulary([
      { symbol: 'MS4A1', ensemblId: '' },
      { symbol: 'CD4', ensemblId: 'ENSG00000010610' },
    ]);
    const corpus = await smallCorpus(folder, content, { vocabulary });
    expect(cellsOf(corpus)).toEqual([{ CD4: 5, MS4A1: 3 }, { CD4: 5 }, { CD4: 1, MS4A1: 9 }]);
    expect(corpus.readCell(0).total).toBe(10);
    expect(corpus.manifest.sources[0]).toMatchObject({ numGenes: 4, numGenesMatched: 3, numGenesMerged: 1, expressionCoverage: 23 / 30 });
  });

  it('drops cells below --min-genes and counts them', async () => {
    const rows = [
      [1, 1, 1],
      [1, 0, 0],
      [0, 0, 0],
      [2, 2, 0],
      [0, 3, 3],
    ];
    const content: SmallH5ad = { x: { rows, encoding: 'csr' }, cellIds: ['a', 'b', 'c', 'd', 'e'], geneNames: ['A', 'B', 'C'] };
    const corpus = await smallCorpus(await newFolder(), content, { minGenes: 2, shardCells: 2 });
    expect(corpus.cellIds()).toEqual(['a', 'd', 'e']);
    expect(corpus.manifest.sources[0]).toMatchObject({ numCellsKept: 3, numCellsWithoutGenes: 1, numCellsBelowMinGenes: 1 });
  });

  it('names a shard that is cut short, missing or changed', async () => {
    const corpus = await smallCorpus(await newFolder(), randomCells(1, 40, 20), { shardCells: 16 });
    const shard = join(corpus.path, 'shard-00001.arrow');
    const whole = await readFile(shard);
    const changed = Buffer.from(whole);
    changed[changed.length >> 1]! ^= 1;
    await writeFile(shard, changed);
    await expect(openCorpus(corpus.path).then((opened) => opened.verify())).rejects.toThrow(/shard-00001\.arrow: content changed/);
    await truncate(shard, whole.length - 7);
    await expect(openCorpus(corpus.path)).rejects.toThrow(
      new RegExp(`shard-00001\\.arrow: ${whole.length - 7} bytes: the file is cut short \\(expected ${whole.length} bytes`),
    );
    await writeFile(join(corpus.path, 'corpus.json'), '{"version":1}');
    await expect(openCorpus(corpus.path)).rejects.toThrow(/corpus\.json: version: 1 \(expected 2/);
    await expect(openCorpus(join(corpus.path, 'nowhere'))).rejects.toThrow(/no corpus\.json: not a corpus, or its build did not finish/);
  });
});

describe('building', () => {
  const start = async (content: SmallH5ad) => {
    const folder = await newFolder();
    await writeSmallH5ad(join(folder, 'cells.h5ad'), content);
    return { file: join(folder, 'cells.h5ad'), out: join(folder, 'out') };
  };

  it('writes the same bytes whatever the number of threads', async () => {
    const folder = await newFolder();
    const files = [3, 4].map((seed) => join(folder, `${seed}.h5ad`));
    for (const [i, seed] of [3, 4].entries()) await writeSmallH5ad(files[i]!, randomCells(seed, 55, 20));
    const builds = [0, 1, 3].map((numWorkers) => ({ numWorkers, out: join(folder, `out-${numWorkers}`) }));
    for (const build of builds) await buildCorpus(files, { shardCells: 10, minGenes: 5, ...build });
    const [alone, ...others] = await Promise.all(builds.map(({ out }) => folderBytes(out)));
    expect(Object.keys(alone!).length).toBeGreaterThan(11);
    for (const other of others) expect(other).toEqual(alone);
  });

  it('takes threads away until the memory allowed is enough, and refuses what cannot be', async () => {
    const { file, out } = await start(randomCells(3, 60, 20));
    const build = (memoryBytes: number) => buildCorpus([file], { out, shardCells: 10, numWorkers: 2, memoryBytes });
    await expect(build(1e8)).rejects.toThrow(/--memory: 100 MB \(expected at least 201 MB for shards of 10 cells; give more or make smaller shards/);
    expect((await build(3e8)).numCells).toBe(60);
  });

  it.each([0, 2])('continues an interrupted build and ends with the bytes of an unbroken one, with %i threads', async (numWorkers) => {
    const { file, out } = await start(randomCells(3, 90, 20));
    const options = { shardCells: 10, label: 'cell_type', numWorkers };
    await buildCorpus([file], { out: `${out}-unbroken`, ...options });
    const abort = new AbortController();
    abort.abort();
    for (let round = 0; ; round++) {
      const result = await buildCorpus([file], { out, ...options, ...(round < 3 && { signal: abort.signal }) }).catch((error: Error) => error);
      if (!(result instanceof Error)) break;
      expect(result.message).toMatch(/interrupted after \d+ of 90 cells \(the same command continues from there\)/);
      await expect(openCorpus(out)).rejects.toThrow(/its build did not finish/);
      if (round === 1) await expect(buildCorpus([file], { out, ...options, minGenes: 3 })).rejects.toThrow(/a corpus built with minGenes 1 \(expected 3/);
      expect(round).toBeLessThan(5);
    }
    expect(await folderBytes(out)).toEqual(await folderBytes(`${out}-unbroken`));
  });

  it('writes a shard again that was cut short while building', async () => {
    const { file, out } = await start(randomCells(3, 60, 20));
    await buildCorpus([file], { out: `${out}-unbroken`, shardCells: 10 });
    // An unfinished build as a power cut leaves it: journal with a torn last line, one shard shorter than it says.
    const { manifest } = await openCorpus(`${out}-unbroken`);
    const tally = {
      numCellsKept: 10,
      numCellsWithoutGenes: 0,
      numCellsBelowMinGenes: 0,
      numCellsBelowMinCounts: 0,
      numCellsAboveMaxMito: 0,
      sumAll: 1,
      sumMatched: 1,
      sumRenamed: 0,
    };
    const lines = [
      { build: manifest.build, share: null, knowledge: { valueType: 'uint16', excludedRows: [] } },
      ...manifest.shards.slice(0, 3).map((shard) => ({ shard, droppedRows: [], tallies: { 0: tally } })),
    ].map((line) => JSON.stringify(line));
    await mkdir(out);
    for (const { file: name } of manifest.shards.slice(0, 3)) await writeFile(join(out, name), await readFile(join(`${out}-unbroken`, name)));
    await truncate(join(out, 'shard-00002.arrow'), 100);
    await writeFile(join(out, 'shard-00003.arrow.tmp-4711-0badcafe'), 'half');
    await writeFile(join(out, 'building.jsonl'), `${lines.join('\n')}\n{"shard":{"fi`);
    await buildCorpus([file], { out, shardCells: 10 });
    const bytes = await folderBytes(out);
    const unbroken = await folderBytes(`${out}-unbroken`);
    expect({ ...bytes, 'corpus.json': '' }).toEqual({ ...unbroken, 'corpus.json': '' }); // the made-up tallies differ
  });

  it('leaves nothing behind when the input turns out to be wrong', async () => {
    const content = randomCells(1, 9000, 4); // more cells than the doctor looks at
    const rows = content.x!.rows.map((row) => [...row]);
    rows[8500]![2] = 0.5;
    const { file, out } = await start({ ...content, x: { rows, encoding: 'csr' } });
    for (const numWorkers of [0, 2])
      await expect(buildCorpus([file], { out, shardCells: 1000, numWorkers })).rejects.toThrow(/X: 0\.5 at cell 'cell-8500', gene 'GENE2' \(expected integers/);
    expect(existsSync(out)).toBe(false);
  });

  it.each([
    ['a label that is not there', { label: 'celltype' }, /obs\['celltype'\]: no such column/],
    ['a matrix that is not there', { matrix: 'layers/counts' }, /layers\/counts/],
    ['shares that do not sum to 1', { fractions: [0.8, 0.1, 0.2] as const }, /--split: 0\.8\/0\.1\/0\.2 \(expected shares/],
    ['a vocabulary of other genes', { vocabulary: new Vocabulary([{ symbol: 'FOXP2', ensemblId: '' }]) }, /genes: 0 of 20 genes are in the vocabulary/],
    ['cells with fewer genes than asked for', { minGenes: 500 }, /no cell is left: 30 of 30 have fewer genes than --min-genes \(lower --min-genes\)/],
    ['more groups than there are', { splitBy: 'site' }, /obs\['site'\]: 1 group\(s\) \(expected at least 3, one for each of train, validation, test/],
  ])('refuses %s', async (_, options, message) => {
    const content = randomCells(1, 30, 20);
    const { file, out } = await start({ ...content, obs: { ...content.obs, site: content.cellIds.map(() => 'Berlin') } });
    await expect(buildCorpus([file], { out, ...options })).rejects.toThrow(message);
    expect(existsSync(out)).toBe(false);
  });

  it('takes the split of a field that is itself called split', async () => {
    const content = randomCells(1, 30, 20);
    const split = content.cellIds.map((_, i) => (i % 5 === 0 ? 'test' : i % 5 === 1 ? 'validation' : 'train'));
    const { file, out } = await start({ ...content, obs: { ...content.obs, split } });
    await buildCorpus([file], { out, splitBy: 'split' });
    const corpus = await openCorpus(out);
    expect(Array.from(corpus.splitRows('test'), (row) => corpus.cellIds(Int32Array.of(row))[0])).toEqual(content.cellIds.filter((_, i) => i % 5 === 0));
    expect(corpus.obsKeys).not.toContain('split');
  });

  it('refuses a class with one cell, naming it, and takes its label where asked to', async () => {
    const content = randomCells(1, 30, 20);
    const cell_type = [...(content.obs!['cell_type'] as string[])];
    cell_type[7] = 'platelet';
    const { file, out } = await start({ ...content, obs: { cell_type } });
    await expect(buildCorpus([file], { out, label: 'cell_type' })).rejects.toThrow(
      /cells\.h5ad: obs\['cell_type'\]: class 'platelet' has one cell \(expected at least 2 cells a class; pass --min-class-cells 2/,
    );
    await buildCorpus([file], { out, label: 'cell_type', minClassCells: 2 });
    const corpus = await openCorpus(out);
    expect(corpus.labelNames('cell_type')).toEqual(['B', 'NK', 'T']);
    expect(corpus.labelCodes('cell_type')[7]).toBe(-1);
    expect(corpus.manifest.unlabelledClasses).toEqual({ platelet: 1 });
  });

  it('keeps cells of a class that means none, without a label', async () => {
    const content = randomCells(1, 30, 20);
    const cell_type = (content.obs!['cell_type'] as string[]).map((type, i) => (i % 5 === 0 ? 'unknown' : type));
    const { file, out } = await start({ ...content, obs: { cell_type } });
    await expect(buildCorpus([file], { out, label: 'cell_type', unlabelled: ['Unknown'] })).rejects.toThrow(
      /--unlabelled: 'Unknown', which no cell is \(expected some of .*unknown/,
    );
    await expect(buildCorpus([file], { out, unlabelled: ['unknown'] })).rejects.toThrow(/--unlabelled: 'unknown' without --label/);
    await buildCorpus([file], { out, label: 'cell_type', unlabelled: ['unknown'] });
    const corpus = await openCorpus(out);
    expect(corpus.numCells).toBe(30);
    expect(corpus.labelNames('cell_type')).toEqual(['B', 'NK', 'T']);
    expect(Array.from(corpus.labelCodes('cell_type')).filter((code) => code < 0).length).toBe(6);
    expect(corpus.manifest.unlabelledClasses).toEqual({ unknown: 6 });
  });

  it('deals the cells again when those it counted on turn out to be empty', async () => {
    // 'rare' has 4 cells, two of which train before it is known that one of the others is empty.
    const content = randomCells(1, 30, 10);
    const cell_type = [...(content.obs!['cell_type'] as string[])];
    for (const row of [2, 9, 16, 23]) cell_type[row] = 'rare';
    const categories = [...new Set(cell_type)].sort();
    const label = { key: 'cell_type', categories, codes: Int32Array.from(cell_type, (name) => categories.indexOf(name)) };
    const dealt = assignSplits({ numRows: 30, isExcluded: () => false, fractions: [0.8, 0.1, 0.1], seed: 0, label });
    const held = [2, 9, 16, 23].find((row) => dealt[row] === 1)!;
    const rows = content.x!.rows.map((row) => [...row]);
    rows[held]!.fill(0);
    const { file, out } = await start({ ...content, x: { rows, encoding: 'csr' }, obs: { cell_type } });
    await buildCorpus([file], { out, label: 'cell_type', seed: 0, shardCells: 8 });
    const corpus = await openCorpus(out);
    const rare = corpus.labelNames('cell_type').indexOf('rare');
    for (const split of ['train', 'validation', 'test'] as const) {
      const codes = Array.from(corpus.splitRows(split), (row) => corpus.labelCodes('cell_type')[row]!);
      expect(codes.filter((code) => code === rare)).toHaveLength(1);
    }
  });
});
