import type { CellValues, GeneIds, RawCell } from '../loader/depth.js';

const LARGEST_COUNT = 65_535;
/** Vocabularies up to this size have ids of 16 bits. */
const NARROW_IDS = 65_536;
/** Genes a cell that room is made for at first: memory that is not touched costs nothing, growing costs a copy. */
const EXPECTED_GENES = 2048;

/** R cells, one after the other; NNZ stored values. */
export interface CollectedCells {
  /** [R] source row of each cell, counted over all files. */
  readonly rows: Int32Array;
  /** [R + 1] */
  readonly indptr: Int32Array;
  /** [R] */
  readonly total: Float64Array;
  /** [NNZ] */
  readonly geneIds: GeneIds;
  /** [NNZ] */
  readonly values: CellValues;
}

/** Collects the cells of one shard after the other, in arrays that grow and are used again. */
export class ShardBuilder {
  private readonly isCounts: boolean;
  private numCells = 0;
  private numValues = 0;
  private geneIds: GeneIds;
  private values: CellValues;
  private readonly indptr: Int32Array;
  private readonly totals: Float64Array;
  private readonly rows: Int32Array;

  constructor(maxCells: number, vocabularySize: number, valueType: 'uint16' | 'float32') {
    this.isCounts = valueType === 'uint16';
    const capacity = maxCells * EXPECTED_GENES;
    this.indptr = new Int32Array(maxCells + 1);
    this.totals = new Float64Array(maxCells);
    this.rows = new Int32Array(maxCells);
    this.geneIds = vocabularySize <= NARROW_IDS ? new Uint16Array(capacity) : new Int32Array(capacity);
    this.values = this.isCounts ? new Uint16Array(capacity) : new Float32Array(capacity);
  }

  /** Begins the next shard: what `finish` gave before is overwritten from now on. */
  start(): void {
    this.numCells = 0;
    this.numValues = 0;
  }

  /** @returns false where a count does not fit into 16 bits: the cell is not added */
  add(row: number, { geneIds, values, total }: RawCell): boolean {
    if (this.isCounts && !(values instanceof Uint16Array)) for (let i = 0; i < values.length; i++) if (values[i]! > LARGEST_COUNT) return false;
    this.addValues(geneIds, values);
    this.addCell(row, geneIds.length, total);
    return true;
  }

  /** Adds a cell whose genes and values come, or have come, with those of others by `addValues`. */
  addCell(row: number, numGenes: number, total: number): void {
    this.rows[this.numCells] = row;
    this.totals[this.numCells] = total;
    this.indptr[this.numCells + 1] = this.indptr[this.numCells]! + numGenes;
    this.numCells++;
  }

  /** Genes and values of as many cells as lie one after the other. */
  addValues(geneIds: GeneIds, values: CellValues): void {
    const start = this.numValues;
    this.numValues += geneIds.length;
    this.reserve(this.numValues, start);
    this.geneIds.set(geneIds, start);
    this.values.set(values, start);
  }

  /** Views of what was collected. */
  finish(): CollectedCells {
    return {
      rows: this.rows.subarray(0, this.numCells),
      indptr: this.indptr.subarray(0, this.numCells + 1),
      total: this.totals.subarray(0, this.numCells),
      geneIds: this.geneIds.subarray(0, this.numValues),
      values: this.values.subarray(0, this.numValues),
    };
  }

  private reserve(n: number, filled: number): void {
    if (n <= this.geneIds.length) return;
    const capacity = Math.max(n, Math.ceil(this.geneIds.length * 1.5));
    const [geneIds, values] = [this.geneIds, this.values];
    this.geneIds = geneIds instanceof Uint16Array ? new Uint16Array(capacity) : new Int32Array(capacity);
    this.geneIds.set(geneIds.subarray(0, filled));
    this.values = this.isCounts ? new Uint16Array(capacity) : new Float32Array(capacity);
    this.values.set(values.subarray(0, filled));
  }
}
