import type { BatchPart } from '../batch.js';

/** The rows of a batch that are this process's. */
export function partOf(rows: Int32Array, part: BatchPart | undefined): Int32Array {
  return part ? rows.filter((_, i) => i % part.worldSize === part.rank) : rows;
}

/** @param batchSize of all processes together @throws RangeError for a part that there cannot be */
export function checkPart(part: BatchPart | undefined, batchSize: number): void {
  const { rank, worldSize } = part ?? { rank: 0, worldSize: 1 };
  const isPart = Number.isInteger(rank) && Number.isInteger(worldSize) && rank >= 0 && rank < worldSize && worldSize <= batchSize;
  if (!isPart) throw new RangeError(`rank ${rank} of ${worldSize} processes for batches of ${batchSize} cells`);
}
