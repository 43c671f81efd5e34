import type { GeneIds, RawCell } from '../loader/depth.js';

const LARGEST_COUNT = 65_535;
/** Vocabularies up to this size have ids of 16 bits. */
const NARROW_IDS = 65_536;

/** Collects the cells of one shard in growing arrays. */
export class ShardBuilder {
  private readonly isCounts: boolean;
  private numCells = 0;
  private numValues = 0;
  private geneIds: GeneIds;
  private values: Uint16Array | Float32Array;
  private readonly indptr: Int32Array;
  private readonly totals: Float64Array;
  /** Source row of each cell, counted over all files. */
  private readonly rows: Int32Array;

  /** @param capacityValues a guess; the arrays grow */
  constructor(maxCells: number, vocabularySize: number, valueType: 'uint16' | 'float32', capacityValues: number) {
    this.isCounts = valueType === 'uint16';
    this.indptr = new Int32Array(maxCells + 1);
    this.totals = new Float64Array(maxCells);
    this.rows = new Int32Array(maxCells);
    this.geneIds = vocabularySize <= NARROW_IDS ? new Uint16Array(capacityValues) : new Int32Array(capacityValues);
    this.values = this.isCounts ? new Uint16Array(capacityValues) : new Float32Array(capacityValues);
  }

  /** @returns false where a count does not fit into 16 bits: the cell is not added */
  add(row: number, { geneIds, values, total }: RawCell): boolean {
    const n = geneIds.length;
    const start = this.numValues;
    this.reserve(start + n);
    const [toIds, toValues, largest] = [this.geneIds, this.values, this.isCounts ? LARGEST_COUNT : Infinity];
    for (let i = 0; i < n; i++) {
      const value = values[i]!;
      if (value > largest) return false;
      toIds[start + i] = geneIds[i]!;
      toValues[start + i] = value;
    }
    this.rows[this.numCells] = row;
    this.totals[this.numCells] = total;
    this.numValues = start + n;
    this.indptr[++this.numCells] = this.numValues;
    return true;
  }

  /** Views of what was collected; the builder is not used again. */
  finish(): { rows: Int32Array; indptr: Int32Array; total: Float64Array; geneIds: GeneIds; values: Uint16Array | Float32Array } {
    return {
      rows: this.rows.subarray(0, this.numCells),
      indptr: this.indptr.subarray(0, this.numCells + 1),
      total: this.totals.subarray(0, this.numCells),
      geneIds: this.geneIds.subarray(0, this.numValues),
      values: this.values.subarray(0, this.numValues),
    };
  }

  private reserve(n: number): void {
    if (n <= this.geneIds.length) return;
    const capacity = Math.max(n, Math.ceil(this.geneIds.length * 1.5));
    const [geneIds, values] = [this.geneIds, this.values];
    this.geneIds = geneIds instanceof Uint16Array ? new Uint16Array(capacity) : new Int32Array(capacity);
    this.geneIds.set(geneIds.subarray(0, this.numValues));
    this.values = this.isCounts ? new Uint16Array(capacity) : new Float32Array(capacity);
    this.values.set(values.subarray(0, this.numValues));
  }
}
