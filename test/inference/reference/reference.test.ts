import { existsSync } from 'node:fs';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../../src/data/readers/open.js';
import { provenanceOf } from '../../../src/inference/annotated-file.js';
import { buildReference } from '../../../src/inference/reference/build.js';
import { mapFile } from '../../../src/inference/reference/map-file.js';
import { Reference } from '../../../src/inference/reference/reference.js';
import { ScDiVa } from '../../../src/inference/scdiva.js';
import { auroc } from '../../../src/metrics/ranking.js';
import { separableCells, untrainedAnnotator, untrainedCheckpoint } from '../../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../../support/small-h5ad.js';

const folderOf = temporaryFolder('reference');
let folder: string;
let model: ScDiVa;
let atlas: string;

const cells = separableCells(1, 150);
const fresh = separableCells(9, 60);

beforeAll(async () => {
  folder = await folderOf();
  // What the model has not learned its embedding shows all the same: which genes a cell expresses.
  model = await ScDiVa.fromPretrained(await untrainedCheckpoint(folder, await smallCorpus(folder, cells, { label: 'cell_type' })));
  atlas = await build('atlas', { ...cells, obs: { cell_type: cells.types.map((type, i) => (i === 7 ? null : type)) } });
});
afterAll(() => model.dispose());

async function write(name: string, content: SmallH5ad): Promise<string> {
  const path = join(folder, name);
  await writeSmallH5ad(path, content);
  return path;
}

async function build(name: string, content: SmallH5ad, options = {}): Promise<string> {
  const out = join(folder, name);
  await buildReference(model, { input: await write(`${name}.h5ad`, content), labelKey: 'cell_type', out, version: '1.2.3' }, options);
  return out;
}

async function encode(content: SmallH5ad) {
  const file = await openCellFile(await write('query.h5ad', content));
  const encoded = await model.encode(file);
  file.close();
  return encoded;
}

describe('a reference', () => {
  it('says all about itself, and leaves cells without a label out', async () => {
    const { manifest } = await Reference.open(atlas, model);
    expect(manifest).toMatchObject({
      format: 1,
      version: '1.2.3',
      labelKey: 'cell_type',
      classes: ['B', 'NK', 'T'],
      classSizes: [50, 49, 50],
      numCells: 149,
      embeddingDim: 16,
      numNeighbours: 15,
      threshold: 0.01,
      source: { file: 'atlas.h5ad', valueKind: 'counts' },
    });
    expect(manifest.leaveOneOut.accuracy).toBeGreaterThan(0.8);
    expect(await readdir(atlas)).toEqual(['labels.safetensors', 'neighbours.usearch', 'reference.json']);
  });

  it('gives new cells the types of their neighbours', async () => {
    const mapped = (await Reference.open(atlas, model)).map(await encode(fresh), { threshold: 0 });
    expect(mapped.labels.filter((label, i) => label === fresh.types[i]).length / 60).toBeGreaterThan(0.9);
    expect(mapped.numUnknown).toBe(0);
    mapped.agreement.forEach((share) => expect(share).toBeGreaterThan(1 / 3));
  });

  it('calls few of its own kind unknown, and tells by distance the cells of a type it does not have', async () => {
    const isT = (type: string) => type === 'T';
    const without = await build('without-t', { ...cells, obs: { cell_type: cells.types.map((type) => (isT(type) ? null : type)) } });
    const mapped = (await Reference.open(without, model)).map(await encode(fresh));
    const isForeign = Uint8Array.from(fresh.types, (type) => (isT(type) ? 1 : 0));
    // In a space that nothing was learned for; reference.slow.test.ts asks more of a trained one.
    expect(auroc(mapped.distance, isForeign)).toBeGreaterThan(0.7);
    expect(mapped.labels.filter((label, i) => label === 'unknown' && !isForeign[i]).length / 40).toBeLessThan(0.15);
  });

  it('says unknown, confidence 0, of a cell without any gene of the vocabulary', async () => {
    const rows = [fresh.x!.rows[0]!, new Array<number>(40).fill(0)];
    const mapped = (await Reference.open(atlas, model)).map(await encode({ ...fresh, x: { rows, encoding: 'csr' }, cellIds: ['a', 'b'], obs: {} }), {
      threshold: 0,
    });
    expect([mapped.labels[1], mapped.confidence[1], mapped.agreement[1], mapped.mostLikely[1], mapped.distance[1], mapped.numUnknown]).toEqual([
      'unknown',
      0,
      0,
      -1,
      NaN,
      1,
    ]);
  });

  it('writes what it found into a copy of the file', async () => {
    const input = await write('in.h5ad', fresh);
    const output = join(folder, 'out.h5ad');
    const reference = await Reference.open(atlas, model);
    const report = await mapFile(model, reference, { input, output }, await provenanceOf(model, '1', false), { threshold: 0.2 });
    const written = await openCellFile(output);
    const labels = written.obs('scdiva_cell_type');
    const confidence = written.obs('scdiva_confidence');
    if (labels.kind !== 'categorical' || confidence.kind !== 'numeric') throw new Error('other columns');
    confidence.values.forEach((p, i) => expect(labels.categories[labels.codes[i]!] === 'unknown').toBe(p < 0.2));
    expect(written.obsKeys).toEqual(['cell_type', 'scdiva_cell_type', 'scdiva_confidence', 'scdiva_agreement', 'scdiva_distance']);
    expect(written.embedding!('X_scdiva')).toMatchObject({ numRows: 60, numColumns: 16 });
    written.close();
    expect(report).toMatchObject({ numCells: 60, threshold: 0.2 });
    expect(Object.values(report.labels).reduce((a, b) => a + b)).toBe(60);
  });
});

