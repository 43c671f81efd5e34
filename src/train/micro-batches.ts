import type { CellBatch } from '../data/batch.js';

/** Cuts a batch into `count` micro-batches of nearly equal size, in order (fewer when it has fewer cells). Views, not copies. */
export function splitBatch(batch: CellBatch, count: number): CellBatch[] {
  const numParts = Math.min(count, batch.numCells);
  return Array.from({ length: numParts }, (_, i) =>
    sliceBatch(batch, Math.floor((i * batch.numCells) / numParts), Math.floor(((i + 1) * batch.numCells) / numParts)),
  );
}

function sliceBatch(batch: CellBatch, start: number, end: number): CellBatch {
  const { seqLen, labels } = batch;
  return {
    numCells: end - start,
    seqLen,
    geneIds: batch.geneIds.subarray(start * seqLen, end * seqLen),
    values: batch.values.subarray(start * seqLen, end * seqLen),
    ...(batch.cleanValues && { cleanValues: batch.cleanValues.subarray(start * seqLen, end * seqLen) }),
    numGenes: batch.numGenes.subarray(start, end),
    cellIndex: batch.cellIndex.subarray(start, end),
    labels: Object.fromEntries(Object.entries(labels).map(([key, codes]) => [key, codes.subarray(start, end)])),
  };
}
