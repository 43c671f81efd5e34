// B cells, L gene slots a cell, M = B · genesPerCell loss rows
import { placesOf, type CellBatch } from '../../data/batch.js';
import type { DiffusionConfig } from '../../diffusion/config.js';
import { maskedBatch, maskGenes, numMasked, type MaskedBatch } from '../../diffusion/forward.js';
import type { GeneIdLayout } from '../../model/gene-ids.js';
import type { Rng } from '../../rng.js';

export interface ReconstructionMask {
  /** Share of a cell's genes that are masked. */
  readonly maskRatio: number;
  /** Most masked genes of a cell that the loss asks for. */
  readonly genesPerCell: number;
}

/**
 * Masks an equal share of every cell's genes, of which the loss asks for some: a random sample of the masked genes has the same mean
 * loss, at a fraction of the price where the vocabulary is large. M is the same for every batch of one size: one program for each.
 */
export function maskForReconstruction(
  batch: CellBatch,
  ids: GeneIdLayout,
  { maskRatio, genesPerCell }: ReconstructionMask,
  diffusion: DiffusionConfig,
  rng: Rng,
): MaskedBatch {
  const { numCells, seqLen } = batch;
  const all = maskGenes(batch, new Float64Array(numCells).fill(maskRatio), ids, diffusion, rng.fork('mask'));
  const ofCell: number[][] = Array.from({ length: numCells }, () => []);
  const total = numMasked(all);
  for (let i = 0; i < total; i++) ofCell[Math.floor(all.lossPositions.data[i]! / seqLen)]!.push(all.lossPositions.data[i]!);
  const places = placesOf(batch);
  const asked = ofCell.flatMap((positions, b) =>
    rng
      .fork(`asked/${places[b]}`)
      .shuffle(positions)
      .slice(0, genesPerCell)
      .sort((x, y) => x - y),
  );
  return maskedBatch(batch, all.isReplaced.data as Float32Array, asked, numCells * Math.min(genesPerCell, seqLen));
}
