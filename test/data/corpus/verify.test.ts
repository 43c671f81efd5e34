import { copyFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCorpus } from '../../../src/data/corpus/corpus.js';
import { verifyCorpus } from '../../../src/data/corpus/verify.js';
import { randomCells, smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const newFolder = temporaryFolder('verify');

describe('verifyCorpus', () => {
  it('finds nothing wrong with a corpus as it was written', async () => {
    const { path, manifest } = await smallCorpus(await newFolder(), randomCells(1, 40, 20), { shardCells: 8 });
    const bytes = manifest.shards.reduce((sum, shard) => sum + shard.bytes, manifest.genes.bytes);
    expect(await verifyCorpus(path)).toEqual({ numFiles: 6, bytes, faults: [], strangers: [] });
  });

  it('names every file that is missing, truncated, altered or lengthened, and shards that are not its own', async () => {
    const { path } = await smallCorpus(await newFolder(), randomCells(1, 40, 20), { shardCells: 8 });
    const file = (i: number): string => join(path, `shard-0000${i}.arrow`);
    await copyFile(file(0), join(path, 'shard-00009.arrow'));
    await rm(file(0));
    const { size } = await stat(file(1));
    await truncate(file(1), size - 1);
    const changed = await readFile(file(2));
    changed[changed.length >> 1]! ^= 1;
    await writeFile(file(2), changed);
    await writeFile(file(4), 'more', { flag: 'a' });
    const { faults, strangers } = await verifyCorpus(path);
    expect(faults).toEqual([
      { file: 'shard-00000.arrow', fault: 'missing', detail: expect.any(String) as string },
      { file: 'shard-00001.arrow', fault: 'truncated', detail: `${size - 1} of ${size} bytes` },
      { file: 'shard-00002.arrow', fault: 'altered', detail: expect.stringMatching(/^sha256 /) as string },
      { file: 'shard-00004.arrow', fault: 'altered', detail: expect.stringMatching(/bytes, not/) as string },
    ]);
    expect(strangers).toEqual(['shard-00009.arrow']);
  });
});

describe('opening a corpus', () => {
  it('reads the manifest and the gene table and not one byte of a shard', async () => {
    const { path, manifest } = await smallCorpus(await newFolder(), randomCells(1, 200, 20), { shardCells: 2 });
    expect(manifest.shards.length).toBe(100);
    // Shards of the right length with nothing in them: whoever reads one stumbles.
    for (const name of await readdir(path))
      if (name.startsWith('shard-')) await writeFile(join(path, name), new Uint8Array((await stat(join(path, name))).size));
    const corpus = await openCorpus(path);
    expect([corpus.numCells, corpus.vocabulary.genes.length, corpus.labelNames('cell_type')]).toEqual([200, 20, ['B', 'NK', 'T']]);
    expect(() => corpus.splitRows('train')).toThrow(/shard-00000\.arrow: cut short: no Arrow footer/);
    expect((await verifyCorpus(path)).faults).toHaveLength(100);
  });
});
