import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { joinObs, labelLikeKeys, MAX_CATEGORIES, refuseReserved } from '../../../src/data/corpus/obs-columns.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import type { CellFile } from '../../../src/data/readers/reader.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('obs');
const opened: CellFile[] = [];
afterAll(() => opened.forEach((file) => file.close()));

async function fileWith(obs: NonNullable<SmallH5ad['obs']>): Promise<CellFile> {
  const numCells = Object.values(obs)[0]!.length;
  const path = join(await newFolder(), 'cells.h5ad');
  await writeSmallH5ad(path, {
    x: { rows: Array.from({ length: numCells }, () => [1]), encoding: 'csr' },
    cellIds: Array.from({ length: numCells }, (_, i) => `c${i}`),
    geneNames: ['A'],
    obs,
  });
  const file = await openCellFile(path);
  opened.push(file);
  return file;
}

describe('obs fields of several files', () => {
  it('share one list of categories, numbers among them, and leave unused ones out', async () => {
    const a = await fileWith({ cluster: Float64Array.of(10, 2, NaN), type: ['T', 'B', null] });
    const b = await fileWith({ cluster: Float64Array.of(2, 7), type: ['NK', 'T'] });
    expect(joinObs([a, b], 'type', true)).toEqual({ key: 'type', categories: ['B', 'T', 'NK'], codes: Int8Array.of(1, 0, -1, 2, 1) });
    expect(joinObs([a, b], 'cluster', true)).toEqual({ key: 'cluster', categories: ['2', '10', '7'], codes: Int8Array.of(1, 0, -1, 0, 2) });
  });

  it('are missing where a file lacks them, unless they were asked for', async () => {
    const a = await fileWith({ type: ['T', 'B'] });
    const b = await fileWith({ donor: ['x'] });
    expect(joinObs([a, b], 'type', false).codes).toEqual(Int8Array.of(1, 0, -1));
    expect(() => joinObs([a, b], 'type', true)).toThrow(/obs\['type'\]: no such column/);
  });

  it('are kept by default when they look like labels', async () => {
    const n = MAX_CATEGORIES + 1;
    const file = await fileWith({
      type: Array.from({ length: n }, (_, i) => `t${i % 3}`),
      total: Array.from({ length: n }, () => 'x'),
      depth: Float64Array.from({ length: n }, (_, i) => i / 7),
    });
    expect(labelLikeKeys([file])).toEqual(['type']);
    expect(() => joinObs([file], 'depth', true)).toThrow(/obs\['depth'\]: 1001 different values \(expected a label of at most 1000/);
    expect(() => refuseReserved('total')).toThrow(/obs\['total'\]: the name of a column every corpus has/);
  });
});
