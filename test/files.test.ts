import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OutputError } from '../src/errors.js';
import { makeFolder, writeFileAtomic, writeFolderAtomic } from '../src/files.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'scdiva-files-'))));
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

describe('makeFolder', () => {
  it('makes every folder on the way, and is content with those that are there', async () => {
    await makeFolder(at('a/b/c'));
    await Promise.all([makeFolder(at('a/b/c')), makeFolder(at('a/d/e')), makeFolder(at('a/d/e'))]);
    expect((await stat(at('a/d/e'))).isDirectory()).toBe(true);
  });

  it('refuses a path through a file', async () => {
    await writeFile(at('file'), '');
    await expect(makeFolder(at('file'))).rejects.toThrow(OutputError);
    await expect(makeFolder(at('file/below/it'))).rejects.toThrow(/a part of the path is a file/);
  });

  it.runIf(existsSync('/proc/self'))('ends where no folder can be made', async () => {
    await expect(makeFolder('/proc/nowhere/below')).rejects.toThrow('/proc/nowhere: no folder can be made there (choose another --out)');
  });
});

describe('writeFileAtomic', () => {
  it('writes pieces in order, into folders it makes', async () => {
    await writeFileAtomic(at('new/pieces'), [Buffer.from('one '), Buffer.from('two')]);
    expect(await readFile(at('new/pieces'), 'utf8')).toBe('one two');
  });

  it('leaves the old file and nothing else when the pieces fail', async () => {
    await writeFileAtomic(at('kept/file'), 'old');
    const failing = function* (): Generator<Uint8Array> {
      yield Buffer.from('new');
      throw new Error('no more');
    };
    await expect(writeFileAtomic(at('kept/file'), failing())).rejects.toThrow('no more');
    expect(await readdir(at('kept'))).toEqual(['file']);
    expect(await readFile(at('kept/file'), 'utf8')).toBe('old');
  });
});

describe('writeFolderAtomic', () => {
  it('replaces a folder whole, and keeps the old one when filling fails', async () => {
    await writeFolderAtomic(at('whole'), (temporary) => writeFile(join(temporary, 'first'), '1'));
    await writeFolderAtomic(at('whole'), (temporary) => writeFile(join(temporary, 'second'), '2'));
    expect(await readdir(at('whole'))).toEqual(['second']);
    await expect(writeFolderAtomic(at('whole'), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await readdir(at('whole'))).toEqual(['second']);
    expect((await readdir(folder)).filter((name) => name.includes('.tmp-'))).toEqual([]);
  });
});
