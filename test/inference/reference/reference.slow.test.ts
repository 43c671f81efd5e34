import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../../src/data/readers/open.js';
import { auroc } from '../../../src/metrics/ranking.js';
import { separableCells, smallAnnotator } from '../../support/annotated-cells.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const folderOf = temporaryFolder('reference-verbs');
const bin = fileURLToPath(new URL('../../../bin/scdiva.js', import.meta.url));
let folder: string;
let pretrained: string;
let annotator: string;

const fresh = separableCells(9, 60);

/** One command line. */
function scdiva(...args: string[]): { status: number | null; json: Record<string, unknown>; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args, '--json'], { cwd: folder, encoding: 'utf8' });
  return { status, json: stdout.trim() ? (JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>) : {}, stderr };
}

beforeAll(async () => {
  folder = await folderOf();
  ({ pretrained, annotator } = await smallAnnotator(folder));
  const atlas = separableCells(1, 240);
  await writeSmallH5ad(join(folder, 'atlas.h5ad'), atlas);
  await writeSmallH5ad(join(folder, 'no-t.h5ad'), { ...atlas, obs: { cell_type: atlas.types.map((type) => (type === 'T' ? null : type)) } });
  await writeSmallH5ad(join(folder, 'query.h5ad'), fresh);
});

async function mapped(): Promise<{ labels: string[]; distance: Float64Array; confidence: Float64Array }> {
  const cells = await openCellFile(join(folder, 'out.h5ad'));
  try {
    const [labels, distance, confidence] = ['scdiva_cell_type', 'scdiva_distance', 'scdiva_confidence'].map((key) => cells.obs(key));
    if (labels?.kind !== 'categorical' || distance?.kind !== 'numeric' || confidence?.kind !== 'numeric') throw new Error('other columns');
    return { labels: Array.from(labels.codes, (code) => labels.categories[code]!), distance: distance.values, confidence: confidence.values };
  } finally {
    cells.close();
  }
}

describe('scdiva reference', () => {
  it('carries labels over in the space of a trained model', async () => {
    const built = scdiva('reference', 'build', '--checkpoint', annotator, 'atlas.h5ad', '--label', 'cell_type', '--out', 'REF');
    expect(built).toMatchObject({ status: 0, json: { numCells: 240, classes: ['B', 'NK', 'T'], numNeighbours: 15, threshold: 0.01 } });
    expect(built.json['leaveOneOutAccuracy']).toBeGreaterThan(0.95);
    expect(scdiva('reference', 'map', '--checkpoint', annotator, '--reference', 'REF', 'query.h5ad', '--out', 'out.h5ad', '--threshold', '0')).toMatchObject({
      status: 0,
      json: { numCells: 60, numUnknown: 0, labelKey: 'cell_type' },
    });
    const { labels } = await mapped();
    expect(labels.filter((label, i) => label === fresh.types[i]).length / 60).toBeGreaterThan(0.95);
  });

  it('tells cells of a type that the reference does not have by their distance', async () => {
    expect(scdiva('reference', 'build', '--checkpoint', annotator, 'no-t.h5ad', '--label', 'cell_type', '--out', 'NO-T')).toMatchObject({
      status: 0,
      json: { numCells: 160, numUnlabelled: 80 },
    });
    expect(scdiva('reference', 'map', '--checkpoint', annotator, '--reference', 'NO-T', 'query.h5ad', '--out', 'out.h5ad').status).toBe(0);
    const { labels, distance } = await mapped();
    const isForeign = Uint8Array.from(fresh.types, (type) => (type === 'T' ? 1 : 0));
    expect(auroc(distance, isForeign)).toBeGreaterThan(0.95);
    expect(labels.filter((label, i) => label === 'unknown' && isForeign[i]).length / 20).toBeGreaterThan(0.7);
    expect(labels.filter((label, i) => label === 'unknown' && !isForeign[i]).length / 40).toBeLessThan(0.15);
  });

  it('refuses another model in one line, and writes nothing', () => {
    const { status, stderr } = scdiva('reference', 'map', '--checkpoint', pretrained, '--reference', 'REF', 'query.h5ad', '--out', 'never.h5ad');
    expect(status).toBe(2);
    expect(stderr.trim()).toMatch(/^scdiva: REF: was built with another model \('annotation'.*\)$/);
    expect(existsSync(join(folder, 'never.h5ad'))).toBe(false);
    expect(scdiva('reference', 'map', '--checkpoint', annotator, '--reference', folder, 'query.h5ad', '--out', 'never.h5ad')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('reference.json: no such file'),
    });
  });
});
