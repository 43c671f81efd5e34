import type { CellMatrix, GeneNames, MatrixKey, RowBlock, RowBlockOptions } from './reader.js';
import type { StoredArray } from './array-store.js';
import { compressDense, MAX_BLOCK_ENTRIES, rowRange, type MatrixPlace } from './row-block.js';
import { RowWindow } from './row-window.js';

/** A two-dimensional dataset, cells × genes. */
export class DenseMatrix implements CellMatrix {
  readonly encoding = 'dense';
  readonly key: MatrixKey;
  readonly dtype: string;
  readonly numCells: number;
  readonly numGenes: number;
  readonly genes: GeneNames;

  constructor(
    private readonly dataset: StoredArray,
    private readonly place: MatrixPlace,
  ) {
    this.key = place.key;
    this.dtype = dataset.dtype;
    this.numCells = dataset.shape[0]!;
    this.numGenes = dataset.shape[1]!;
    this.genes = place.genes;
  }

  async *rowBlocks(options: RowBlockOptions = {}): AsyncGenerator<RowBlock> {
    const { start, end, blockRows } = rowRange(this.numCells, options);
    const step = Math.max(1, Math.min(blockRows, Math.floor(MAX_BLOCK_ENTRIES / Math.max(1, this.numGenes))));
    const window = new RowWindow(this.dataset);
    for (let row = start; row < end; row += step) {
      const last = Math.min(end, row + step);
      yield compressDense(row, last - row, window.take(row, last), this.place, options.allowNonFinite ?? false);
    }
  }
}
