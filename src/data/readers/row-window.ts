import type { NumberArray } from './hdf5-decode.js';
import type { StoredArray } from './array-store.js';

/** Elements kept in memory for one dataset at a time, unless the caller asks for more in one go. */
const WINDOW_ELEMENTS = 1 << 20;
/** A storage chunk larger than this is read in parts: unpacking it twice is cheaper than holding it. */
const LARGEST_WINDOW = 1 << 24;

/**
 * Walks along the first axis of a dataset, reading ahead by whole storage chunks, so that a compressed chunk is unpacked
 * about once however small the ranges are that the caller asks for.
 */
export class RowWindow {
  private rows: NumberArray = new Uint8Array();
  private start = 0;
  private end = 0;
  private readonly rowElements: number;
  private readonly chunkRows: number;
  private readonly windowRows: number;

  constructor(private readonly dataset: StoredArray) {
    this.rowElements = Math.max(
      1,
      dataset.shape.slice(1).reduce((product, size) => product * size, 1),
    );
    const chunk = dataset.chunks?.[0] ?? 1;
    this.chunkRows = chunk * this.rowElements > LARGEST_WINDOW ? 1 : chunk;
    this.windowRows = Math.max(1, Math.floor(WINDOW_ELEMENTS / this.rowElements / this.chunkRows)) * this.chunkRows;
  }

  /** Rows [start, end), one after the other; valid until the next call. */
  take(start: number, end: number): NumberArray {
    if (start < this.start || end > this.end) {
      const numRows = this.dataset.shape[0] ?? 0;
      this.start = start - (start % this.chunkRows);
      const wanted = Math.max(end, this.start + this.windowRows);
      this.end = Math.min(numRows, Math.ceil(wanted / this.chunkRows) * this.chunkRows);
      this.rows = this.dataset.numbers(this.start, this.end);
    }
    return this.rows.subarray((start - this.start) * this.rowElements, (end - this.start) * this.rowElements);
  }
}
