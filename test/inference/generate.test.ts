import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Vocabulary } from '../../src/data/genes/vocabulary.js';
import { Preprocessing } from '../../src/data/loader/config.js';
import { openCellFile } from '../../src/data/readers/open.js';
import { InterruptedError, OutputError } from '../../src/errors.js';
import { GenerateConfig } from '../../src/inference/config.js';
import { generateFile, uniqueNames } from '../../src/inference/generated-file.js';
import { ModelConfig } from '../../src/model/config.js';
import { initialParameters } from '../../src/model/parameters.js';
import { Rng } from '../../src/rng.js';
import { createExecutor } from '../../src/runtime/program/executor.js';
import type { Executor } from '../../src/runtime/program/program.js';
import type { Checkpoint } from '../../src/train/checkpoint.js';
import { separableCells } from '../support/annotated-cells.js';
import { writeSmallH5ad } from '../support/small-h5ad.js';
import { useTensorFlow } from '../support/tensorflow.js';

useTensorFlow();

const folder = mkdtempSync(join(tmpdir(), 'scdiva-generate-'));
afterAll(() => rmSync(folder, { recursive: true }));
const input = join(folder, 'cells.h5ad');
const NUM_CELLS = 7;
const small = separableCells(3, NUM_CELLS);

/** An untrained model of the file's genes and two more, of which two share a symbol. */
const vocabulary = new Vocabulary([
  ...small.geneNames.map((symbol) => ({ symbol, ensemblId: '' })),
  { symbol: 'TWIN', ensemblId: 'E1' },
  { symbol: 'TWIN', ensemblId: 'E2' },
]);
const modelConfig = ModelConfig.parse({ hiddenDim: 16, numLayers: 1, numHeads: 2, ffnDim: 24, maxGenes: 36 });
const checkpoint: Checkpoint = {
  folder: '/somewhere/untrained',
  modelConfig,
  vocabulary,
  entropy: new Float32Array(vocabulary.size).fill(1),
  preprocessing: Preprocessing.parse({ maxGenes: 32, lengthMultiple: 8 }),
  parameters: initialParameters(modelConfig, vocabulary.size, Rng.fromSeed(5)),
};

let executor: Executor;
beforeAll(async () => {
  await writeSmallH5ad(input, small);
  executor = await createExecutor({ kind: 'eager' });
});

const run = (name: string, config: Partial<GenerateConfig>, options: object = {}) =>
  generateFile(checkpoint, executor, { input, output: join(folder, name), config: GenerateConfig.parse({ steps: 3, ...config }), version: '1' }, options);

