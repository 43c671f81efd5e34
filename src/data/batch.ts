/**
 * One mini-batch of serialised cells, as the model eats it. Typed arrays only: made in worker threads, transferred, fed.
 * B cells, L gene slots a cell (the length bucket); slots from numGenes[b] on hold the padding id and value 0.
 */
export interface CellBatch {
  readonly numCells: number;
  readonly seqLen: number;
  /** [B, L] vocabulary ids, best-ranked gene first. */
  readonly geneIds: Int32Array;
  /** [B, L] log-normalised expression of those genes. */
  readonly values: Float32Array;
  /**
   * [B, L] the same genes as the uncorrupted cell has them; present only where depth corruption changed `values` into what a
   * shallower sequencing would have shown.
   */
  readonly cleanValues?: Float32Array;
  /** [B] real genes in each cell, 1 … L. */
  readonly numGenes: Int32Array;
  /** [B] row of each cell in its corpus or file. */
  readonly cellIndex: Int32Array;
  /** [B] where each cell stands in the batch of all processes and micro-batches together: what is drawn for it hangs on this. Absent: 0 … B - 1. */
  readonly places?: Int32Array;
  /** For each label key asked for: [B] category codes, -1 = missing. */
  readonly labels: Readonly<Record<string, Int32Array>>;
}

/**
 * What one of several processes takes of every batch: its cells rank, rank + worldSize … The batches do not depend on worldSize, so a
 * run goes on with another number of processes at the batch where it stopped. A short last batch can leave some processes without a
 * cell: they get a batch of none, and all of them as many batches.
 */
export interface BatchPart {
  /** 0 … worldSize - 1 */
  readonly rank: number;
  readonly worldSize: number;
}

/** Where each cell of a batch stands in the whole of it. */
export const placesOf = ({ places, numCells }: Pick<CellBatch, 'places' | 'numCells'>): Int32Array =>
  places ?? Int32Array.from({ length: numCells }, (_, b) => b);

/** One pass over cells. Iterate once; `close` ends it early and frees threads and files, and does nothing after the end. */
export interface CellBatches extends AsyncIterable<CellBatch> {
  readonly numBatches: number;
  close(): Promise<void>;
  /**
   * Takes the memory of a batch back for a later one, which spares the collector its largest piece of work. Whoever calls it keeps nothing of
   * the batch's genes and values; whoever does not has nothing to fear.
   */
  recycle?(batch: CellBatch): void;
}
