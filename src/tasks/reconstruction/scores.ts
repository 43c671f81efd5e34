// n gene slots of a cell, V gene vocabulary
import { rSquared } from '../../metrics/correlation.js';
import { reconstructionScores, type RankedCell, type ReconstructionScores } from '../../metrics/reconstruction.js';
import type { FilledCell, RankedCellSlots } from './cells.js';

/** How well the hidden slots were filled, all cells together; NaN where nothing was filled in. */
export interface HiddenSlotScores {
  /** Hidden slots that got the very gene that stood there. */
  readonly hiddenAccuracy: number;
  /** Hidden genes that came back at any slot. */
  readonly hiddenRecall: number;
  /** R² of the value given to each hidden slot against the value there, whichever gene was named. */
  readonly hiddenValueR2: number;
}

export interface FilledCellScores extends ReconstructionScores, HiddenSlotScores {
  /** The same lists left in the order of the slots, before they are ranked again by value. */
  readonly inPlace: ReconstructionScores;
}

/**
 * Scores filled cells against whole ones. Both are ranked by value · weight, as serialisation ranks: the truth by its values at full depth, the
 * filled cell by the visible and the filled-in values.
 * @param weights [V]
 */
export function scoreFilledCells(
  cells: readonly RankedCellSlots[],
  isHidden: readonly Uint8Array[],
  filled: readonly FilledCell[],
  weights: Float32Array,
): FilledCellScores {
  const truth = cells.map(({ geneIds, trueValues }) => ({ geneIds, values: trueValues }));
  const given = filled.map(withoutOpenSlots);
  return {
    ...reconstructionScores(
      truth.map((cell) => rankAgain(cell, weights)),
      given.map((cell) => rankAgain(cell, weights)),
    ),
    ...hiddenSlotScores(cells, isHidden, filled),
    inPlace: reconstructionScores(truth, given),
  };
}

/** R² that naming every hidden gene rightly and giving it its mean value would have. @param meanExpressed [V] */
export function geneMeanValueR2(cells: readonly RankedCellSlots[], isHidden: readonly Uint8Array[], meanExpressed: Float64Array): number {
  return hiddenSlotScores(
    cells,
    isHidden,
    cells.map(({ geneIds }) => ({ geneIds, values: Float32Array.from(geneIds, (id) => meanExpressed[id]!) })),
  ).hiddenValueR2;
}

/** The genes by descending value · weight in float32, as they are serialised; of equal ones the smaller id first. */
export function rankAgain({ geneIds, values }: FilledCell, weights: Float32Array): RankedCell {
  const scores = Float32Array.from(geneIds, (id, i) => Math.fround(values[i]!) * weights[id]!);
  const order = Array.from(geneIds.keys()).sort((a, b) => scores[b]! - scores[a]! || geneIds[a]! - geneIds[b]!);
  return { geneIds: Int32Array.from(order, (i) => geneIds[i]!), values: Float32Array.from(order, (i) => values[i]!) };
}

function withoutOpenSlots({ geneIds, values }: FilledCell): FilledCell {
  return geneIds.includes(-1) ? { geneIds: geneIds.filter((id) => id >= 0), values: values.filter((_, i) => geneIds[i]! >= 0) } : { geneIds, values };
}

function hiddenSlotScores(cells: readonly RankedCellSlots[], isHidden: readonly Uint8Array[], filled: readonly FilledCell[]): HiddenSlotScores {
  let [numHidden, numFilled, numRight, numRecalled] = [0, 0, 0, 0];
  const trueValues: number[] = [];
  const givenValues: number[] = [];
  cells.forEach((cell, c) => {
    const hiddenGenes = new Set(cell.geneIds.filter((_, slot) => isHidden[c]![slot]));
    numHidden += hiddenGenes.size;
    filled[c]!.geneIds.forEach((id, slot) => {
      if (!isHidden[c]![slot] || id < 0) return;
      numFilled++;
      if (id === cell.geneIds[slot]) numRight++;
      if (hiddenGenes.has(id)) numRecalled++;
      trueValues.push(cell.trueValues[slot]!);
      givenValues.push(filled[c]!.values[slot]!);
    });
  });
  return {
    hiddenAccuracy: numFilled ? numRight / numHidden : NaN,
    hiddenRecall: numFilled ? numRecalled / numHidden : NaN,
    hiddenValueR2: numFilled ? rSquared(trueValues, givenValues) : NaN,
  };
}
