import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-inspect-'));
afterAll(() => rmSync(folder, { recursive: true }));
const command = fileURLToPath(new URL('../../../bin/scdiva.js', import.meta.url));
const scdiva = (...args: string[]) => spawnSync(process.execPath, [command, ...args], { encoding: 'utf8' });

describe('scdiva data inspect', () => {
  it('prints one JSON object under --json, and a page without', async () => {
    const path = join(folder, 'cells.h5ad');
    await writeSmallH5ad(path, {
      cellIds: ['a', 'b'],
      geneNames: ['CD3E', 'LYZ'],
      x: {
        encoding: 'csr',
        rows: [
          [1, 0],
          [0, 4],
        ],
      },
    });
    const json = scdiva('data', 'inspect', path, '--json');
    expect(json.status).toBe(0);
    expect(json.stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ numCells: 2, numGenes: 2, numNonZero: 2, sum: 5, valueKind: 'counts', geneIdKind: 'symbol', matrix: 'X' });
    const page = scdiva('data', 'inspect', path);
    expect(page.stdout).toMatch(/2 cells × 2 genes[\s\S]*no problems found/);
    const genes = join(folder, 'genes.tsv');
    writeFileSync(genes, 'id\tsymbol\tensembl_id\n2\tLYZ\t\n');
    expect(JSON.parse(scdiva('data', 'inspect', path, '--genes', genes, '--json').stdout)).toMatchObject({
      coverage: { numMatched: 1, shareOfExpression: 0.8 },
    });
  });

  it('ends with 2 and one line for a file it cannot read', () => {
    const path = join(folder, 'text.h5ad');
    writeFileSync(path, 'not cells');
    const { status, stdout, stderr } = scdiva('data', 'inspect', path, '--json');
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(/^scdiva: .*text\.h5ad: is not an HDF5 file/)]);
  });
});
