// V 12 genes with the special ids around them
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SamplerConfig } from '../../src/diffusion/config.js';
import type { Denoiser } from '../../src/diffusion/denoiser.js';
import { blankGenes, type PartialCells } from '../../src/diffusion/partial-cells.js';
import { completeCells } from '../../src/diffusion/sampler.js';
import type { GeneIdLayout } from '../../src/model/gene-ids.js';
import { Rng } from '../../src/rng.js';
import { drawBatch } from '../support/cell-batches.js';

const ids: GeneIdLayout = { size: 17, padId: 0, maskId: 1, padFillId: 14, bosId: 15, eosId: 16 };
const config = (changes: Partial<SamplerConfig> = {}) => SamplerConfig.parse({ steps: 4, ...changes });
const keys = (n: number) => Array.from({ length: n }, (_, b) => `cell/${b}`);

/** Believes what `logit` says of (slot, id), and that every slot's value is its number minus 2. */
function believer(logit: (slot: number, id: number, cells: PartialCells) => number): Denoiser & { readonly asked: number[][] } {
  const asked: number[][] = [];
  return {
    asked,
    async predict(cells, slots, visit) {
      asked.push([...slots]);
      for (const slot of slots)
        visit(
          slot,
          Float32Array.from({ length: ids.size }, (_, id) => logit(slot, id, cells)),
          slot - 2,
        );
    },
    dispose() {},
  };
}
const knowsNothing = believer(() => 0);
const genesOf = (cells: PartialCells, b: number, n: number) => Array.from(cells.geneIds.subarray(b * cells.seqLen, b * cells.seqLen + n));
const half = (seed = 1) => blankGenes(drawBatch([8, 5], 9, ids, seed), { maskRatio: 0.5, numExtraGenes: 0, maxGenes: 9 }, ids, Rng.fromSeed(seed));

