// n gene slots of a cell, B cells, L gene slots a cell
import type { FileBatches } from '../../data/loader/file-batches.js';
import { paddedLength } from '../../data/loader/batch-maker.js';
import type { Preprocessing } from '../../data/loader/config.js';
import type { PartialCells } from '../../diffusion/partial-cells.js';
import type { Vocabulary } from '../../data/genes/vocabulary.js';
import type { Rng } from '../../rng.js';

/** A cell as the model is shown it, and the values it is judged by. */
export interface RankedCellSlots {
  /** Row in its file. */
  readonly row: number;
  /** [n] best-ranked gene first. */
  readonly geneIds: Int32Array;
  /** [n] as observed. */
  readonly values: Float32Array;
  /** [n] of the cell at full depth; the same array where nothing was thinned. */
  readonly trueValues: Float32Array;
}

/** A cell with every slot filled: hidden ones by some method, the others as they were. */
export interface FilledCell {
  /** [n] in the order of the slots; -1 where the method filled nothing in. */
  readonly geneIds: Int32Array;
  /** [n] */
  readonly values: Float32Array;
}

/** The cells of the wanted rows, in file order. */
export async function collectCells(batches: FileBatches, isWanted: (row: number) => boolean): Promise<RankedCellSlots[]> {
  const cells: RankedCellSlots[] = [];
  for await (const { numCells, seqLen, geneIds, values, cleanValues, numGenes, cellIndex } of batches) {
    for (let b = 0; b < numCells; b++) {
      const row = cellIndex[b]!;
      if (!isWanted(row)) continue;
      const cut = <T extends Int32Array | Float32Array>(data: T): T => data.slice(b * seqLen, b * seqLen + numGenes[b]!) as T;
      const own = cut(values);
      cells.push({ row, geneIds: cut(geneIds), values: own, trueValues: cleanValues ? cut(cleanValues) : own });
    }
  }
  return cells;
}

/**
 * Which slots of a cell are hidden: round(ratio · n) of them, at least one. The slots hidden at one ratio are among those hidden at any larger one.
 * @param rng the same for all ratios; a cell's slots depend on its row and its number of genes alone
 * @returns [n] 1 = hidden
 */
export function hiddenSlots({ row, geneIds }: RankedCellSlots, maskRatio: number, rng: Rng): Uint8Array {
  const n = geneIds.length;
  const isHidden = new Uint8Array(n);
  for (const slot of rng
    .fork(`cell/${row}`)
    .permutation(n)
    .subarray(0, Math.max(1, Math.round(maskRatio * n))))
    isHidden[slot] = 1;
  return isHidden;
}

/**
 * Cells side by side as the sampler takes them, hidden slots unknown.
 * @param showsTruthToLatent tells [LAT] what is hidden
 */
export function partialCells(
  cells: readonly RankedCellSlots[],
  isHidden: readonly Uint8Array[],
  vocabulary: Pick<Vocabulary, 'padId' | 'maskId'>,
  preprocessing: Preprocessing,
  showsTruthToLatent: boolean,
): PartialCells {
  const numCells = cells.length;
  const seqLen = paddedLength(Math.max(...cells.map(({ geneIds }) => geneIds.length)), preprocessing);
  const geneIds = new Int32Array(numCells * seqLen).fill(vocabulary.padId);
  const values = new Float32Array(numCells * seqLen);
  const isUnknown = new Uint8Array(numCells * seqLen);
  cells.forEach((cell, b) => {
    geneIds.set(cell.geneIds, b * seqLen);
    values.set(cell.values, b * seqLen);
    isUnknown.set(isHidden[b]!, b * seqLen);
  });
  const truth = { geneIds: geneIds.slice(), values: values.slice() };
  isUnknown.forEach((isHere, slot) => {
    if (!isHere) return;
    geneIds[slot] = vocabulary.maskId;
    values[slot] = 0;
  });
  return { numCells, seqLen, geneIds, values, isUnknown, ...(showsTruthToLatent && { truth }) };
}
