// B cells, L gene slots a cell, V gene vocabulary
import { describe, expect, it } from 'vitest';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { Preprocessing } from '../../../src/data/loader/config.js';
import type { Denoiser } from '../../../src/diffusion/denoiser.js';
import { Rng } from '../../../src/rng.js';
import { reconstructionBaselines } from '../../../src/tasks/reconstruction/baselines.js';
import { hiddenSlots, partialCells, type RankedCellSlots } from '../../../src/tasks/reconstruction/cells.js';
import { fillWithModel, likeliestGenes } from '../../../src/tasks/reconstruction/fill-with-model.js';
import { rankAgain, scoreFilledCells } from '../../../src/tasks/reconstruction/scores.js';

const vocabulary = new Vocabulary(Array.from({ length: 12 }, (_, i) => ({ symbol: `G${i}`, ensemblId: '' }))); // ids 2 … 13
const preprocessing = Preprocessing.parse({ maxGenes: 8, lengthMultiple: 4 });
const weights = new Float32Array(vocabulary.size).fill(1);

function cell(row: number, ids: readonly number[], values: readonly number[], trueValues = values): RankedCellSlots {
  return { row, geneIds: Int32Array.from(ids), values: Float32Array.from(values), trueValues: Float32Array.from(trueValues) };
}

/** Believes of every slot what it is told. */
function denoiserOf(believe: (slot: number) => { logits: Partial<Record<number, number>>; value: number }): Denoiser {
  return {
    async predict(_cells, slots, visit) {
      for (const slot of slots) {
        const { logits, value } = believe(slot);
        visit(
          slot,
          Float32Array.from({ length: vocabulary.size }, (_, id) => logits[id] ?? -9),
          value,
        );
      }
    },
    dispose() {},
  };
}

describe('hiding genes', () => {
  const one = cell(3, [2, 3, 4, 5, 6, 7, 8, 9], [8, 7, 6, 5, 4, 3, 2, 1]);

  it('hides the share asked for, at least one gene, and more at a larger ratio without letting go of any', () => {
    const at = (ratio: number) => hiddenSlots(one, ratio, Rng.fromSeed(1));
    const count = (hidden: Uint8Array) => hidden.reduce((sum, is) => sum + is, 0);
    expect([0.01, 0.25, 0.5, 1].map((ratio) => count(at(ratio)))).toEqual([1, 2, 4, 8]);
    at(0.25).forEach((is, slot) => is && expect(at(0.5)[slot]).toBe(1));
    expect(at(0.5)).not.toEqual(hiddenSlots({ ...one, row: 4 }, 0.5, Rng.fromSeed(1)));
  });

  it('shows the model nothing of a hidden gene, and [LAT] only where it is asked to', () => {
    const hidden = Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 1);
    const blind = partialCells([one], [hidden], vocabulary, preprocessing, false);
    expect([...blind.geneIds]).toEqual([2, vocabulary.maskId, 4, 5, 6, 7, 8, vocabulary.maskId]);
    expect([...blind.values]).toEqual([8, 0, 6, 5, 4, 3, 2, 0]);
    expect(blind.truth).toBeUndefined();
    expect([...partialCells([one], [hidden], vocabulary, preprocessing, true).truth!.geneIds]).toEqual([...one.geneIds]);
  });
});

describe('filling in one pass', () => {
  it('gives a gene to the best rank that wants it, never one that the cell shows, and no negative value', async () => {
    const partial = partialCells([cell(0, [5, 6, 7, 8], [4, 3, 2, 1])], [Uint8Array.of(1, 0, 1, 1)], vocabulary, preprocessing, false);
    const denoiser = denoiserOf((slot) => ({ logits: { 6: 9, 10: 5, 11: slot === 3 ? -5 : 2, 3: 1 }, value: slot === 2 ? -1 : 2.5 }));
    const filled = await likeliestGenes(partial, denoiser, vocabulary);
    expect([...filled.geneIds]).toEqual([10, 6, 11, 3]);
    expect([...filled.values]).toEqual([2.5, 3, 0, 2.5]);
  });

  it('is right everywhere for a denoiser that knows the cells, whatever order they are computed in', async () => {
    const cells = [cell(0, [2, 3, 4], [3, 2, 1]), cell(1, [9, 8, 7, 6, 5], [5, 4, 3, 2, 1]), cell(2, [4, 13], [2, 1])];
    const hidden = cells.map((one) => hiddenSlots(one, 0.6, Rng.fromSeed(2)));
    const byLength = [2, 0, 1];
    const denoiser = (batch: readonly number[]): Denoiser => ({
      async predict({ seqLen }, slots, visit) {
        for (const slot of slots) {
          const { geneIds, values } = cells[batch[Math.floor(slot / seqLen)]!]!;
          visit(
            slot,
            Float32Array.from({ length: vocabulary.size }, (_, id) => Number(id === geneIds[slot % seqLen])),
            values[slot % seqLen]!,
          );
        }
      },
      dispose() {},
    });
    const options = { vocabulary, preprocessing, latent: 'visible' as const, sampler: null, batchSize: 3, rng: Rng.fromSeed(1) };
    const filled = await fillWithModel(cells, hidden, denoiser(byLength), options);
    const scores = scoreFilledCells(cells, hidden, filled, weights);
    expect(scores).toMatchObject({ hiddenAccuracy: 1, hiddenRecall: 1, hiddenValueR2: 1, lDistMean: 0, spearmanFull: 1, valueR2: 1 });
    const reversed = await fillWithModel(cells, hidden, denoiser(byLength), { ...options, sampler: { steps: 3, order: 'random', temperature: 0, topK: null } });
    expect(reversed).toEqual(filled);
  });
});

