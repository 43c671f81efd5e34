import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../../src/data/readers/open.js';
import { readRows } from '../../support/read-rows.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';
import { writeWithSmallBuffer } from '../../support/unknown-filter.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-isolated-'));
const path = join(folder, 'cells.h5ad');
afterAll(() => rmSync(folder, { recursive: true }));

const rows = [
  [1, 0],
  [0, 2],
  [3, 4],
];
const write = (first = 1) =>
  writeSmallH5ad(path, {
    cellIds: ['a', 'b', 'c'],
    geneNames: ['CD3E', 'LYZ'],
    x: { encoding: 'csr', rows: [[first, 0], ...rows.slice(1)] },
    obs: { cell_type: ['T', 'B', 'T'] },
  });

describe('a file read in a thread of its own', () => {
  it('is given up when the library loops for ever in it, and the next file is read as ever', async () => {
    await write();
    writeFileSync(path, withEndlessHeap(readFileSync(path)));
    const start = performance.now();
    await expect(openCellFile(path, { answerLimitMs: 1000 })).rejects.toThrow(
      /cells.h5ad: .*cannot be read: what unpacks it gave no answer for 1 s \(the file is damaged/,
    );
    expect(performance.now() - start).toBeLessThan(5000);
    await write();
    const file = await openCellFile(path);
    expect(await readRows(file.matrix('X'))).toEqual(rows);
    file.close();
  });

  it('is refused without a word of its own when the library ends itself', () => {
    writeWithSmallBuffer(path);
    const read = `const { openCellFile } = await import('${new URL('../../../dist/data/readers/open.js', import.meta.url).href}');
      const file = await openCellFile('${path}');
      try { for await (const block of file.matrix('layers/lzf').rowBlocks()) console.log(block); } catch (error) { console.log(error.name, error.message.includes('\\n')); }`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', read], { encoding: 'utf8', timeout: 30_000 });
    expect({ stdout, stderr }).toEqual({ stdout: 'DataError false\n', stderr: '' });
  });

  it('that the library ended itself over can be asked for the rest of it', async () => {
    writeWithSmallBuffer(path);
    const file = await openCellFile(path);
    await expect(readRows(file.matrix('layers/lzf'))).rejects.toThrow(/cells.h5ad: layers\/lzf: cannot be unpacked: the library ended itself over it/);
    expect(await readRows(file.matrix('layers/int64'))).toEqual([
      [1, 0, 5],
      [2, 7, 0],
      [0, 3, 300],
      [9, 0, 1],
    ]);
    file.close();
  });

  it('leaves no trace when it was damaged: a file written in its place is read anew', async () => {
    await write();
    const whole = readFileSync(path);
    for (let first = 5; first < 9; first++) {
      const damaged = Buffer.from(whole);
      // Heads of objects, all but the root's: their checksums no longer hold.
      for (let at = damaged.indexOf('OHDR', damaged.indexOf('OHDR') + 1); at >= 0; at = damaged.indexOf('OHDR', at + 1)) damaged[at + 20]! ^= 0xff;
      writeFileSync(path, damaged);
      await expect(openCellFile(path)).rejects.toThrow(/HDF5 cannot read it/);
      await write(first);
      const file = await openCellFile(path);
      expect((await readRows(file.matrix('X')))[0]).toEqual([first, 0]);
      file.close();
    }
  });

  it('is not read any more once it is closed', async () => {
    await write();
    const file = await openCellFile(path);
    const matrix = file.matrix('X');
    file.close();
    await expect(readRows(matrix)).rejects.toThrow(/is closed/);
    file.close();
  });

  it('may be one of several open at once', async () => {
    await write();
    const files = await Promise.all([1, 2, 3].map(() => openCellFile(path)));
    for (const file of files) expect(await readRows(file.matrix('X'))).toEqual(rows);
    for (const file of files) file.close();
  });
});

/** Says of the first object of every heap of texts that it ends 16 bytes before it begins: with its head of 16 bytes, the next object is itself. */
function withEndlessHeap(bytes: Buffer): Buffer {
  const damaged = Buffer.from(bytes);
  // The length lies behind signature, version and size of the heap (16 bytes) and index, references and a gap of the object (8).
  for (let at = damaged.indexOf('GCOL'); at >= 0; at = damaged.indexOf('GCOL', at + 1)) damaged.writeBigInt64LE(-16n, at + 24);
  return damaged;
}
