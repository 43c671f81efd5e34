import fc from 'fast-check';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeH5ad, type AnnDataLike } from '../../src/inference/cells.js';
import { ScDiVaInference } from '../../src/inference/engine.js';
import { ScDiVa } from '../../src/inference/scdiva.js';
import { openCellFile } from '../../src/data/readers/open.js';
import { expectClose } from '../support/expect-close.js';
import { headedCheckpoint } from '../support/headed-checkpoint.js';
import { randomCells, temporaryFolder } from '../support/small-corpus.js';
import { executorKinds, useTensorFlow } from '../support/tensorflow.js';

useTensorFlow();
const newFolder = temporaryFolder('sdk');
/** Cells with 1 to all genes: batches of them need padding. */
const rows = randomCells(11, 13, 40).x!.rows.map((row, i) => row.map((count, gene) => (gene % (1 + (i % 4)) === 0 ? count : 0)));
rows[0]![7] = 30;
const geneNames = Array.from({ length: 40 }, (_, i) => `GENE${i}`);
const dense = (cells: readonly (readonly number[])[]) => ({ shape: [cells.length, cells[0]!.length] as const, data: Float32Array.from(cells.flat()) });

describe('the model from code', () => {
  let folder: string;
  let checkpoint: string;
  let model: ScDiVa;
  let reference: Float32Array;
  const D = 12;
  beforeAll(async () => {
    folder = await newFolder();
    checkpoint = await headedCheckpoint(folder);
    model = await ScDiVa.fromPretrained(checkpoint);
    reference = (await model.encode({ X: dense(rows), var: geneNames })).latent.data;
  });
  afterAll(() => model.dispose());

  it('embeds a file, an object as AnnData, sparse rows, and a dense matrix over the vocabulary alike', async () => {
    const file = join(folder, 'cells.h5ad');
    await writeH5ad(file, {
      X: dense(rows),
      var: geneNames,
      obs: { donor: rows.map((_, i) => `D${i % 2}`), depth: Float32Array.from(rows, (_, i) => i) },
      obsm: { X_any: dense(rows.map(([a]) => [a!, 1])) },
    });
    const cells = await openCellFile(file);
    expect(cells.obs('donor')).toMatchObject({ kind: 'string' });
    const latents = [
      (await model.encode(cells)).latent,
      (await model.encode({ X: sparse(rows), var: geneNames })).latent,
      (await model.encode(rows)).latent, // one column a gene
      (await model.encode(dense(rows.map((row) => [0, 0, ...row, 0, 0, 0])))).latent, // one column an id
    ];
    expect(cells.embedding?.('X_any').numColumns).toBe(2);
    cells.close();
    for (const { shape, data } of latents) {
      expect(shape).toEqual([rows.length, D]);
      expectClose(data, reference, { atol: 1e-6 });
    }
  });

  it.each(executorKinds)('gives a cell the same embedding in any batch, order and company, to 1e-5 (%s)', { timeout: 60_000 }, async (executor) => {
    const model = await ScDiVa.fromPretrained(checkpoint, { executor });
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...rows.keys()], { minLength: 1 }), fc.integer({ min: 1, max: 16 }), async (order, batchSize) => {
        const { latent } = await model.encode({ X: dense(order.map((row) => rows[row]!)), var: geneNames }, { batchSize });
        order.forEach((row, i) => expectClose(latent.data.subarray(i * D, (i + 1) * D), reference.subarray(row * D, (row + 1) * D), { atol: 1e-5 }));
      }),
      { numRuns: 12, seed: 3 },
    );
    model.dispose();
  });

  it('hands embeddings out batch by batch', async () => {
    const seen: number[] = [];
    for await (const { rows: of, latent } of model.encodeBatches({ X: dense(rows), var: geneNames }, { batchSize: 5 })) {
      expect(latent.shape).toEqual([of.length, D]);
      of.forEach((row, i) => expectClose(latent.data.subarray(i * D, (i + 1) * D), reference.subarray(row * D, (row + 1) * D), { atol: 1e-5 }));
      seen.push(...of);
    }
    expect(seen).toEqual([...rows.keys()]);
  });

  it('predicts what its head is for, and says so of other tasks', async () => {
    const adata: AnnDataLike = { X: dense(rows), var: geneNames };
    const engine = new ScDiVaInference({ model });
    const annotation = await model.predict(adata, 'annotation');
    expect(annotation.labels).toEqual((await engine.annotate(adata)).labels);
    expect(annotation.classes).toEqual(['B', 'NK', 'T']);
    await expect(model.predict(adata, 'integration')).rejects.toThrow(/its head is for annotation/);
    await expect(engine.integrateBatches([adata, adata])).rejects.toThrow(/its head is for annotation/);
    await expect(engine.perturb(adata, ['GENE1'])).rejects.toThrow(/its head is for annotation/);
    expect(() => model.predict(adata, 'clustering' as 'annotation')).toThrow(/task: clustering \(expected annotation, integration\)/);
  });

  it('completes cells and infers networks of cells in memory', async () => {
    const adata: AnnDataLike = { X: dense(rows), var: geneNames };
    const { cells, recovery } = await model.generate(adata, { maskRatio: 0.3, steps: 2, maxCells: 3 });
    expect(cells.length).toBe(3);
    expect(recovery!.numHidden).toBeGreaterThan(0);
    await expect(model.generate(adata, {})).rejects.toThrow(/maskRatio/);
    const engine = new ScDiVaInference({ model });
    const asked = { minCells: 2, knockoutCells: 8, regulators: ['GENE0', 'GENE12'] };
    const { genes, weights, baselines } = await engine.grn(adata, asked);
    expect(genes.regulators.length).toBe(2);
    expect([Object.keys(weights), baselines.size]).toEqual([['vectors'], 0]);
    const all = await engine.grn(adata, { ...asked, methods: ['attention', 'dosage', 'removal'], baselines: true });
    for (const [name, network] of [['vectors', weights.vectors!] as const, ...Object.entries(all.weights), ...all.baselines]) {
      expect([name, network.length, network.every(Number.isFinite)]).toEqual([name, 2 * genes.genes.length, true]);
      // Attention asks for more cells that show a pair than there are.
      if (name !== 'attention') expect([name, network.some((w) => w !== 0)]).toEqual([name, true]);
    }
    await expect(engine.grn(adata, { ...asked, methods: ['perturbation'] })).rejects.toThrow(/the model has learned no perturbations/);
  });

  it('refuses what does not go together, in one line', async () => {
    await expect(model.encode(dense(rows.map((row) => row.slice(1))))).rejects.toThrow(/39 columns \(expected 45, one for each id of the vocabulary, or 40/);
    await expect(model.encode({ X: dense(rows), var: geneNames.slice(1) })).rejects.toThrow(/var: 39 genes \(expected 40/);
    await expect(model.encode({ X: { ...sparse(rows), indptr: [0, 1] }, var: geneNames })).rejects.toThrow(/X.indptr: 2 offsets/);
    await expect(model.encode({ X: dense(rows), var: geneNames, obs: { donor: ['D1'] } })).rejects.toThrow(/obs\['donor'\]: 1 entries/);
    await expect(model.encode([[1, 2], [3]])).rejects.toThrow(/row 1: 1 numbers/);
    await expect(writeH5ad(join(folder, 'twice.h5ad'), { X: dense(rows), var: geneNames, obsNames: rows.map(() => 'cell') })).rejects.toThrow(
      /names that repeat/,
    );
  });
});

function sparse(cells: readonly (readonly number[])[]): { shape: [number, number]; indptr: number[]; indices: number[]; data: number[] } {
  const entries = cells.map((row) => row.flatMap((value, gene) => (value ? [[gene, value] as const] : [])));
  const indptr = [0];
  for (const row of entries) indptr.push(indptr.at(-1)! + row.length);
  return { shape: [cells.length, cells[0]!.length], indptr, indices: entries.flat().map(([gene]) => gene), data: entries.flat().map(([, value]) => value) };
}
