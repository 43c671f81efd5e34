import type { Rng } from '../../rng.js';
import type { BatchPart, CellBatch, CellBatches } from '../batch.js';
import { checkPart, partOf } from './batch-part.js';
import { BatchPlan } from './batch-plan.js';

export interface BareBatchOptions {
  /** null: in the order of the rows. */
  readonly rng: Rng | null;
  readonly batchSize: number;
  readonly part?: BatchPart | undefined;
  readonly skipBatches?: number;
}

/** Batches that only say which cells: order as the loader's, no genes read. */
export function bareBatches(rows: Int32Array, { rng, batchSize, part, skipBatches = 0 }: BareBatchOptions): CellBatches {
  checkPart(part, batchSize);
  const plan = new BatchPlan({ rows, batchSize, rng, length: () => 0, sortWindow: 1 });
  async function* batches(): AsyncGenerator<CellBatch> {
    for (let index = skipBatches; index < plan.numBatches; index++) {
      const cellIndex = partOf(plan.rowsOf(index), part);
      yield {
        numCells: cellIndex.length,
        seqLen: 0,
        geneIds: new Int32Array(0),
        values: new Float32Array(0),
        numGenes: new Int32Array(cellIndex.length),
        cellIndex,
        labels: {},
      };
    }
  }
  return { numBatches: plan.numBatches, close: async () => {}, [Symbol.asyncIterator]: batches };
}
