import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../../src/data/readers/open.js';
import { writeFormatSamples } from '../../support/format-samples.js';

const bench = fileURLToPath(new URL('../../../bench/run.mjs', import.meta.url));
// Stored, so that a seed damages the same bytes everywhere. To write them anew: delete the folder and run this test.
const samples = fileURLToPath(new URL('../../fixtures/formats/samples', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'scdiva-samples-'));
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(async () => {
  await writeFormatSamples(folder);
  if (!existsSync(samples)) await writeFormatSamples(samples);
});

describe('the stored samples', () => {
  it('hold the cells that their maker writes', async () => {
    expect(readdirSync(samples).sort()).toEqual(readdirSync(folder).sort());
    for (const name of readdirSync(folder)) {
      const [stored, written] = [await openCellFile(join(samples, name)), await openCellFile(join(folder, name))];
      expect([name, stored.cellIds, stored.matrices]).toEqual([name, written.cellIds, written.matrices]);
      stored.close();
      written.close();
    }
  });
});

describe('damaged files', () => {
  it('are read as they were, refused in one line, or differ where nothing in the file could tell', { timeout: 600_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [bench, 'mutations', '--count', '200', '--seed', '20000', '--json']);
    const { count, outcomes } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { count: number; outcomes: Record<string, number> };
    expect(count).toBe(200);
    expect(outcomes).not.toHaveProperty('bug');
    expect(outcomes).not.toHaveProperty('crash');
    expect(outcomes).not.toHaveProperty('hang');
    expect(outcomes['refused']).toBeGreaterThan(100);
    expect(outcomes['silent'] ?? 0).toBeLessThan(20); // one in twenty was measured: docs/formats.md
  });
});
