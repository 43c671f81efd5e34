import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../src/data/readers/open.js';
import { writeAnnotatedH5ad } from '../../src/data/writers/h5ad.js';
import { Rng } from '../../src/rng.js';
import { writeSmallH5ad } from '../support/small-h5ad.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-trajectory-'));
afterAll(() => rmSync(folder, { recursive: true }));
const input = join(folder, 'cells.h5ad');
const N = 120;

/** A bent line of cells in three stages; the last cell has no coordinates. */
beforeAll(async () => {
  const rng = Rng.fromSeed(2);
  const plain = join(folder, 'plain.h5ad');
  await writeSmallH5ad(plain, {
    x: { rows: Array.from({ length: N }, () => [1, 2]), encoding: 'csr' },
    cellIds: Array.from({ length: N }, (_, i) => `c${i}`),
    geneNames: ['A', 'B'],
    obs: { stage: Array.from({ length: N }, (_, i) => ['early', 'middle', 'late'][Math.floor((3 * i) / N)]!) },
  });
  const values = Float32Array.from({ length: 2 * N }, (_, at) =>
    at >= 2 * N - 2 ? NaN : 5 * (at % 2 ? Math.sin : Math.cos)((1.6 * Math.PI * Math.floor(at / 2)) / N) + 0.05 * rng.normal(),
  );
  await writeAnnotatedH5ad({
    input: plain,
    output: input,
    obsm: { X_test: { values, numDims: 2 } },
    obs: { day: { kind: 'numeric', values: Float32Array.from({ length: N }, (_, i) => i) } },
  });
});

const run = (...flags: string[]) =>
  spawnSync(
    process.execPath,
    [resolve(import.meta.dirname, '../../bin/scdiva.js'), 'trajectory', input, '--embedding', 'X_test', '--group', 'stage', ...flags],
    { encoding: 'utf8' },
  );

describe('scdiva trajectory', () => {
  it('orders the stages, follows the known time, and writes cells, picture and page', async () => {
    const out = join(folder, 'out.h5ad');
    const page = join(folder, 'page.html');
    const { stdout, stderr, status } = run('--root-group', 'early', '--time', 'day', '--out', out, '--report', page, '--json');
    expect(status, stderr).toBe(0);
    const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as {
      numTimed: number;
      groups: { name: string }[];
      agreement: { spearman: number; spearmanPca: number };
    };
    expect(result.numTimed).toBe(N - 1);
    expect(result.groups.map(({ name }) => name)).toEqual(['early', 'middle', 'late']);
    expect(result.agreement.spearman).toBeGreaterThan(0.98);
    expect(result.agreement.spearmanPca).toBeLessThan(0.9);
    const written = await openCellFile(out);
    const column = written.obs('scdiva_pseudotime');
    written.close();
    expect(column.kind === 'numeric' && Number.isNaN(column.values[N - 1])).toBe(true);
    expect(readFileSync(page, 'utf8')).toContain('early – middle');
  });

  it('says what is missing in one line', () => {
    expect(run('--root-group', 'dawn')).toMatchObject({ status: 2, stderr: expect.stringMatching(/no group 'dawn'.*early/) });
    expect(run()).toMatchObject({ status: 2, stderr: expect.stringContaining('--root-group') });
    expect(run('--root-cell', 'c0', '--report', join(folder, 'x.pdf'))).toMatchObject({ status: 2, stderr: expect.stringContaining('.html') });
  });
});
