// B cells in a batch, L gene slots a cell, V gene vocabulary
import type { Vocabulary } from '../../data/genes/vocabulary.js';
import type { Preprocessing } from '../../data/loader/config.js';
import type { SamplerConfig } from '../../diffusion/config.js';
import type { Denoiser } from '../../diffusion/denoiser.js';
import type { PartialCells } from '../../diffusion/partial-cells.js';
import { completeCells } from '../../diffusion/sampler.js';
import { isGeneId } from '../../model/gene-ids.js';
import type { Rng } from '../../rng.js';
import { partialCells, type FilledCell, type RankedCellSlots } from './cells.js';
import type { ReconstructionConfig } from './config.js';

export interface FillOptions {
  readonly vocabulary: Vocabulary;
  /** Of the model that is asked. */
  readonly preprocessing: Preprocessing;
  readonly latent: ReconstructionConfig['latent'];
  /** null fills every slot in one pass. */
  readonly sampler: SamplerConfig | null;
  readonly batchSize: number;
  readonly rng: Rng;
  /** Told how many cells are done. */
  readonly onCells?: (numDone: number) => void;
}

/** Fills the hidden slots of cells by what a model believes of them. Cells of like length are computed together; each depends on itself alone. */
export async function fillWithModel(
  cells: readonly RankedCellSlots[],
  isHidden: readonly Uint8Array[],
  denoiser: Denoiser,
  { vocabulary, preprocessing, latent, sampler, batchSize, rng, onCells }: FillOptions,
): Promise<FilledCell[]> {
  const byLength = cells.map((_, i) => i).sort((a, b) => cells[a]!.geneIds.length - cells[b]!.geneIds.length || a - b);
  const filled = new Array<FilledCell>(cells.length);
  for (let start = 0; start < byLength.length; start += batchSize) {
    const chosen = byLength.slice(start, start + batchSize);
    const partial = partialCells(
      chosen.map((i) => cells[i]!),
      chosen.map((i) => isHidden[i]!),
      vocabulary,
      preprocessing,
      latent === 'whole',
    );
    const keys = chosen.map((i) => `cell/${cells[i]!.row}`);
    const complete = sampler ? await completeCells(partial, denoiser, vocabulary, sampler, rng, keys) : await likeliestGenes(partial, denoiser, vocabulary);
    chosen.forEach((i, b) => {
      const [from, to] = [b * partial.seqLen, b * partial.seqLen + cells[i]!.geneIds.length];
      filled[i] = { geneIds: complete.geneIds.slice(from, to), values: complete.values.slice(from, to) };
    });
    onCells?.(Math.min(byLength.length, start + batchSize));
  }
  return filled;
}

/**
 * Fills every unknown slot from one pass: from the best rank down, each slot takes its likeliest gene among those the cell does not show and no
 * better rank took, with its predicted value, cut at 0.
 */
export async function likeliestGenes(cells: PartialCells, denoiser: Denoiser, vocabulary: Vocabulary): Promise<PartialCells> {
  const { seqLen, isUnknown } = cells;
  const geneIds = cells.geneIds.slice();
  const values = cells.values.slice();
  const unknown = Array.from(isUnknown.keys()).filter((slot) => isUnknown[slot]);
  const isAvailable = new Uint8Array(vocabulary.size);
  let cell = -1;
  await denoiser.predict(cells, unknown, (slot, logits, value) => {
    const b = Math.floor(slot / seqLen);
    if (b !== cell) {
      cell = b;
      for (let id = 0; id < vocabulary.size; id++) isAvailable[id] = Number(isGeneId(id, vocabulary));
      for (let at = b * seqLen; at < (b + 1) * seqLen; at++) if (!isUnknown[at]) isAvailable[cells.geneIds[at]!] = 0;
    }
    let best = -1;
    for (let id = 0; id < vocabulary.size; id++) if (isAvailable[id] && (best < 0 || logits[id]! > logits[best]!)) best = id;
    if (best < 0) throw new Error('more hidden slots than genes the cell does not show');
    isAvailable[best] = 0;
    geneIds[slot] = best;
    values[slot] = Math.max(0, value);
  });
  return { ...cells, geneIds, values, isUnknown: new Uint8Array(isUnknown.length) };
}
