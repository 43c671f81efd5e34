import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareModels, syntheticBatches } from '../../../src/inference/export/check.js';
import { exportCheckpoint } from '../../../src/inference/export/export.js';
import { runSignatures } from '../../../src/inference/export/run-signatures.js';
import { signaturesOf } from '../../../src/inference/export/signatures.js';
import { readSafetensors } from '../../../src/model/safetensors.js';
import { allParameters, openCheckpoint, type OpenCheckpoint } from '../../../src/train/checkpoint.js';
import { headedCheckpoint } from '../../support/headed-checkpoint.js';
import { randomCells, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';
import { hasNative, useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();
const newFolder = temporaryFolder('export');

describe('exporting', () => {
  let folder: string;
  let checkpoint: OpenCheckpoint;
  let cells: string;
  beforeAll(async () => {
    folder = await newFolder();
    checkpoint = await openCheckpoint(await headedCheckpoint(folder));
    cells = join(folder, 'cells.h5ad');
    await writeSmallH5ad(cells, randomCells(3, 9, 40));
  });

  it('writes safetensors that hold every parameter bit for bit, and can be loaded again', async () => {
    const out = join(folder, 'released');
    const report = await exportCheckpoint(checkpoint, out, { format: 'safetensors' });
    expect(report).toMatchObject({ ok: true, comparedOn: 'random cells', numCells: 6 });
    expect(report.differences.every(({ difference }) => difference === 0)).toBe(true);
    expect(await readSafetensors(join(out, 'model.safetensors'))).toEqual(await allParameters(checkpoint));
    expect((await openCheckpoint(out)).head?.info.task).toBe('annotation');
  });

  it.runIf(hasNative)('writes a SavedModel that TensorFlow loads, equal to 1e-5 on real cells', async () => {
    const out = join(folder, 'served');
    const report = await exportCheckpoint(checkpoint, out, { format: 'saved-model', data: cells });
    expect(report).toMatchObject({ ok: true, comparedOn: cells, numCells: 9 });
    expect(report.differences.map(({ signature, output }) => `${signature} ${output}`)).toEqual([
      'embed latent',
      'annotate latent',
      'annotate probabilities',
      'annotate confidence',
      'annotate label_ids',
      'reconstruct genes',
      'reconstruct values',
    ]);
    expect(report.signatures['annotate']).toEqual({ gene_ids: ['cells', 'genes'], values: ['cells', 'genes'] });
    expect(report.files.map(({ name }) => name)).toEqual(expect.arrayContaining(['saved_model.pb', 'variables/variables.index', 'assets.extra/genes.tsv']));
  });

  it.runIf(hasNative)('writes a graph model that TensorFlow.js runs, equal to 1e-4 on real cells, and near with fewer bits', async () => {
    const report = await exportCheckpoint(checkpoint, join(folder, 'tfjs'), { format: 'tfjs', data: cells });
    expect(report).toMatchObject({ ok: true, tolerance: 1e-4, numCells: 9 });
    expect(report.files.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['model.json', 'group1-shard1of1.bin', 'genes.tsv', 'entropy.tsv', 'preprocessing.json', 'head.json']),
    );
    const sizeOf = ({ files }: typeof report) => files.find(({ name }) => name.endsWith('.bin'))!.sizeBytes;
    const rounded = { f16: 1e-3, u8: 0.1 };
    let before = report;
    for (const [precision, most] of Object.entries(rounded)) {
      const other = await exportCheckpoint(checkpoint, join(folder, `tfjs-${precision}`), { format: `tfjs-${precision}`, data: cells });
      const { relative } = other.differences.find(({ signature }) => signature === 'embed')!;
      expect(other).toMatchObject({ ok: true, tolerance: null });
      expect(relative).toBeGreaterThan(before.differences.find(({ signature }) => signature === 'embed')!.relative);
      expect(relative).toBeLessThan(most);
      expect(sizeOf(other)).toBeLessThan(sizeOf(before));
      before = other;
    }
  });

  it('sees a model that is another one', async () => {
    const other = await openCheckpoint(await headedCheckpoint(await newFolder()));
    const name = 'final_norm.weight';
    const changed = {
      ...other,
      async *readParameters(isWanted?: (name: string) => boolean) {
        for await (const [key, tensor] of other.readParameters(isWanted))
          yield [key, key === name ? { ...tensor, data: Float32Array.from(tensor.data, (x) => 1.001 * x) } : tensor] as const;
      },
    };
    const [a, b] = [await runSignatures(checkpoint), await runSignatures(changed)];
    const differences = await compareModels(signaturesOf(checkpoint), a, b, syntheticBatches(checkpoint, [[2, 9]]));
    expect(differences.find(({ signature }) => signature === 'embed')!.relative).toBeGreaterThan(1e-4);
    a.dispose();
    b.dispose();
  });

  it('refuses a format there is none of and a folder that is there, and writes nothing', async () => {
    await expect(exportCheckpoint(checkpoint, join(folder, 'x'), { format: 'onnx' })).rejects.toThrow(/--format: onnx \(expected .*safetensors, saved-model/);
    await expect(exportCheckpoint(checkpoint, folder, { format: 'safetensors' })).rejects.toThrow(/exists already/);
    expect(existsSync(join(folder, 'x'))).toBe(false);
  });
});
