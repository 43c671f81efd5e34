import type { BatchPart, CellBatch } from '../data/batch.js';

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
    ...(batch.places && { places: batch.places.subarray(start, end) }),
    labels: Object.fromEntries(Object.entries(labels).map(([key, codes]) => [key, codes.subarray(start, end)])),
  };
}

/** One process's cells of a batch, with their places in it. A copy. */
export function takePart(batch: CellBatch, { rank, worldSize }: BatchPart): CellBatch {
  const places = Int32Array.from({ length: Math.max(0, Math.ceil((batch.numCells - rank) / worldSize)) }, (_, i) => rank + i * worldSize);
  const { seqLen, labels } = batch;
  const rows = <T extends Int32Array | Float32Array>(data: T): T => {
    const out = new (data.constructor as new (length: number) => T)(places.length * seqLen);
    places.forEach((b, i) => out.set(data.subarray(b * seqLen, (b + 1) * seqLen), i * seqLen));
    return out;
  };
  const values = (data: Int32Array): Int32Array => places.map((b) => data[b]!);
  return {
    numCells: places.length,
    seqLen,
    geneIds: rows(batch.geneIds),
    values: rows(batch.values),
    ...(batch.cleanValues && { cleanValues: rows(batch.cleanValues) }),
    numGenes: values(batch.numGenes),
    cellIndex: values(batch.cellIndex),
    places,
    labels: Object.fromEntries(Object.entries(labels).map(([key, codes]) => [key, values(codes)])),
  };
}
