import { DataError } from '../../errors.js';
import type { CellFile, CellMatrix, GeneNames, MatrixInfo, MatrixKey, ObsColumn, RowBlock, RowBlockOptions } from './reader.js';
import { rowRange, tidyRows, type MatrixPlace } from './row-block.js';

/** Cells × genes in compressed sparse rows, as scipy has them: columns in any order, repeats are added up. */
export interface SparseCells {
  /** One a column. */
  readonly genes: GeneNames;
  /** One a cell; default `cell 0`, `cell 1` … */
  readonly cellIds?: readonly string[] | undefined;
  /** [n + 1] offsets into `indices` and `values`. */
  readonly indptr: ArrayLike<number>;
  readonly indices: Int32Array;
  readonly values: Float32Array;
  readonly obs?: Readonly<Record<string, ObsColumn>>;
}

/** Cells that are in memory already, to be read like a file of them. */
export class CellsInMemory implements CellFile {
  readonly format = 'memory';
  readonly numCells: number;
  readonly cellIds: readonly string[];
  readonly obsKeys: readonly string[];
  readonly matrices: readonly MatrixInfo[];
  readonly notes: readonly string[] = [];

  /**
   * @param path what messages call them
   * @throws DataError where numbers of names and values do not go together
   */
  constructor(
    readonly path: string,
    private readonly cells: SparseCells,
  ) {
    const { genes, indptr, indices, values, obs = {} } = cells;
    this.numCells = indptr.length - 1;
    this.cellIds = cells.cellIds ?? Array.from({ length: this.numCells }, (_, i) => `cell ${i}`);
    if (this.cellIds.length !== this.numCells)
      throw new DataError({ file: path, key: 'cellIds', found: `${this.cellIds.length} names`, expected: `${this.numCells}, one a cell` });
    if (indices.length !== values.length)
      throw new DataError({ file: path, key: 'indices', found: `${indices.length} entries`, expected: `${values.length}, as many as values` });
    this.obsKeys = Object.keys(obs);
    this.matrices = [{ key: 'X', numGenes: genes.names.length, encoding: 'csr', dtype: 'float32' }];
  }

  obs(key: string): ObsColumn {
    const column = this.cells.obs?.[key];
    if (!column)
      throw new DataError({
        file: this.path,
        key: `obs['${key}']`,
        found: 'no such column',
        expected: `one of ${this.obsKeys.join(', ') || '(no columns at all)'}`,
      });
    return column;
  }

  matrix(key: MatrixKey): CellMatrix {
    if (key !== 'X') throw new DataError({ file: this.path, key, found: 'no such matrix', expected: 'X, the only one' });
    const { cells, numCells, path, cellIds } = this;
    const { genes, indptr, indices, values } = cells;
    const place: MatrixPlace = { file: path, key, cellIds, genes, numColumns: genes.names.length };
    return {
      ...this.matrices[0]!,
      numCells,
      genes,
      async *rowBlocks(options: RowBlockOptions = {}): AsyncGenerator<RowBlock> {
        const { start, end, blockRows } = rowRange(numCells, options);
        for (let row = start; row < end; row += blockRows) {
          const last = Math.min(end, row + blockRows);
          const first = indptr[row]!;
          const offsets = Int32Array.from({ length: last - row + 1 }, (_, i) => indptr[row + i]! - first);
          yield tidyRows(
            { firstRow: row, offsets, columns: indices.subarray(first, indptr[last]), values: values.subarray(first, indptr[last]), isFinal: true },
            place,
            options.allowNonFinite ?? false,
          );
        }
      },
    };
  }

  close(): void {}
}
