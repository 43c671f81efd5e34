import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SourceHashes } from '../../../src/data/corpus/source-hashes.js';
import { sha256File } from '../../../src/files.js';
import { temporaryFolder } from '../../support/small-corpus.js';

const newFolder = temporaryFolder('hashes');

describe('hashes of sources', () => {
  it.each([
    ['here', Infinity],
    ['in a thread', 0],
  ])('are those of the files, computed once, %s', async (_, worthAThread) => {
    const folder = await newFolder();
    const paths = ['a', 'b', 'c'].map((name) => join(folder, name));
    for (const [i, path] of paths.entries()) await writeFile(path, Buffer.alloc(3_000_000, i));
    const hashes = new SourceHashes(worthAThread);
    const first = paths.map((path) => hashes.of(path));
    expect(paths.map((path) => hashes.of(path))).toEqual(first);
    expect(await Promise.all(first)).toEqual(await Promise.all(paths.map((path) => sha256File(path))));
    await expect(hashes.of(join(folder, 'd'))).rejects.toThrow(/d: no such file/);
    await hashes.close();
  });
});
