import type { UnlabelledBatch } from './batch-maker.js';

/** Which cells make a batch. Plain data. */
export interface BatchRequest {
  readonly rows: Int32Array;
  /** Genes of the longest of these cells, at most those that are kept. */
  readonly longest: number;
}

/** Threads that turn requests into batches, in order. */
export interface BatchSource {
  batches(requests: Iterable<BatchRequest>): AsyncGenerator<UnlabelledBatch>;
  close(): Promise<void>;
  /** See CellBatches. */
  recycle?(batch: Pick<UnlabelledBatch, 'geneIds'>): void;
}

/**
 * Yields one batch a request, in order, with at most `numAhead` requests under way: memory stays bounded when the consumer is slower.
 * @param make starts on request number `index`
 */
export async function* inOrder(
  requests: Iterable<BatchRequest>,
  numAhead: number,
  make: (request: BatchRequest, index: number) => Promise<UnlabelledBatch>,
): AsyncGenerator<UnlabelledBatch> {
  const underWay: Promise<UnlabelledBatch>[] = [];
  const source = requests[Symbol.iterator]();
  let numSent = 0;
  const fill = (): void => {
    while (underWay.length < numAhead) {
      const next = source.next();
      if (next.done) return;
      const batch = make(next.value, numSent++);
      // Awaited in order; until then a failure must not count as unhandled.
      batch.catch(() => {});
      underWay.push(batch);
    }
  };
  for (fill(); underWay.length > 0; fill()) yield await underWay.shift()!;
}
