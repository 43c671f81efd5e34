import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { glance, inspect, writeMarker } from '../../../src/runtime/native/marker.js';

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'scdiva-marker-')), 'staged');
  await mkdir(join(folder, 'lib'), { recursive: true });
  await writeFile(join(folder, 'lib/library.so'), 'abcdef');
  await writeFile(join(folder, 'addon.node'), 'xyz');
});
afterEach(() => rm(join(folder, '..'), { recursive: true }));

describe('a staged folder', () => {
  it('is whole once marked', async () => {
    const { files } = await writeMarker(folder, 'key');
    expect(Object.keys(files).sort()).toEqual(['addon.node', 'lib/library.so']);
    expect(glance(folder, 'key')).toBeNull();
    expect(await inspect(folder, 'key')).toBeNull();
  });

  it('counts as absent when nothing is there, as unfinished without its marker', async () => {
    expect(await inspect(`${folder}-2`, 'key')).toBe('absent');
    expect(glance(folder, 'key')).toBe('staged.json is missing');
  });

  it('shows a missing and a truncated file at a glance', async () => {
    await writeMarker(folder, 'key');
    await truncate(join(folder, 'lib/library.so'), 3);
    expect(glance(folder, 'key')).toBe('lib/library.so has 3 bytes, not 6');
    await rm(join(folder, 'lib/library.so'));
    expect(glance(folder, 'key')).toBe('lib/library.so is missing');
  });

  it('shows a changed byte to an inspection', async () => {
    await writeMarker(folder, 'key');
    await writeFile(join(folder, 'lib/library.so'), 'abcdeF');
    expect(glance(folder, 'key')).toBeNull();
    expect(await inspect(folder, 'key')).toBe('lib/library.so differs from what was staged');
  });

  it('is not believed under another key or with half a marker', async () => {
    await writeMarker(folder, 'key');
    expect(glance(folder, 'other key')).toBe('staged.json is damaged');
    await truncate(join(folder, 'staged.json'), 20);
    expect(glance(folder, 'key')).toBe('staged.json is damaged');
  });
});
