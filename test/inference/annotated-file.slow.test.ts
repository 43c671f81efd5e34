import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256File } from '../../src/files.js';
import { openCellFile } from '../../src/data/readers/open.js';
import { annotateFile, embedFile, planOutputs, provenanceOf } from '../../src/inference/annotated-file.js';
import { ScDiVaInference } from '../../src/inference/engine.js';
import { ScDiVa } from '../../src/inference/scdiva.js';
import { maxDifference } from '../metrics/golden.js';
import { separableCells, smallAnnotator } from '../support/annotated-cells.js';
import { temporaryFolder } from '../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../support/small-h5ad.js';

const folderOf = temporaryFolder('annotated-file');
let folder: string;
let pretrained: string;
let annotator: string;
let model: ScDiVa;
let engine: ScDiVaInference;

const fresh = separableCells(9, 45);

beforeAll(async () => {
  folder = await folderOf();
  ({ pretrained, annotator } = await smallAnnotator(folder));
  model = await ScDiVa.fromPretrained(annotator);
  engine = new ScDiVaInference({ model });
});
afterAll(async () => {
  await engine.dispose();
  model.dispose();
});

async function write(name: string, content: SmallH5ad): Promise<string> {
  const path = join(folder, name);
  await writeSmallH5ad(path, content);
  return path;
}

describe('files with results in them', () => {
  it('hold what was computed, beside all that was there, and the input is untouched', async () => {
    const input = await write('in.h5ad', fresh);
    const before = await sha256File(input);
    const output = join(folder, 'results/out.h5ad');
    const provenance = await provenanceOf(model, '1.2.3', true);
    const report = await annotateFile(engine, { input, output }, provenance, { threshold: 0.8, withProbabilities: true });
    expect(await sha256File(input)).toBe(before);
    const written = await openCellFile(output);
    const cells = await openCellFile(input);
    const direct = await engine.annotate(cells, { threshold: 0.8 });
    cells.close();
    const types = written.obs('scdiva_cell_type');
    expect(types.kind === 'categorical' && Array.from(types.codes, (code) => types.categories[code])).toEqual(direct.labels);
    const confidence = written.obs('scdiva_confidence');
    expect(confidence.kind === 'numeric' && maxDifference(confidence.values, direct.confidence)).toBeLessThan(1e-6);
    expect(written.obs('cell_type')).toBeDefined();
    expect(written.cellIds).toEqual(fresh.cellIds);
    written.close();
    expect(report).toMatchObject({ numCells: 45, numEmpty: 0, matrix: 'X', valueKind: 'counts', numGenesMatched: 40, geneCoverage: 1 });
    expect(Object.values(report.labels).reduce((sum, n) => sum + n, 0)).toBe(45);
    expect(provenance.sha256).toEqual({
      'model.safetensors': await sha256File(join(annotator, 'model.safetensors')),
      'head.safetensors': await sha256File(join(annotator, 'head.safetensors')),
    });
  });

  it('are written by embed from a checkpoint without a head', async () => {
    const bare = await ScDiVa.fromPretrained(pretrained);
    const report = await embedFile(
      bare,
      { input: await write('plain.h5ad', fresh), output: join(folder, 'embedded.h5ad') },
      await provenanceOf(bare, '1', false),
    );
    expect(report.numCells).toBe(45);
    expect(existsSync(report.output)).toBe(true);
    bare.dispose();
  });

  it('never replace their input, whatever it is called', async () => {
    const input = await write('same.h5ad', fresh);
    const provenance = await provenanceOf(model, '1', false);
    await expect(embedFile(model, { input, output: join(folder, '../', folder.split('/').at(-1)!, 'same.h5ad') }, provenance)).rejects.toThrow(
      /is the input, which is never changed/,
    );
  });

  it('leave nothing behind when the input cannot be used', async () => {
    const input = join(folder, 'broken.h5ad');
    await writeFile(input, 'not a file of cells');
    const output = join(folder, 'broken-out.h5ad');
    await expect(embedFile(model, { input, output }, await provenanceOf(model, '1', false))).rejects.toThrow(/broken\.h5ad/);
    expect(existsSync(output)).toBe(false);
  });
});

describe('where results go', () => {
  it('is a file for one input, a folder for several', async () => {
    expect(planOutputs(['a/x.h5ad'], 'out.h5ad')).toEqual([{ input: 'a/x.h5ad', output: 'out.h5ad' }]);
    expect(planOutputs(['a/x.h5'], 'out/')).toEqual([{ input: 'a/x.h5', output: join('out', 'x.h5ad') }]);
    expect(planOutputs(['a/x.h5ad', 'b/y.h5ad'], 'out').map(({ output }) => output)).toEqual([join('out', 'x.h5ad'), join('out', 'y.h5ad')]);
    expect(planOutputs(['x.h5ad'], folder)[0]!.output).toBe(join(folder, 'x.h5ad'));
    expect(() => planOutputs(['a/x.h5ad', 'b/x.h5ad'], 'out')).toThrow(/two files named x\.h5ad/);
    await writeFile(join(folder, 'a-file'), '');
    expect(() => planOutputs(['x.h5ad', 'y.h5ad'], join(folder, 'a-file'))).toThrow(/is a file, but there are 2 results/);
  });
});
