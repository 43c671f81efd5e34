import { describe, expect, it } from 'vitest';
import { DiffusionConfig } from '../../../src/diffusion/config.js';
import { Rng } from '../../../src/rng.js';
import { maskForReconstruction } from '../../../src/tasks/integration/mask.js';
import { drawBatch } from '../../support/cell-batches.js';
import { tinyIds } from '../../support/tiny-model.js';

const ids = { ...tinyIds, size: 205, padFillId: 202, bosId: 203, eosId: 204 };
const diffusion = DiffusionConfig.parse({ replaceProbability: 1 });

describe('the mask of reconstruction', () => {
  it('asks for a few of the masked genes of each cell, in as many rows whatever was masked', () => {
    const batch = drawBatch([60, 12, 1], 64, ids);
    const masked = maskForReconstruction(batch, ids, { maskRatio: 0.5, genesPerCell: 4 }, diffusion, Rng.fromSeed(2));
    expect(masked.lossPositions.shape).toEqual([12]);
    const asked = Array.from(masked.lossPositions.data).filter((_, i) => masked.lossWeights.data[i] === 1);
    for (const position of asked) expect(masked.isReplaced.data[position]).toBe(1);
    const perCell = [0, 1, 2].map((b) => asked.filter((position) => Math.floor(position / 64) === b).length);
    expect(perCell.slice(0, 2)).toEqual([4, 4]);
    expect(perCell[2]).toBeLessThanOrEqual(1);
    const numMasked = Array.from(masked.isReplaced.data).reduce((sum, x) => sum + x, 0);
    expect(numMasked).toBeGreaterThan(24);
    expect(new Set(asked).size).toBe(asked.length);
  });

  it('asks for other genes in another step, for the same ones in the same', () => {
    const batch = drawBatch([60, 60], 64, ids);
    const positions = (seed: number) => [
      ...maskForReconstruction(batch, ids, { maskRatio: 0.5, genesPerCell: 4 }, diffusion, Rng.fromSeed(seed)).lossPositions.data,
    ];
    expect(positions(1)).toEqual(positions(1));
    expect(positions(1)).not.toEqual(positions(2));
  });
});
