import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildCorpus, buildFrom } from '../../../src/data/corpus/build.js';
import { corpusPage, describeCorpus } from '../../../src/data/corpus/describe.js';
import { openCorpus } from '../../../src/data/corpus/corpus.js';
import { FilePool } from '../../../src/data/corpus/file-pool.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import type { CellFile } from '../../../src/data/readers/reader.js';
import { randomCells, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('pool');

async function writeFiles(n: number): Promise<{ folder: string; paths: string[] }> {
  const folder = await newFolder();
  const paths = Array.from({ length: n }, (_, i) => join(folder, `f${i}`));
  for (const [i, path] of paths.entries()) await writeSmallH5ad(path, randomCells(i, 6, 20));
  return { folder, paths };
}

describe('a pool of files', () => {
  const all = { keys: new Set<string>(), labels: true };

  it('keeps a few open, and rows and labels of all at hand', async () => {
    const { paths } = await writeFiles(5);
    const pool = new FilePool(2);
    const files: CellFile[] = [];
    for (const path of paths) {
      files.push(await pool.open(path, all));
      expect(pool.numOpen).toBeLessThanOrEqual(2);
    }
    for (const [i, file] of files.entries()) {
      const content = randomCells(i, 6, 20);
      expect(file.obs('cell_type')).toMatchObject({ kind: 'categorical' });
      expect(file.cellIds).toEqual(content.cellIds);
      for await (const block of file.matrix('X').rowBlocks({ start: 2, end: 3 }))
        expect([...block.values]).toEqual(content.x!.rows[2]!.filter((value) => value > 0));
      expect(pool.numOpen).toBeLessThanOrEqual(2);
    }
    expect(() => files[0]!.obs('donr')).toThrow(/f0: obs\['donr'\]: no such column/);
    expect(() => files[0]!.matrix('layers/x')).toThrow(/f0: /);
    await pool.close();
    expect(pool.numOpen).toBe(0);
  });

  it('keeps fewer open where they are large, and none once it rests; names, labels and rows are there all the same', async () => {
    const { paths } = await writeFiles(3);
    const pool = new FilePool(8, 10);
    const files: CellFile[] = [];
    const numOpen: number[] = [];
    for (const path of paths) {
      files.push(await pool.open(path, all));
      numOpen.push(pool.numOpen);
    }
    expect(numOpen).toEqual([1, 2, 2]);
    await pool.rest();
    expect(pool.numOpen).toBe(0);
    for (const [i, file] of files.entries()) {
      const content = randomCells(i, 6, 20);
      expect(file.cellIds).toEqual(content.cellIds);
      expect(file.obs('cell_type')).toMatchObject({ kind: 'categorical' });
      for await (const block of file.matrix('X').rowBlocks({ start: 2, end: 3 }))
        expect([...block.values]).toEqual(content.x!.rows[2]!.filter((value) => value > 0));
    }
    await pool.close();
  });

  it('does not close a file that is being read', async () => {
    const { paths } = await writeFiles(4);
    const pool = new FilePool(1);
    const streams = [];
    for (const path of paths) streams.push((await pool.open(path, all)).matrix('X').rowBlocks({ blockRows: 2 })[Symbol.asyncIterator]());
    const numRows = [0, 0, 0, 0];
    for (let round = 0; round < 4; round++) {
      for (const [i, stream] of streams.entries()) {
        const next = await stream.next();
        if (!next.done) numRows[i]! += next.value.numRows;
      }
    }
    expect(numRows).toEqual([6, 6, 6, 6]);
    expect(pool.numOpen).toBe(1);
    await pool.close();
  });

  it('builds the bytes that open files give', async () => {
    const { folder, paths } = await writeFiles(14);
    await buildCorpus(paths, { out: join(folder, 'pooled'), label: 'cell_type', shardCells: 16 });
    const open = await Promise.all(paths.map((path) => openCellFile(path)));
    await buildFrom(open, { out: join(folder, 'open'), label: 'cell_type', shardCells: 16 });
    for (const file of open) file.close();
    const names = (await readdir(join(folder, 'open'))).sort();
    expect((await readdir(join(folder, 'pooled'))).sort()).toEqual(names);
    for (const name of names) expect(await readFile(join(folder, 'pooled', name)), name).toEqual(await readFile(join(folder, 'open', name)));
    expect(corpusPage(describeCorpus(await openCorpus(join(folder, 'open'))))).toMatch(
      /… and 4 more files .*\n {2}in all 14 files: 84 of 84 cells\n {2}smallest share of the expression covered: 100\.0 %/,
    );
  });
});
