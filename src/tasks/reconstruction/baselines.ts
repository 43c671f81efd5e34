// n gene slots of a cell, V gene vocabulary
import { topPositions } from '../../metrics/ranking.js';
import type { FilledCell, RankedCellSlots } from './cells.js';

/** Neighbours whose expression is taken together. */
const NUM_NEIGHBOURS = 10;
/** Ranks are counted in so many equal parts of a cell's list. */
const NUM_RANK_BINS = 32;

/** Fills hidden slots without a model. */
export type BaselineFill = (cell: RankedCellSlots, isHidden: Uint8Array) => FilledCell;

/** Ways to fill hidden slots from other cells of the same file, by name. */
export interface ReconstructionBaselines {
  /** The visible genes alone. */
  readonly visibleOnly: BaselineFill;
  /** The genes that score highest in the mean of the reference cells, in that order. */
  readonly meanExpression: BaselineFill;
  /** The same in the mean of the 10 reference cells most alike in the visible genes (cosine). */
  readonly nearestCells: BaselineFill;
  /** At each rank the gene that reference cells have there most often; its value halfway between its visible neighbours in the list. */
  readonly commonestAtRank: BaselineFill;
}

/**
 * @param reference cells that are not reconstructed, at full depth
 * @param weights [V] what values are multiplied with to rank genes
 */
export function reconstructionBaselines(reference: readonly RankedCellSlots[], weights: Float32Array): ReconstructionBaselines {
  const whole = expressionProfile(reference, weights.length);
  const atRank = rankCounts(reference, weights.length);
  const norms = reference.map(({ values }) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0)));
  const query = new Float32Array(weights.length);
  return {
    visibleOnly: ({ geneIds, values }, isHidden) => ({
      geneIds: geneIds.map((id, slot) => (isHidden[slot] ? -1 : id)),
      values: values.map((value, slot) => (isHidden[slot] ? 0 : value)),
    }),
    meanExpression: (cell, isHidden) => fillFromProfile(cell, isHidden, whole, weights),
    nearestCells(cell, isHidden) {
      query.fill(0);
      cell.geneIds.forEach((id, slot) => (query[id] = isHidden[slot] ? 0 : cell.values[slot]!));
      const similarity = reference.map(({ geneIds, values }, i) => geneIds.reduce((sum, id, at) => sum + query[id]! * values[at]!, 0) / (norms[i]! || 1));
      const nearest = Array.from(topPositions(similarity, NUM_NEIGHBOURS), (i) => reference[i]!);
      return fillFromProfile(cell, isHidden, expressionProfile(nearest, weights.length), weights);
    },
    commonestAtRank: (cell, isHidden) => fillByRank(cell, isHidden, atRank),
  };
}

interface ExpressionProfile {
  /** [V] over all cells, zeros included. */
  readonly mean: Float64Array;
  /** [V] over the cells that express the gene; 0 for genes that none does. */
  readonly meanExpressed: Float64Array;
}

/** Means of the values of every gene. */
export function expressionProfile(cells: readonly RankedCellSlots[], vocabularySize: number): ExpressionProfile {
  const sums = new Float64Array(vocabularySize);
  const counts = new Int32Array(vocabularySize);
  for (const { geneIds, trueValues } of cells) {
    geneIds.forEach((id, at) => {
      sums[id]! += trueValues[at]!;
      counts[id]!++;
    });
  }
  return { mean: sums.map((sum) => sum / cells.length), meanExpressed: sums.map((sum, id) => sum / (counts[id]! || 1)) };
}

function fillFromProfile(cell: RankedCellSlots, isHidden: Uint8Array, { mean, meanExpressed }: ExpressionProfile, weights: Float32Array): FilledCell {
  const isVisible = visibleGenes(cell, isHidden, weights.length);
  const scores = mean.map((value, id) => (isVisible[id] ? -1 : value * weights[id]!));
  const numHidden = isHidden.reduce((sum, is) => sum + is, 0);
  const ids = topPositions(scores, numHidden).filter((id) => scores[id]! > 0);
  let next = 0;
  return fill(cell, isHidden, () => {
    const id = ids[next++];
    return id === undefined ? undefined : { id, value: meanExpressed[id]! };
  });
}

/** [NUM_RANK_BINS][V] how many reference cells have a gene in a part of their list. */
function rankCounts(reference: readonly RankedCellSlots[], vocabularySize: number): Int32Array[] {
  const counts = Array.from({ length: NUM_RANK_BINS }, () => new Int32Array(vocabularySize));
  for (const { geneIds } of reference) geneIds.forEach((id, slot) => counts[rankBin(slot, geneIds.length)]![id]!++);
  return counts;
}

const rankBin = (slot: number, n: number): number => Math.floor((slot * NUM_RANK_BINS) / n);

function fillByRank(cell: RankedCellSlots, isHidden: Uint8Array, counts: readonly Int32Array[]): FilledCell {
  const n = cell.geneIds.length;
  const isTaken = visibleGenes(cell, isHidden, counts[0]!.length);
  return fill(cell, isHidden, (slot) => {
    const here = counts[rankBin(slot, n)]!;
    let best = -1;
    for (let id = 0; id < here.length; id++) if (!isTaken[id] && here[id]! > 0 && (best < 0 || here[id]! > here[best]!)) best = id;
    if (best < 0) return undefined;
    isTaken[best] = 1;
    return { id: best, value: between(cell.values, isHidden, slot) };
  });
}

/** The value that lies between those of the nearest visible slots on either side, in proportion; of the nearest one at an end, 0 without any. */
function between(values: Float32Array, isHidden: Uint8Array, slot: number): number {
  let left = slot;
  let right = slot;
  while (left >= 0 && isHidden[left]) left--;
  while (right < values.length && isHidden[right]) right++;
  if (left < 0) return right < values.length ? values[right]! : 0;
  if (right >= values.length) return values[left]!;
  return values[left]! + ((values[right]! - values[left]!) * (slot - left)) / (right - left);
}

function visibleGenes({ geneIds }: RankedCellSlots, isHidden: Uint8Array, vocabularySize: number): Uint8Array {
  const isVisible = new Uint8Array(vocabularySize);
  geneIds.forEach((id, slot) => {
    if (!isHidden[slot]) isVisible[id] = 1;
  });
  return isVisible;
}

function fill({ geneIds, values }: RankedCellSlots, isHidden: Uint8Array, guess: (slot: number) => { id: number; value: number } | undefined): FilledCell {
  const filled = { geneIds: geneIds.slice(), values: values.slice() };
  isHidden.forEach((is, slot) => {
    if (!is) return;
    const { id, value } = guess(slot) ?? { id: -1, value: 0 };
    filled.geneIds[slot] = id;
    filled.values[slot] = value;
  });
  return filled;
}
