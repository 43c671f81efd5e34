// B cells in a batch, L gene slots a cell, D cell embedding
import type { CellBatch } from '../data/batch.js';
import type { CellEncoder } from '../tasks/cell-encoder.js';
import { powerOfTwo } from '../tasks/row-chunks.js';

export interface BatchingOptions {
  /** Most cells computed at once; a single call that brings more is computed by itself. */
  readonly maxCells: number;
  /** Longest that cells wait for others while nothing is computed, ms. While something is, they wait for its end. */
  readonly maxDelayMs: number;
  /** The vocabulary's padding id. */
  readonly padId: number;
  /** Most gene slots of a cell. */
  readonly maxGenes: number;
  /** Told after each batch, for those who count. */
  readonly onBatch?: (batch: { readonly numCells: number; readonly numCalls: number; readonly seconds: number }) => void;
}

interface Call {
  readonly batch: CellBatch;
  readonly resolve: (embedded: Float32Array) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Computes the cells of calls that are made at the same time together: one large product costs less than several small ones. A cell's
 * embedding depends on that cell alone, so nobody's result depends on who else asked.
 *
 * What is computed has few different shapes, whatever is asked for: numbers of cells and of gene slots are rounded up to 1, 2, 3, 4, 6, 8, 12 …
 * A graph is compiled for each shape and kept, so their number bounds the memory of a process that runs for weeks.
 */
export class BatchingEncoder implements CellEncoder {
  private readonly waiting: Call[] = [];
  private isRunning = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly encoder: CellEncoder,
    private readonly options: BatchingOptions,
  ) {}

  get embeddingDim(): number {
    return this.encoder.embeddingDim;
  }

  /** Cells that wait to be computed. */
  get numWaiting(): number {
    return this.waiting.reduce((sum, { batch }) => sum + batch.numCells, 0);
  }

  encode(batch: CellBatch): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ batch, resolve, reject });
      this.schedule();
    });
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.encoder.dispose();
  }

  private schedule(): void {
    if (this.isRunning || this.waiting.length === 0) return;
    if (this.numWaiting >= this.options.maxCells || this.options.maxDelayMs <= 0) {
      clearTimeout(this.timer);
      this.timer = undefined;
      void this.run();
    } else {
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        if (!this.isRunning) void this.run();
      }, this.options.maxDelayMs);
    }
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    // What came while a batch was computed waited long enough: it goes at once.
    while (this.waiting.length > 0) {
      const calls = this.take();
      const start = performance.now();
      try {
        await this.compute(calls);
      } catch (error) {
        for (const { reject } of calls) reject(error);
      }
      const numCells = calls.reduce((sum, { batch }) => sum + batch.numCells, 0);
      this.options.onBatch?.({ numCells, numCalls: calls.length, seconds: (performance.now() - start) / 1000 });
    }
    this.isRunning = false;
  }

  /** The calls at the head of the queue that fit into one batch, at least one. */
  private take(): Call[] {
    const calls = [this.waiting.shift()!];
    let numCells = calls[0]!.batch.numCells;
    while (this.waiting.length > 0 && numCells + this.waiting[0]!.batch.numCells <= this.options.maxCells) {
      const next = this.waiting.shift()!;
      numCells += next.batch.numCells;
      calls.push(next);
    }
    return calls;
  }

  private async compute(calls: readonly Call[]): Promise<void> {
    const D = this.embeddingDim;
    const embedded = await this.encoder.encode(
      joinBatches(
        calls.map(({ batch }) => batch),
        this.options,
      ),
    );
    let row = 0;
    for (const { batch, resolve } of calls) {
      resolve(embedded.slice(row * D, (row + batch.numCells) * D));
      row += batch.numCells;
    }
  }
}

/** One batch of all cells in order, filled up with cells of padding alone and slots of padding; the rest of a CellBatch is of no use to an encoder. */
export function joinBatches(batches: readonly CellBatch[], { padId, maxGenes }: Pick<BatchingOptions, 'padId' | 'maxGenes'>): CellBatch {
  const B = roundedUp(batches.reduce((sum, { numCells }) => sum + numCells, 0));
  const longest = Math.max(...batches.map(({ seqLen }) => seqLen));
  const L = Math.max(longest, Math.min(roundedUp(longest), maxGenes));
  const geneIds = new Int32Array(B * L).fill(padId);
  const values = new Float32Array(B * L);
  const numGenes = new Int32Array(B);
  let row = 0;
  for (const { numCells, seqLen, ...cells } of batches) {
    for (let b = 0; b < numCells; b++, row++) {
      geneIds.set(cells.geneIds.subarray(b * seqLen, (b + 1) * seqLen), row * L);
      values.set(cells.values.subarray(b * seqLen, (b + 1) * seqLen), row * L);
      numGenes[row] = cells.numGenes[b]!;
    }
  }
  return { numCells: B, seqLen: L, geneIds, values, numGenes, cellIndex: Int32Array.from({ length: B }, (_, i) => i), labels: {} };
}

/** The next of 1, 2, 3, 4, 6, 8, 12, 16 …: at most a third more. */
function roundedUp(n: number): number {
  const power = powerOfTwo(n);
  return n <= 0.75 * power ? Math.ceil(0.75 * power) : power;
}
