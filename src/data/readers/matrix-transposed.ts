import type { StoredArray } from './array-store.js';
import type { NumberArray } from './hdf5-decode.js';
import type { CellMatrix, GeneNames, MatrixKey, RowBlock, RowBlockOptions } from './reader.js';
import { compressDense, rowRange, type MatrixPlace } from './row-block.js';

/** Numbers held at a time: 16 Mi. */
const WINDOW_ELEMENTS = 1 << 24;

/** A dense matrix of genes × cells. A range of cells is a range of columns, read for as many cells at a time as fit into a fixed budget. */
export class TransposedMatrix implements CellMatrix {
  readonly encoding = 'dense';
  readonly key: MatrixKey;
  readonly dtype: string;
  readonly numCells: number;
  readonly numGenes: number;
  readonly genes: GeneNames;

  /** @param windowElements the budget; tests lower it */
  constructor(
    private readonly array: StoredArray,
    private readonly place: MatrixPlace,
    private readonly windowElements = WINDOW_ELEMENTS,
  ) {
    this.key = place.key;
    this.dtype = array.dtype;
    this.numGenes = array.shape[0]!;
    this.numCells = array.shape[1]!;
    this.genes = place.genes;
  }

  async *rowBlocks(options: RowBlockOptions = {}): AsyncGenerator<RowBlock> {
    const { start, end, blockRows } = rowRange(this.numCells, options);
    const { numGenes } = this;
    const most = Math.max(1, Math.floor(this.windowElements / Math.max(1, numGenes)));
    // Whole storage chunks, as long as they fit: a chunk that straddles two windows is unpacked twice.
    const chunk = this.array.chunks?.[1] ?? 1;
    const width = chunk <= most ? Math.floor(most / chunk) * chunk : most;
    for (let from = start; from < end;) {
      const to = Math.min(end, (Math.floor(from / width) + 1) * width);
      const window = this.array.columns(from, to);
      for (let row = from; row < to; row += blockRows) {
        const last = Math.min(to, row + blockRows);
        yield compressDense(row, last - row, this.turn(window, to - from, row - from, last - from), this.place, options.allowNonFinite ?? false);
      }
      from = to;
    }
  }

  /** Columns [first, last) of a window of genes × `width` cells, as cells × genes. */
  private turn(window: NumberArray, width: number, first: number, last: number): NumberArray {
    const { numGenes } = this;
    const rows = new (window.constructor as new (length: number) => NumberArray)((last - first) * numGenes);
    for (let gene = 0; gene < numGenes; gene++) {
      for (let cell = first; cell < last; cell++) rows[(cell - first) * numGenes + gene] = window[gene * width + cell]!;
    }
    return rows;
  }
}