describe('scores of filled cells', () => {
  it('ranks the filled cell again by value times weight, so that a wrong value moves a right gene', () => {
    const cells = [cell(0, [2, 3, 4, 5], [4, 3, 2, 1])];
    const hidden = [Uint8Array.of(0, 1, 0, 0)];
    const faint = scoreFilledCells(cells, hidden, [{ geneIds: Int32Array.of(2, 3, 4, 5), values: Float32Array.of(4, 0.5, 2, 1) }], weights);
    expect(faint.inPlace.lDistMean).toBe(0);
    expect(faint.lDistMean).toBe(2);
    expect(faint.hiddenAccuracy).toBe(1);
    const doubled = weights.map((weight, id) => (id === 5 ? 10 : weight));
    expect([...(rankAgain({ geneIds: Int32Array.of(2, 3, 4, 5), values: Float32Array.of(4, 3, 2, 1) }, doubled).geneIds as Int32Array)]).toEqual([5, 2, 3, 4]);
  });

  it('judges a cell shown at less depth by its values at full depth', () => {
    const cells = [cell(0, [2, 3, 4], [3, 2, 1], [1, 2, 3])];
    const scores = scoreFilledCells(cells, [Uint8Array.of(1, 0, 0)], [{ geneIds: Int32Array.of(2, 3, 4), values: Float32Array.of(1, 2, 3) }], weights);
    expect(scores).toMatchObject({ lDistMean: 0, valueR2: 1, spearmanShared: 1 });
  });

  it('counts a slot that nothing was put into as missing from the list', () => {
    const cells = [cell(0, [2, 3, 4, 5], [4, 3, 2, 1])];
    const scores = scoreFilledCells(
      cells,
      [Uint8Array.of(0, 1, 0, 1)],
      [{ geneIds: Int32Array.of(2, -1, 4, 5), values: Float32Array.of(4, 0, 2, 1) }],
      weights,
    );
    expect(scores).toMatchObject({ spearmanCoverage: 0.75, lDistMean: 1, hiddenAccuracy: 0.5, hiddenRecall: 0.5 });
  });
});

describe('baselines', () => {
  // Two kinds of cells; the first kind is three times as frequent.
  const kindA = (row: number) => cell(row, [2, 3, 4, 5], [4, 3, 2, 1]);
  const kindB = (row: number) => cell(row, [10, 11, 12, 13], [4, 3, 2, 1]);
  const reference = [...Array.from({ length: 30 }, (_, i) => kindA(i)), ...Array.from({ length: 10 }, (_, i) => kindB(100 + i))];
  const methods = reconstructionBaselines(reference, weights);
  const hidden = Uint8Array.of(0, 1, 0, 1);

  it('nearest cells find the kind that the visible genes tell', () => {
    expect(methods.nearestCells(kindB(7), hidden)).toEqual({ geneIds: kindB(7).geneIds, values: kindB(7).values });
  });

  it('mean expression takes the genes of the frequent kind, best-scoring first', () => {
    expect([...methods.meanExpression(kindB(7), hidden).geneIds]).toEqual([10, 2, 12, 3]);
  });

  it('the commonest gene at a rank takes its value from its neighbours in the list', () => {
    const filled = methods.commonestAtRank(kindB(7), hidden);
    expect([...filled.geneIds]).toEqual([10, 3, 12, 5]);
    expect([...filled.values]).toEqual([4, 3, 2, 2]);
  });

  it('visible genes alone fill nothing', () => {
    expect([...methods.visibleOnly(kindA(1), hidden).geneIds]).toEqual([2, -1, 4, -1]);
  });
});
