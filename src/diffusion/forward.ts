// B cells, L gene slots a cell, M rows of the loss: the masked slots of the batch and filling
import { placesOf, type CellBatch } from '../data/batch.js';
import { isGeneId, type GeneIdLayout } from '../model/gene-ids.js';
import type { Rng } from '../rng.js';
import type { HostTensor, HostTensors } from '../runtime/program/program.js';
import type { DiffusionConfig } from './config.js';

/** A batch after the forward process: what the model sees, and what it is asked. */
export interface MaskedBatch extends HostTensors {
  /** [B, L] int32, as in the batch: the [LAT] summary sees the unmasked cell. */
  readonly geneIds: HostTensor;
  /** [B, L] float32 */
  readonly values: HostTensor;
  /** [B, L] float32, 1 = the blocks see the mask vectors here. */
  readonly isReplaced: HostTensor;
  /** [M] int32, b · L + l of every masked slot in ascending order, then zeros. */
  readonly lossPositions: HostTensor;
  /** [M] float32, 1 for masked slots, 0 for the filling. Their sum is the denominator of both means of the loss. */
  readonly lossWeights: HostTensor;
  /** [M] int32, the gene to be found at each position. */
  readonly targetIds: HostTensor;
  /** [M] float32, its expression in the uncorrupted cell. */
  readonly targetValues: HostTensor;
}

/** One time a cell, uniform in (0, 1), at least config.minTime; it depends on the cell's place alone. */
export function drawTimes(batch: Pick<CellBatch, 'numCells' | 'places'>, config: DiffusionConfig, rng: Rng): Float64Array {
  const places = placesOf(batch);
  const all = Float64Array.from({ length: 1 + places.reduce((most, place) => Math.max(most, place), -1) }, () => Math.max(config.minTime, rng.uniform()));
  return Float64Array.from(places, (place) => all[place]!);
}

/**
 * The forward process: every gene of cell b is masked independently with probability times[b] (padding and special tokens never), and of the
 * masked ones a share config.replaceProbability is hidden from the model.
 *
 * A cell may come out with nothing masked, and so may a batch: no gene is masked by force, which would bend the distribution the loss is an
 * expectation over. Then every weight is 0, and so are the loss and its gradients.
 * @param times [B] in [0, 1]
 * @param rng a gene's draws depend on its cell's place and its slot alone, not on the padding or the other cells
 */
export function maskGenes(batch: CellBatch, times: ArrayLike<number>, ids: GeneIdLayout, config: DiffusionConfig, rng: Rng): MaskedBatch {
  const { numCells, seqLen, geneIds } = batch;
  const isReplaced = new Float32Array(numCells * seqLen);
  const positions: number[] = [];
  const places = placesOf(batch);
  for (let b = 0; b < numCells; b++) {
    const cellRng = rng.fork(`cell/${places[b]}`);
    for (let l = 0; l < seqLen; l++) {
      const position = b * seqLen + l;
      // Both are drawn for every slot, so that no gene's draw depends on what became of another.
      const isMasked = cellRng.uint32() / 2 ** 32 < times[b]!;
      const isHidden = cellRng.uint32() / 2 ** 32 < config.replaceProbability;
      if (!isMasked || !isGeneId(geneIds[position]!, ids)) continue;
      positions.push(position);
      if (isHidden) isReplaced[position] = 1;
    }
  }
  return maskedBatch(batch, isReplaced, positions);
}

/** The inputs of the loss for slots chosen elsewhere. @param positions b · L + l, ascending @param numRows M, where it is not to be chosen by `numLossRows` */
export function maskedBatch(
  batch: CellBatch,
  isReplaced: Float32Array,
  positions: ArrayLike<number>,
  numRows = numLossRows(positions.length, batch.numCells * batch.seqLen),
): MaskedBatch {
  const { numCells, seqLen, geneIds, values } = batch;
  const cleanValues = batch.cleanValues ?? values;
  const lossPositions = new Int32Array(numRows);
  lossPositions.set(positions);
  const cells = (data: Float32Array | Int32Array): HostTensor => ({ dtype: data instanceof Int32Array ? 'int32' : 'float32', shape: [numCells, seqLen], data });
  const rows = (data: Float32Array | Int32Array): HostTensor => ({ dtype: data instanceof Int32Array ? 'int32' : 'float32', shape: [numRows], data });
  return {
    geneIds: cells(geneIds),
    values: cells(values),
    isReplaced: cells(isReplaced),
    lossPositions: rows(lossPositions),
    lossWeights: rows(new Float32Array(numRows).fill(1, 0, positions.length)),
    targetIds: rows(lossPositions.map((position) => geneIds[position]!)),
    targetValues: rows(Float32Array.from(lossPositions, (position) => cleanValues[position]!)),
  };
}

/** Denominator of the loss means: the number of masked slots. */
export function numMasked({ lossWeights }: HostTensors): number {
  return Array.from(lossWeights!.data).reduce((sum, weight) => sum + weight, 0);
}

/** Numbers of loss rows there are for one batch shape: a program is compiled for each, which takes seconds and tens of megabytes. */
const NUM_ROW_SIZES = 4;

/** M: the number of masked slots, rounded up to a quarter of all slots (at least one quarter). */
export function numLossRows(numMaskedSlots: number, numSlots: number): number {
  const quarter = Math.ceil(numSlots / NUM_ROW_SIZES);
  return Math.min(numSlots, Math.max(1, Math.ceil(numMaskedSlots / quarter)) * quarter);
}
