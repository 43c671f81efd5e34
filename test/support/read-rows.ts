import type { CellMatrix, RowBlockOptions } from '../../src/data/readers/reader.js';

/** A matrix as rows of numbers, read in blocks. */
export async function readRows(matrix: CellMatrix, options: RowBlockOptions = {}): Promise<number[][]> {
  const all: number[][] = [];
  for await (const { numRows, indptr, indices, values } of matrix.rowBlocks(options)) {
    for (let row = 0; row < numRows; row++) {
      const dense = new Array<number>(matrix.numGenes).fill(0);
      for (let i = indptr[row]!; i < indptr[row + 1]!; i++) dense[indices[i]!] = values[i]!;
      all.push(dense);
    }
  }
  return all;
}
