import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { Rng } from '../../../src/rng.js';
import { separableCells, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const bin = fileURLToPath(new URL('../../../bin/scdiva.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'scdiva-generate-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const run = (...args: string[]) => spawnSync(process.execPath, [bin, 'generate', ...args], { encoding: 'utf8' });
const small = separableCells(Rng.fromSeed(1).int(100), 9);

beforeAll(async () => {
  const vocabulary = new Vocabulary(small.geneNames.map((symbol) => ({ symbol, ensemblId: '' })));
  await untrainedCheckpoint(folder, { vocabulary, entropy: new Float32Array(vocabulary.size).fill(1), fingerprint: 'none' } as never);
  await writeSmallH5ad(at('cells.h5ad'), small);
});

describe('scdiva generate', () => {
  it('writes the completions and tells how many hidden genes came back', async () => {
    const { status, stdout, stderr } = run(
      at('cells.h5ad'),
      '--checkpoint',
      at('pretrained'),
      '--out',
      at('out.h5ad'),
      '--mask-ratio',
      '0.5',
      '--num-samples',
      '2',
      '--steps',
      '3',
      '--json',
    );
    expect(stderr).not.toMatch(/scdiva:/);
    expect(status).toBe(0);
    const json = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
    expect(json).toMatchObject({ numCells: 9, numSamples: 2, numRows: 18, matrix: 'X', valueKind: 'counts' });
    const recovery = json['recovery'] as Record<string, number>;
    expect(recovery['recall']! >= 0 && recovery['recall']! <= 1).toBe(true);
    const file = await openCellFile(at('out.h5ad'));
    expect(file.numCells).toBe(18);
    file.close();
  });

  it.each([
    [['--out', at('no.h5ad')], /maskRatio: missing \(expected maskRatio or extraGenes above 0: something to generate\)/],
    [['--out', at('no.h5ad'), '--mask-ratio', '0.5', '--steps', '0'], /steps: found 0/],
    [['--out', at('cells.h5ad'), '--mask-ratio', '0.5'], /cells\.h5ad: is the input file/],
    [['--out', '/proc/no/no.h5ad', '--mask-ratio', '0.5'], /\/proc\/no: no folder can be made there/],
    [['--out', at('no.h5ad'), '--mask-ratio', '0.5', '--matrix', 'layers/none'], /layers/],
  ])('refuses %s in one line', (args, message) => {
    const { status, stderr } = run(at('cells.h5ad'), '--checkpoint', at('pretrained'), ...args);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(status).toBe(2);
    expect(existsSync(at('no.h5ad'))).toBe(false);
  });
});