describe('a reference is refused in one line', () => {
  const refusal = (path: string, by = model): Promise<string> =>
    Reference.open(path, by).then(
      () => 'opened',
      (error: Error) => error.message,
    );

  it('by another model than it was built with, but not by one of the same embedding with a head', async () => {
    const other = await folderOf();
    const corpus = await smallCorpus(other, separableCells(2, 60), { label: 'cell_type' });
    const another = await ScDiVa.fromPretrained(await untrainedCheckpoint(other, corpus));
    expect(await refusal(atlas, another)).toMatch(
      /atlas: was built with another model \('pretrained', [0-9a-f]{12}…\) than .*pretrained \(expected the model whose space it lies in; name that --checkpoint, or build the reference again with this one\)$/,
    );
    another.dispose();
    const { openCorpus } = await import('../../../src/data/corpus/corpus.js');
    const withHead = await ScDiVa.fromPretrained(await untrainedAnnotator(folder, await openCorpus(join(folder, 'corpus'))));
    expect(await refusal(atlas, withHead)).toBe('opened');
    withHead.dispose();
  });

  it('where it is damaged', async () => {
    const copy = async (name: string): Promise<string> => {
      const path = join(folder, name);
      await cp(atlas, path, { recursive: true });
      return path;
    };
    const index = await copy('index');
    const bytes = await readFile(join(index, 'neighbours.usearch'));
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(join(index, 'neighbours.usearch'), bytes);
    expect(await refusal(index)).toMatch(/neighbours\.usearch: other bytes than were written/);
    const json = await copy('json');
    await writeFile(join(json, 'reference.json'), '{');
    expect(await refusal(json)).toMatch(/reference\.json: not JSON/);
    await writeFile(join(json, 'reference.json'), '{"format": 2}');
    expect(await refusal(json)).toMatch(/reference\.json: format: /);
    expect(await refusal(folder)).toMatch(/reference\.json: no such file \(expected a folder that scdiva reference build has written\)/);
  });

  it('before it is built, for too few labels or none, and nothing is written', async () => {
    const few = { ...fresh, obs: { cell_type: fresh.types.map((type, i) => (i < 15 ? type : null)) } };
    await expect(build('few', few)).rejects.toThrow(/obs\['cell_type'\]: 15 labelled cells \(expected more than the 15 that vote\)/);
    await expect(build('none', { ...fresh, obs: {} })).rejects.toThrow(/obs\['cell_type'\]: no such column/);
    await expect(build('odd', fresh, { numNeighbours: 0 })).rejects.toThrow(/neighbours: 0/);
    await expect(build('odd', fresh, { threshold: 1 })).rejects.toThrow(/threshold: 1/);
    for (const name of ['few', 'none', 'odd']) expect(existsSync(join(folder, name))).toBe(false);
  });
});
