import { afterEach, describe, expect, it } from 'vitest';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildBatchAddon } from '../../src/data/loader/batch-addon.js';
import { libraryPlace } from '../../src/toolchain/library.js';
import { temporaryFolder } from '../support/small-corpus.js';

const newFolder = temporaryFolder('library');
const { CXX } = process.env;
afterEach(() => {
  if (CXX === undefined) delete process.env['CXX'];
  else process.env['CXX'] = CXX;
});

describe('a library that is compiled where it runs', () => {
  const library = { name: 'batches', flags: ['-Isomewhere'], without: 'do without' };

  it('has a place of its own for every set of sources and flags, in the cache', async () => {
    const cache = await newFolder();
    const { path, isBuilt } = await libraryPlace(library, cache);
    expect(isBuilt).toBe(false);
    expect(path.startsWith(join(cache, 'batches/'))).toBe(true);
    expect(await libraryPlace(library, cache)).toEqual({ path, isBuilt });
    expect((await libraryPlace({ ...library, flags: [] }, cache)).path).not.toBe(path);
    expect((await libraryPlace({ ...library, name: 'kernels' }, cache)).path).not.toBe(path);
  });

  it.runIf(process.platform === 'linux')('says what to install, or what to do without, where there is no compiler', async () => {
    process.env['CXX'] = '/nowhere/g++';
    const cache = await newFolder();
    await expect(buildBatchAddon({ cache })).rejects.toThrow(/\/nowhere\/g\+\+: no C\+\+ compiler \(install g\+\+/);
    process.env['CXX'] = process.execPath; // answers to --version, and compiles nothing
    await expect(buildBatchAddon({ cache })).rejects.toThrow(/cannot compile batches\/: .*loader\.compiledLoops: false does without/);
    expect(await readdir(join(cache, 'batches'))).toEqual([]);
  });
});
