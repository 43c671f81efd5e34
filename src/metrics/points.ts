/** Cells as points: row-major coordinates, as an embedding or principal components give them. */
export interface Points {
  readonly numRows: number;
  readonly numColumns: number;
  /** [numRows, numColumns] */
  readonly data: Float32Array | Float64Array;
}

/** A copy of the given rows, in the given order. */
export function takePoints({ numColumns, data }: Points, rows: ArrayLike<number>): Points {
  const out = new Float64Array(rows.length * numColumns);
  for (let i = 0; i < rows.length; i++) out.set(data.subarray(rows[i]! * numColumns, (rows[i]! + 1) * numColumns), i * numColumns);
  return { numRows: rows.length, numColumns, data: out };
}

/** The same cells with the mean of every coordinate at 0, in double precision: distances stay, and their rounding shrinks. */
export function centredPoints({ numRows, numColumns, data }: Points): { numRows: number; numColumns: number; data: Float64Array } {
  const means = new Float64Array(numColumns);
  for (let row = 0; row < numRows; row++) for (let j = 0; j < numColumns; j++) means[j]! += data[row * numColumns + j]! / numRows;
  const out = new Float64Array(data.length);
  for (let row = 0; row < numRows; row++) for (let j = 0; j < numColumns; j++) out[row * numColumns + j] = data[row * numColumns + j]! - means[j]!;
  return { numRows, numColumns, data: out };
}
