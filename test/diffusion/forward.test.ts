import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffusionConfig } from '../../src/diffusion/config.js';
import { drawTimes, maskGenes, numLossRows, numMasked as countMasked } from '../../src/diffusion/forward.js';
import { Rng } from '../../src/rng.js';
import { drawBatch } from '../support/cell-batches.js';
import { tinyIds } from '../support/tiny-model.js';

const ids = { ...tinyIds, size: 1005, padFillId: 1002, bosId: 1003, eosId: 1004 };
const config = DiffusionConfig.parse({});
const sum = (data: ArrayLike<number>) => Array.from(data).reduce((a, b) => a + b, 0);

describe('the forward process', () => {
  it('masks a share of genes that tends to t, and hides nine tenths of them', () => {
    const batch = drawBatch(Array(40).fill(900), 1000, ids);
    for (const t of [0.1, 0.5, 0.9]) {
      const masked = maskGenes(batch, Array(40).fill(t), ids, config, Rng.fromSeed(3));
      const numMasked = countMasked(masked);
      // Six standard deviations.
      expect(Math.abs(numMasked - 36_000 * t)).toBeLessThan(6 * Math.sqrt(36_000 * t * (1 - t)));
      expect(Math.abs(sum(masked.isReplaced.data) - 0.9 * numMasked)).toBeLessThan(6 * Math.sqrt(0.09 * numMasked));
    }
  });

  it('masks nothing at t → 0 and every gene at t = 1', () => {
    const batch = drawBatch([5, 3], 8, ids);
    expect(sum(maskGenes(batch, [0, 0], ids, config, Rng.fromSeed(1)).lossWeights.data)).toBe(0);
    expect(sum(maskGenes(batch, [config.minTime, config.minTime], ids, config, Rng.fromSeed(1)).lossWeights.data)).toBe(0);
    expect(sum(maskGenes(batch, [1, 1], ids, config, Rng.fromSeed(1)).lossWeights.data)).toBe(8);
  });

  it('never touches padding or special tokens, and lists exactly the masked slots (property)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(),
        (numGenes, t, seed) => {
          const batch = drawBatch(numGenes, 13, ids, seed);
          batch.geneIds[0] = [ids.bosId, ids.eosId, ids.maskId][seed % 3]!;
          const masked = maskGenes(
            batch,
            numGenes.map(() => t),
            ids,
            config,
            Rng.fromSeed(seed),
          );
          const numMasked = countMasked(masked);
          const positions = Array.from(masked.lossPositions.data.subarray(0, numMasked));
          expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
          for (const position of positions) {
            expect(position).toBeGreaterThan(0);
            expect(position % 13).toBeLessThan(numGenes[Math.floor(position / 13)]!);
          }
          masked.isReplaced.data.forEach((isReplaced, position) => expect(isReplaced === 0 || positions.includes(position)).toBe(true));
          expect(masked.lossPositions.shape).toEqual([numLossRows(numMasked, 13 * numGenes.length)]);
          masked.targetIds.data.forEach((id, m) => expect(id).toBe(batch.geneIds[masked.lossPositions.data[m]!]));
          masked.targetValues.data.forEach((value, m) => expect(value).toBe(batch.values[masked.lossPositions.data[m]!]));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('asks for the uncorrupted values and shows the corrupted ones', () => {
    const batch = drawBatch([4], 4, ids);
    const cleanValues = batch.values.map((value) => value + 1);
    const masked = maskGenes({ ...batch, cleanValues }, [1], ids, config, Rng.fromSeed(1));
    expect(masked.values.data).toEqual(batch.values);
    expect([...masked.targetValues.data.subarray(0, 4)]).toEqual([...cleanValues]);
  });

  it('draws a gene’s fate from its cell and slot: padding and later genes move nothing', () => {
    const short = maskGenes(drawBatch([6, 4], 6, ids), [0.5, 0.5], ids, config, Rng.fromSeed(8));
    const batch = drawBatch([6, 4], 6, ids);
    const wide = { ...batch, seqLen: 9, geneIds: new Int32Array(18), values: new Float32Array(18) };
    for (let b = 0; b < 2; b++) for (let l = 0; l < 6; l++) wide.geneIds[b * 9 + l] = batch.geneIds[b * 6 + l]!;
    const long = maskGenes(wide, [0.5, 0.5], ids, config, Rng.fromSeed(8));
    const slots = (data: ArrayLike<number>, numMasked: number, seqLen: number) =>
      Array.from(data)
        .slice(0, numMasked)
        .map((p) => [Math.floor(p / seqLen), p % seqLen]);
    const numMasked = sum(short.lossWeights.data);
    expect(numMasked).toBeGreaterThan(0);
    expect(slots(long.lossPositions.data, sum(long.lossWeights.data), 9)).toEqual(slots(short.lossPositions.data, numMasked, 6));
  });

  it('repeats with the seed and changes with it', () => {
    const draw = (seed: number) => maskGenes(drawBatch([12], 12, ids), drawTimes({ numCells: 1 }, config, Rng.fromSeed(seed)), ids, config, Rng.fromSeed(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1).isReplaced.data).not.toEqual(draw(2).isReplaced.data);
  });

  it('draws times evenly from [minTime, 1)', () => {
    const times = drawTimes({ numCells: 20_000 }, { ...config, minTime: 0.2 }, Rng.fromSeed(4));
    expect(Math.min(...times)).toBe(0.2);
    expect(Math.max(...times)).toBeLessThan(1);
    expect(times.filter((t) => t === 0.2).length / 20_000).toBeCloseTo(0.2, 1);
    expect(times.filter((t) => t > 0.6).length / 20_000).toBeCloseTo(0.4, 1);
  });
});

describe('numLossRows', () => {
  it('holds the masked slots in at most four sizes a batch shape (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), (numSlots) => {
        const sizes = new Set<number>();
        for (let numMasked = 0; numMasked <= numSlots; numMasked++) {
          const rows = numLossRows(numMasked, numSlots);
          expect(rows >= numMasked && rows <= numSlots && rows >= 1).toBe(true);
          sizes.add(rows);
        }
        expect(sizes.size).toBeLessThanOrEqual(4);
      }),
      { numRuns: 50 },
    );
  });
});
