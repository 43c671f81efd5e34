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

/** (X - 1·meansᵀ)·v, one number per row, without ever holding the centred matrix. */
export function centredTimes(x: SparseMatrix, means: Float64Array, v: Float64Array): Float64Array {
  let shift = 0;
  for (let g = 0; g < x.numColumns; g++) shift += means[g]! * v[g]!;
  const out = new Float64Array(x.numRows);
  for (let row = 0; row < x.numRows; row++) {
    let sum = -shift;
    for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) sum += x.values[at]! * v[x.indices[at]!]!;
    out[row] = sum;
  }
  return out;
}

/** (X - 1·meansᵀ)ᵀ·v, one number per column. */
export function centredTransposeTimes(x: SparseMatrix, means: Float64Array, v: Float64Array): Float64Array {
  const out = new Float64Array(x.numColumns);
  let total = 0;
  for (let row = 0; row < x.numRows; row++) {
    const factor = v[row]!;
    total += factor;
    for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) out[x.indices[at]!]! += factor * x.values[at]!;
  }
  for (let g = 0; g < x.numColumns; g++) out[g]! -= total * means[g]!;
  return out;
}

/** A copy of the given rows, in the given order. */
export function takeRows(x: SparseMatrix, rows: ArrayLike<number>): SparseMatrix {
  const indptr = new Int32Array(rows.length + 1);
  for (let i = 0; i < rows.length; i++) indptr[i + 1] = indptr[i]! + x.indptr[rows[i]! + 1]! - x.indptr[rows[i]!]!;
  const indices = new Int32Array(indptr[rows.length]!);
  const values = new Float32Array(indices.length);
  for (let i = 0; i < rows.length; i++) {
    const from = x.indptr[rows[i]!]!;
    for (let to = indptr[i]!; to < indptr[i + 1]!; to++) {
      indices[to] = x.indices[from + to - indptr[i]!]!;
      values[to] = x.values[from + to - indptr[i]!]!;
    }
  }
  return { numRows: rows.length, numColumns: x.numColumns, indptr, indices, values };
}
