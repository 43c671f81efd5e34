import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildCorpus, type BuildOptions } from '../../../src/data/corpus/build.js';
import { openCorpus } from '../../../src/data/corpus/corpus.js';
import { mergeCorpus } from '../../../src/data/corpus/merge.js';
import { randomCells, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('merge');

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

async function filesOf(...contents: SmallH5ad[]): Promise<{ files: string[]; folder: string }> {
  const folder = await newFolder();
  const files = contents.map((_, i) => join(folder, `cells${i}.h5ad`));
  for (const [i, content] of contents.entries()) await writeSmallH5ad(files[i]!, content);
  return { files, folder };
}

async function buildParts(files: string[], folder: string, world: number, options: Partial<BuildOptions>): Promise<string[]> {
  const parts = Array.from({ length: world }, (_, rank) => join(folder, `part-${rank}-of-${world}`));
  for (const [rank, out] of parts.entries()) await buildCorpus(files, { out, ...options, share: { rank, world } });
  return parts;
}

describe('parts of a corpus', () => {
  it.each([2, 3, 12])('of %i processes are merged into the bytes that one process writes', async (world) => {
    const { files, folder } = await filesOf(randomCells(1, 40, 30), randomCells(2, 50, 30));
    const options = { shardCells: 12, label: 'cell_type', minGenes: 5, keep: { donor: ['D0', 'D1', 'D2', 'D4'] }, seed: 3 };
    await buildCorpus(files, { out: join(folder, 'whole'), ...options });
    const parts = await buildParts(files, folder, world, options);
    await mergeCorpus([...parts].reverse(), { out: join(folder, 'merged') });
    expect(await folderBytes(join(folder, 'merged'))).toEqual(await folderBytes(join(folder, 'whole')));
    await (await openCorpus(join(folder, 'merged'))).verify();
  });

  it('are merged to the same bytes where values are logarithms', async () => {
    const cells = randomCells(5, 60, 20);
    const rows = cells.x!.rows.map((row) => row.map((value) => Math.fround(Math.log1p((value / row.reduce((a, b) => a + b)) * 1e4))));
    const { files, folder } = await filesOf({ ...cells, x: { rows, encoding: 'csr' } });
    await buildCorpus(files, { out: join(folder, 'whole'), shardCells: 7 });
    await mergeCorpus(await buildParts(files, folder, 3, { shardCells: 7 }), { out: join(folder, 'merged') });
    expect(await folderBytes(join(folder, 'merged'))).toEqual(await folderBytes(join(folder, 'whole')));
  });

  it('are no corpus by themselves, go on where they were interrupted, and are not built twice or for another rank', async () => {
    const { files, folder } = await filesOf(randomCells(3, 80, 20));
    const out = join(folder, 'part');
    const options = { shardCells: 10, share: { rank: 1, world: 2 } };
    await buildCorpus(files, { out: join(folder, 'unbroken'), ...options });
    const abort = new AbortController();
    abort.abort();
    await expect(buildCorpus(files, { out, ...options, signal: abort.signal })).rejects.toThrow(/interrupted after \d+ of 40 cells/);
    await expect(mergeCorpus([out], { out: join(folder, 'merged') })).rejects.toThrow(/no part\.json: not a part of a corpus, or not finished/);
    await expect(buildCorpus(files, { out, ...options, share: { rank: 0, world: 2 } })).rejects.toThrow(/part 1 of 2 \(expected part 0 of 2/);
    await expect(buildCorpus(files, { out, shardCells: 10 })).rejects.toThrow(/part 1 of 2 \(expected a whole corpus/);
    await buildCorpus(files, { out, ...options });
    const bytes = await folderBytes(out);
    expect(bytes).toEqual(await folderBytes(join(folder, 'unbroken')));
    await buildCorpus(files, { out, ...options });
    expect(await folderBytes(out)).toEqual(bytes);
    await expect(openCorpus(out)).rejects.toThrow(/no corpus\.json/);
    await expect(buildCorpus(files, { out: join(folder, 'x'), share: { rank: 2, world: 2 } })).rejects.toThrow(/--rank: 2 of --world 2/);
  });

  it('are refused in one line where one is missing, given twice, damaged, or of another build', async () => {
    const { files, folder } = await filesOf(randomCells(4, 60, 20));
    const out = join(folder, 'merged');
    const options = { shardCells: 10 };
    const [first, second, third] = (await buildParts(files, folder, 3, options)) as [string, string, string];
    await expect(mergeCorpus([third, first], { out })).rejects.toThrow(/2 of 3 parts: no part 1 .*--rank 1 --world 3/);
    await expect(mergeCorpus([first, first, second], { out })).rejects.toThrow(/part 0, as is/);
    const [other] = (await buildParts(files, join(folder, 'other'), 2, options)) as [string];
    await expect(mergeCorpus([other, second, third], { out })).rejects.toThrow(/a part of 3 \(expected of 2/);
    const [seeded] = (await buildParts(files, join(folder, 'seeded'), 3, { ...options, seed: 9 })) as [string];
    await expect(mergeCorpus([seeded, second, third], { out })).rejects.toThrow(/seed: 0 \(expected 9/);
    const { files: foreign } = await filesOf(randomCells(6, 60, 20));
    const [stranger] = (await buildParts(foreign, join(folder, 'stranger'), 3, options)) as [string];
    await expect(mergeCorpus([stranger, second, third], { out })).rejects.toThrow(/sources: built of other files/);
    const shard = join(second, 'shard-00002.arrow');
    const bytes = await readFile(shard);
    await writeFile(
      shard,
      bytes.map((byte, i) => (i === 900 ? byte ^ 1 : byte)),
    );
    await expect(mergeCorpus([first, second, third], { out })).rejects.toThrow(/shard-00002\.arrow: content changed/);
    await rm(shard);
    await expect(mergeCorpus([first, second, third], { out })).rejects.toThrow(/shard-00002\.arrow: no such file/);
    await writeFile(shard, bytes);
    const manifest = await readFile(join(third, 'part.json'), 'utf8');
    await writeFile(join(third, 'part.json'), manifest.replace(/"scdiva": "[^"]+"/, '"scdiva": "0.0.7"'));
    await expect(mergeCorpus([first, second, third], { out })).rejects.toThrow(/made by version 0\.0\.7/);
    await writeFile(join(third, 'part.json'), manifest);
    // What the merges before this one left is cleared away.
    expect((await mergeCorpus([first, second, third], { out })).numCells).toBe(60);
    await expect(mergeCorpus([first, second, third], { out })).rejects.toThrow(/holds other files/);
  });

  it('that hold counts of different width ask for floats, and then are what one process writes', async () => {
    const cells = randomCells(7, 40, 20);
    const rows = cells.x!.rows.map((row, i) => (i === 35 ? row.map((value) => value * 70_000) : row));
    const { files, folder } = await filesOf({ ...cells, x: { rows, encoding: 'csr' } });
    const options = { shardCells: 10 };
    await buildCorpus(files, { out: join(folder, 'whole'), ...options });
    const parts = await buildParts(files, folder, 2, options);
    await expect(mergeCorpus(parts, { out: join(folder, 'merged') })).rejects.toThrow(/valueType: float32 .*build part 0 again with --value-type float32/);
    await rm(parts[0]!, { recursive: true });
    await buildCorpus(files, { out: parts[0]!, ...options, share: { rank: 0, world: 2 }, valueType: 'float32' });
    await mergeCorpus(parts, { out: join(folder, 'merged') });
    expect(await folderBytes(join(folder, 'merged'))).toEqual(await folderBytes(join(folder, 'whole')));
  });

  it('are refused where dropped cells have spoilt the split, which one process deals anew', async () => {
    let numRefused = 0;
    let numMerged = 0;
    for (let empty = 0; empty < 4; empty++) {
      const cells = randomCells(8, 40, 20);
      // Four cells of a rare class, one of them without a gene.
      const rows = cells.x!.rows.map((row, i) => (i === empty * 10 ? row.map(() => 0) : row));
      const content = { ...cells, x: { rows, encoding: 'csr' as const }, obs: { cell_type: rows.map((_, i) => (i % 10 === 0 ? 'rare' : 'common')) } };
      const { files, folder } = await filesOf(content);
      const options = { shardCells: 10, label: 'cell_type' };
      await buildCorpus(files, { out: join(folder, 'whole'), ...options });
      const merged = await mergeCorpus(await buildParts(files, folder, 2, options), { out: join(folder, 'merged') }).catch((error: Error) => error);
      if (merged instanceof Error) {
        expect(merged.message).toMatch(/class 'rare' with too few cells .*second pass/);
        numRefused++;
        continue;
      }
      numMerged++;
      expect(await folderBytes(join(folder, 'merged'))).toEqual(await folderBytes(join(folder, 'whole')));
    }
    expect([numRefused > 0, numMerged > 0]).toEqual([true, true]);
  });
});
