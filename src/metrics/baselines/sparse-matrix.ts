/** Cells × genes in compressed sparse rows: what baselines see of the data (log-normalised expression). */
export interface SparseMatrix {
  readonly numRows: number;
  readonly numColumns: number;
  /** numRows + 1 offsets into `indices` and `values`. */
  readonly indptr: ArrayLike<number>;
  readonly indices: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** Rows of numbers, row-major. */
export interface DenseMatrix {
  readonly numRows: number;
  readonly numColumns: number;
  readonly data: Float64Array;
}

export function columnMeans({ numRows, numColumns, indices, values }: SparseMatrix): Float64Array {
  const means = new Float64Array(numColumns);
  for (let k = 0; k < values.length; k++) means[indices[k]!]! += values[k]! / numRows;
  return means;
}

/** (X - 1·meansᵀ) · right: [rows, columns] × [columns, K] → [rows, K], without ever holding the centred matrix. */
export function centredTimes(x: SparseMatrix, means: Float64Array, right: Float64Array, K: number): Float64Array {
  const shift = new Float64Array(K);
  for (let g = 0; g < x.numColumns; g++) for (let k = 0; k < K; k++) shift[k]! += means[g]! * right[g * K + k]!;
  const out = new Float64Array(x.numRows * K);
  for (let row = 0; row < x.numRows; row++) {
    for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) {
      const value = x.values[at]!;
      const from = x.indices[at]! * K;
      for (let k = 0; k < K; k++) out[row * K + k]! += value * right[from + k]!;
    }
    for (let k = 0; k < K; k++) out[row * K + k]! -= shift[k]!;
  }
  return out;
}

/** (X - 1·meansᵀ)ᵀ · left: [columns, rows] × [rows, K] → [columns, K]. */
export function centredTransposeTimes(x: SparseMatrix, means: Float64Array, left: Float64Array, K: number): Float64Array {
  const out = new Float64Array(x.numColumns * K);
  const sums = new Float64Array(K);
  for (let row = 0; row < x.numRows; row++) {
    for (let k = 0; k < K; k++) sums[k]! += left[row * K + k]!;
    for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) {
      const value = x.values[at]!;
      const to = x.indices[at]! * K;
      for (let k = 0; k < K; k++) out[to + k]! += value * left[row * K + k]!;
    }
  }
  for (let g = 0; g < x.numColumns; g++) for (let k = 0; k < K; k++) out[g * K + k]! -= means[g]! * sums[k]!;
  return out;
}