describe('completeCells', () => {
  it('fills every unknown slot with a gene the cell does not have, and leaves the rest alone (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 4 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat({ max: 3 }),
        fc.constantFrom('random' as const, 'confidence' as const),
        fc.nat(),
        async (numGenes, maskRatio, numExtraGenes, order, seed) => {
          const before = blankGenes(drawBatch(numGenes, 8, ids, seed), { maskRatio, numExtraGenes, maxGenes: 10 }, ids, Rng.fromSeed(seed));
          const start = structuredClone(before);
          // Every slot wants the same gene: only the rule against repetition tells them apart.
          const after = await completeCells(
            before,
            believer((_, id) => (id === 5 ? 9 : id % 3)),
            ids,
            config({ order, temperature: seed % 2 }),
            Rng.fromSeed(seed),
            keys(numGenes.length),
          );
          expect(before).toEqual(start);
          expect(after.isUnknown.some(Boolean)).toBe(false);
          for (const [b, n] of numGenes.entries()) {
            const length = Math.min(10, n + numExtraGenes);
            const genes = genesOf(after, b, length);
            expect(new Set(genes).size).toBe(length);
            for (const id of genes) expect(id >= 2 && id < 14).toBe(true);
            expect(
              genesOf(after, b, after.seqLen)
                .slice(length)
                .every((id) => id === ids.padId),
            ).toBe(true);
          }
          for (const [slot, isUnknown] of start.isUnknown.entries()) {
            if (isUnknown) expect(after.values[slot]).toBe(Math.max(0, slot - 2));
            else expect([after.geneIds[slot], after.values[slot]]).toEqual([start.geneIds[slot], start.values[slot]]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('recovers what a denoiser is sure of', async () => {
    const batch = drawBatch([8, 5], 9, ids);
    const sure = believer((slot, id) => (batch.geneIds[slot] === id ? 50 : 0));
    for (const order of ['random', 'confidence'] as const) {
      const after = await completeCells(half(), sure, ids, config({ order }), Rng.fromSeed(3), keys(2));
      for (const [b, n] of [8, 5].entries()) expect(genesOf(after, b, n)).toEqual(Array.from(batch.geneIds.subarray(b * 9, b * 9 + n)));
    }
  });

  it('asks once a step, random slots in equal shares, and shows what was filled before', async () => {
    const cells = blankGenes(drawBatch([8], 8, ids), { maskRatio: 1, numExtraGenes: 0, maxGenes: 8 }, ids, Rng.fromSeed(1));
    const numUnknownSeen: number[] = [];
    const numLeft: number[] = [];
    const denoiser = believer((slot, id, seen) => {
      if (id === 0) numUnknownSeen.push(seen.isUnknown.reduce((a, b) => a + b, 0));
      return slot === id - 2 ? 20 : 0;
    });
    await completeCells(cells, denoiser, ids, config(), Rng.fromSeed(3), keys(1), (n) => numLeft.push(n));
    expect(denoiser.asked.map((slots) => slots.length)).toEqual([2, 2, 2, 2]);
    expect(new Set(denoiser.asked.flat()).size).toBe(8);
    expect(numUnknownSeen).toEqual([8, 8, 6, 6, 4, 4, 2, 2]);
    expect(numLeft).toEqual([6, 4, 2, 0]);
    expect(denoiser.asked.flat()).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('by confidence fills the slots first that the denoiser is surest of', async () => {
    const cells = blankGenes(drawBatch([8], 8, ids), { maskRatio: 1, numExtraGenes: 0, maxGenes: 8 }, ids, Rng.fromSeed(1));
    const denoiser = believer((slot, id) => (id === slot + 2 ? slot + 1 : 0));
    await completeCells(cells, denoiser, ids, config({ order: 'confidence', temperature: 0 }), Rng.fromSeed(3), keys(1));
    expect(denoiser.asked).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7],
      [0, 1, 2, 3, 4, 5],
      [0, 1, 2, 3],
      [0, 1],
    ]);
  });

  it('repeats with the seed, changes with it, and completes a cell alike whatever stands beside it', async () => {
    const complete = async (cells: PartialCells, seed: number, names: string[]) => completeCells(cells, knowsNothing, ids, config(), Rng.fromSeed(seed), names);
    const both = await complete(half(), 1, ['a', 'b']);
    expect(await complete(half(), 1, ['a', 'b'])).toEqual(both);
    expect((await complete(half(), 2, ['a', 'b'])).geneIds).not.toEqual(both.geneIds);
    const { geneIds, values, isUnknown } = half();
    const second: PartialCells = { numCells: 1, seqLen: 9, geneIds: geneIds.subarray(9), values: values.subarray(9), isUnknown: isUnknown.subarray(9) };
    expect(genesOf(await complete(second, 1, ['b']), 0, 9)).toEqual(genesOf(both, 1, 9));
  });

  it('refuses a cell with more unknown slots than genes it lacks', async () => {
    const batch = drawBatch([12], 12, ids);
    const cells = blankGenes(batch, { maskRatio: 0, numExtraGenes: 1, maxGenes: 13 }, ids, Rng.fromSeed(1));
    await expect(completeCells(cells, knowsNothing, ids, config(), Rng.fromSeed(1), keys(1))).rejects.toThrow(
      '1 slots to fill and only 0 genes that the cell does not have',
    );
  });
});

describe('blankGenes', () => {
  it('hides the stated share of each cell and appends unknown slots up to the model’s length', () => {
    const batch = drawBatch([8, 5], 9, ids);
    const cells = blankGenes(batch, { maskRatio: 0.4, numExtraGenes: 4, maxGenes: 10 }, ids, Rng.fromSeed(5));
    expect(cells.seqLen).toBe(10);
    const unknown = (b: number) => Array.from(cells.isUnknown.subarray(b * 10, b * 10 + 10));
    expect(unknown(0).slice(0, 8).filter(Boolean)).toHaveLength(3);
    expect(unknown(0).slice(8)).toEqual([1, 1]);
    expect(unknown(1).slice(0, 5).filter(Boolean)).toHaveLength(2);
    expect(unknown(1).slice(5)).toEqual([1, 1, 1, 1, 0]);
    for (const [slot, isUnknown] of cells.isUnknown.entries()) if (isUnknown) expect([cells.geneIds[slot], cells.values[slot]]).toEqual([ids.maskId, 0]);
  });

  it('hides the same genes of a cell in any batch', () => {
    const two = half();
    const batch = drawBatch([8, 5], 9, ids);
    const alone = {
      ...batch,
      numCells: 1,
      geneIds: batch.geneIds.subarray(9),
      values: batch.values.subarray(9),
      numGenes: batch.numGenes.subarray(1),
      cellIndex: batch.cellIndex.subarray(1),
    };
    const one = blankGenes(alone, { maskRatio: 0.5, numExtraGenes: 0, maxGenes: 9 }, ids, Rng.fromSeed(1));
    expect(one.isUnknown).toEqual(two.isUnknown.subarray(9));
  });
});
