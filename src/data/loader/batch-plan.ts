import type { Rng } from '../../rng.js';

export interface BatchPlanOptions {
  /** Corpus rows of this pass. */
  readonly rows: Int32Array;
  readonly batchSize: number;
  /** The pass's own stream; null keeps the order of `rows`. */
  readonly rng: Rng | null;
  /** Genes a row will show the model, the length it is sorted by. */
  readonly length: (row: number) => number;
  /** Batches sorted by length together. */
  readonly sortWindow: number;
}

/**
 * Which cells make up batch k of a pass, as a function of (rows, rng, k): nothing is consumed, so a pass continues at any batch
 * without drawing or reading what came before.
 *
 * Shuffled: one permutation of all rows, cut into windows of `sortWindow` batches. Within a window cells are sorted by length
 * and cut into batches, so that a batch holds cells of like length and little of it is padding; then the batches of the window
 * are put in random order, so that lengths do not come in a pattern. Every row comes once. The rows that fill no whole batch
 * are the last of the permutation, hence a random sample, and come last.
 *
 * How mixed a batch is: the permutation is over all rows at once, no block or buffer bounds how far a cell can travel, and a window
 * is a uniform sample of the corpus. With sortWindow 1 a batch is one, too. With more, which window a cell comes in is uniform still,
 * but a batch holds cells of like length: where length goes with cell type, a batch is less mixed than its window.
 */
export class BatchPlan {
  readonly numBatches: number;
  private readonly options: BatchPlanOptions;
  private readonly order: Int32Array;
  private windowIndex = -1;
  private windowRows: Int32Array = new Int32Array(0);

  constructor(options: BatchPlanOptions) {
    const { rows, batchSize, rng } = options;
    if (!(Number.isInteger(batchSize) && batchSize > 0)) throw new RangeError(`batchSize must be a positive integer, found ${batchSize}`);
    this.options = options;
    this.numBatches = Math.ceil(rows.length / batchSize);
    this.order = rng ? rng.fork('order').shuffle(rows.slice()) : rows;
  }

  /** @returns the corpus rows of batch `index`: batchSize of them, fewer in the last */
  rowsOf(index: number): Int32Array {
    if (!(index >= 0 && index < this.numBatches)) throw new RangeError(`batch ${index} of ${this.numBatches}`);
    const { batchSize, rng, sortWindow } = this.options;
    const numWhole = Math.floor(this.order.length / batchSize);
    if (!rng || index >= numWhole) return this.order.slice(index * batchSize, (index + 1) * batchSize);
    const window = Math.floor(index / sortWindow);
    if (window !== this.windowIndex) {
      this.windowRows = this.sortedWindow(window, numWhole, rng);
      this.windowIndex = window;
    }
    const at = (index - window * sortWindow) * batchSize;
    return this.windowRows.slice(at, at + batchSize);
  }

  private sortedWindow(window: number, numWhole: number, rng: Rng): Int32Array {
    const { batchSize, sortWindow, length } = this.options;
    const first = window * sortWindow;
    const numBatches = Math.min(sortWindow, numWhole - first);
    const rows = this.order.subarray(first * batchSize, (first + numBatches) * batchSize);
    const n = rows.length;
    const keys = new Float64Array(n);
    for (let i = 0; i < n; i++) keys[i] = length(rows[i]!) * n + i; // ties keep their order
    const sorted = Int32Array.from(keys.sort(), (key) => rows[key % n]!);
    const batches = rng.fork(`window/${window}`).permutation(numBatches);
    const out = new Int32Array(rows.length);
    batches.forEach((from, to) => out.set(sorted.subarray(from * batchSize, (from + 1) * batchSize), to * batchSize));
    return out;
  }
}