describe('generateFile', () => {
  it('writes one row for each completion, labels carried over, generated entries marked', async () => {
    const { cells } = await run('half.h5ad', { maskRatio: 0.5, numSamples: 2 });
    const file = await openCellFile(join(folder, 'half.h5ad'));
    expect(file.cellIds).toEqual(small.cellIds.flatMap((id) => [`${id}-sample0`, `${id}-sample1`]));
    const types = file.obs('cell_type');
    expect(types.kind === 'categorical' && Array.from(types.codes, (code) => types.categories[code])).toEqual(small.types.flatMap((type) => [type, type]));
    expect(file.obs('scdiva_source_cell')).toEqual({ kind: 'string', values: small.cellIds.flatMap((id) => [id, id]) });
    const genes = file.matrix('X').genes;
    expect(genes.names.slice(-2)).toEqual(['TWIN', 'TWIN-1']);
    const entries = async (key: string) => {
      const rows: Map<number, number>[] = [];
      for await (const block of file.matrix(key).rowBlocks())
        for (let r = 0; r < block.numRows; r++)
          rows.push(
            new Map(
              Array.from({ length: block.indptr[r + 1]! - block.indptr[r]! }, (_, i) => [
                block.indices[block.indptr[r]! + i]!,
                block.values[block.indptr[r]! + i]!,
              ]),
            ),
          );
      return rows;
    };
    const [x, generated] = [await entries('X'), await entries('layers/scdiva_generated')];
    for (const [row, { geneIds, values, isGenerated }] of cells.entries()) {
      const numGenerated = isGenerated.reduce((a, b) => a + b, 0);
      expect(numGenerated).toBe(Math.round(0.5 * geneIds.length));
      expect(generated[row]!.size).toBe(numGenerated);
      for (const [i, id] of geneIds.entries()) {
        // The reader drops explicit zeros, which a generated value may be.
        expect(x[row]!.get(id - vocabulary.firstGeneId) ?? 0).toBe(values[i]);
        expect(generated[row]!.has(id - vocabulary.firstGeneId)).toBe(isGenerated[i] === 1);
      }
    }
    file.close();
  });

  it('leaves the given genes as the model saw them, and gives samples that differ in what was hidden alone', async () => {
    const { cells } = await run('samples.h5ad', { maskRatio: 0.4, numSamples: 3 });
    const { cells: whole } = await run('whole.h5ad', { extraGenes: 1 });
    const given = (cell: (typeof cells)[number]) => new Map([...cell.geneIds].flatMap((id, i) => (cell.isGenerated[i] ? [] : [[id, cell.values[i]!]])));
    for (let c = 0; c < NUM_CELLS; c++) {
      const samples = cells.slice(3 * c, 3 * c + 3);
      const original = given(whole[c]!);
      for (const sample of samples) {
        expect(sample.cellIndex).toBe(c);
        expect(given(sample)).toEqual(given(samples[0]!));
        for (const [id, value] of given(sample)) expect(original.get(id)).toBe(value);
      }
    }
    expect(cells.some((cell, i) => i % 3 > 0 && String(cell.geneIds) !== String(cells[i - 1]!.geneIds))).toBe(true);
  });

  it('adds genes up to the model’s positions and says how many cells were full', async () => {
    const { cells, recovery, numFull } = await run('more.h5ad', { extraGenes: 100 });
    expect(recovery).toBeNull();
    expect(numFull).toBe(0);
    for (const { geneIds, isGenerated } of cells) {
      expect(geneIds.length).toBe(36);
      expect(new Set(geneIds).size).toBe(36);
      expect(isGenerated.some(Boolean)).toBe(true);
    }
  });

  it('repeats with the seed whatever the batch size, and takes the first cells only where told to', async () => {
    const plain = ({ cells }: { cells: readonly object[] }) => JSON.stringify(cells);
    const all = await run('seed.h5ad', { maskRatio: 0.5, seed: 4, temperature: 0 });
    expect(plain(await run('seed.h5ad', { maskRatio: 0.5, seed: 4, temperature: 0 }))).toBe(plain(all));
    expect(plain(await run('seed.h5ad', { maskRatio: 0.5, seed: 5, temperature: 0 }))).not.toBe(plain(all));
    const few = await run('seed.h5ad', { maskRatio: 0.5, seed: 4, temperature: 0, maxCells: 3 }, { batchSize: 2 });
    expect(few.cells.map(({ cellIndex, geneIds }) => [cellIndex, [...geneIds]])).toEqual(
      all.cells.slice(0, 3).map(({ cellIndex, geneIds }) => [cellIndex, [...geneIds]]),
    );
  });

  it('counts what came back, beside what chance would bring', async () => {
    // With every gene hidden and as many drawn from 42, chance finds numGenes / 42 of them.
    const { cells, recovery } = await run('all.h5ad', { maskRatio: 1, numSamples: 2 });
    const sizes = cells.map(({ geneIds }) => geneIds.length);
    const numHidden = sizes.reduce((a, b) => a + b, 0);
    expect(recovery!.numHidden).toBe(numHidden);
    expect(recovery!.numGenerated).toBe(numHidden);
    expect(recovery!.chanceRecall).toBeCloseTo(sizes.reduce((sum, n) => sum + (n * n) / 42, 0) / numHidden, 10);
    // An untrained model is no better than chance, but for luck.
    expect(Math.abs(recovery!.recall - recovery!.chanceRecall)).toBeLessThan(0.25);
  });

  it('keeps no tensor behind, nor after an interruption, and writes nothing then', async () => {
    await run('leak.h5ad', { maskRatio: 0.5 });
    const before = tf.memory().numTensors;
    await run('leak.h5ad', { maskRatio: 0.5 });
    expect(tf.memory().numTensors).toBe(before);
    await expect(run('never.h5ad', { maskRatio: 0.5 }, { signal: AbortSignal.abort() })).rejects.toThrow(InterruptedError);
    expect(tf.memory().numTensors).toBe(before);
    await expect(openCellFile(join(folder, 'never.h5ad'))).rejects.toThrow(/no such file/);
  });

  it('never writes over its input', async () => {
    await expect(run('cells.h5ad', { maskRatio: 0.5 })).rejects.toThrow(OutputError);
    (await openCellFile(input)).close();
  });
});

describe('uniqueNames', () => {
  it('numbers repeated names without meeting names there are', () => {
    expect(uniqueNames(['a', 'b', 'a', 'a-1', 'a', 'b'])).toEqual(['a', 'b', 'a-2', 'a-1', 'a-3', 'b-1']);
  });
});

describe('GenerateConfig', () => {
  it('wants something to generate', () => {
    expect(GenerateConfig.safeParse({}).error?.issues[0]?.message).toMatch(/maskRatio or extraGenes above 0/);
    expect(GenerateConfig.safeParse({ maskRatio: 1.5 }).success).toBe(false);
  });
});
