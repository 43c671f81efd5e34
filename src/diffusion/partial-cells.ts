// B cells, L gene slots a cell
import type { CellBatch } from '../data/batch.js';
import { isGeneId, type GeneIdLayout } from '../model/gene-ids.js';
import type { Rng } from '../rng.js';

/** Cells of which some gene slots are unknown: the start of generation, and after each step what is left to do. */
export interface PartialCells {
  readonly numCells: number;
  readonly seqLen: number;
  /** [B, L] vocabulary ids; the mask id in unknown slots, padding behind the last slot. */
  readonly geneIds: Int32Array;
  /** [B, L] log-normalised expression; 0 in unknown slots. */
  readonly values: Float32Array;
  /** [B, L] 1 = to be filled. */
  readonly isUnknown: Uint8Array;
  /**
   * What unknown slots hold in truth, [B, L] as above: where it is given, [LAT] summarises it, as it does in training, while the gene slots still see
   * the mask vectors. Absent where nobody knows, or [LAT] shall not.
   */
  readonly truth?: { readonly geneIds: Int32Array; readonly values: Float32Array };
}

export interface BlankOptions {
  /** Share of each cell's genes to hide, in [0, 1]; of n genes round(share · n) are. */
  readonly maskRatio: number;
  /** Unknown slots to add behind each cell's last gene, where genes of lower rank would stand. */
  readonly numExtraGenes: number;
  /** Slots a cell may have: what the model was made for. */
  readonly maxGenes: number;
}

/**
 * Blanks some of a batch's genes and appends unknown slots.
 * @param rng which genes are hidden in a cell depends on its row in its file and nothing else
 */
export function blankGenes(batch: CellBatch, { maskRatio, numExtraGenes, maxGenes }: BlankOptions, ids: GeneIdLayout, rng: Rng): PartialCells {
  const { numCells, seqLen: oldLen } = batch;
  const lengths = Array.from(batch.numGenes, (numGenes) => Math.min(maxGenes, numGenes + numExtraGenes));
  // The same for every batch of a length: programs are compiled once for each.
  const seqLen = Math.max(oldLen, Math.min(maxGenes, oldLen + numExtraGenes));
  const geneIds = new Int32Array(numCells * seqLen).fill(ids.padId);
  const values = new Float32Array(numCells * seqLen);
  const isUnknown = new Uint8Array(numCells * seqLen);
  for (let b = 0; b < numCells; b++) {
    const numGenes = batch.numGenes[b]!;
    geneIds.set(batch.geneIds.subarray(b * oldLen, b * oldLen + numGenes), b * seqLen);
    values.set(batch.values.subarray(b * oldLen, b * oldLen + numGenes), b * seqLen);
    const hidden = rng
      .fork(`cell/${batch.cellIndex[b]}`)
      .permutation(numGenes)
      .subarray(0, Math.round(maskRatio * numGenes));
    const added = Array.from({ length: lengths[b]! - numGenes }, (_, i) => numGenes + i);
    for (const l of [...hidden, ...added]) {
      const slot = b * seqLen + l;
      if (l < numGenes && !isGeneId(geneIds[slot]!, ids)) continue;
      geneIds[slot] = ids.maskId;
      values[slot] = 0;
      isUnknown[slot] = 1;
    }
  }
  return { numCells, seqLen, geneIds, values, isUnknown };
}
