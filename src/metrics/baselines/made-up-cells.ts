import type { Rng } from '../../rng.js';
import { applyPca, fitPca } from './pca.js';
import { takeRows, type SparseMatrix } from './sparse-matrix.js';

/** Simple ways to make cells from those of a training set. */

/** One class of real cells for every cell to be made, in the proportions of the training cells. @param labels [n] class codes; -1 = a class of its own */
function drawClasses(labels: Int32Array, numCells: number, rng: Rng): Int32Array[] {
  const members = new Map<number, number[]>();
  labels.forEach((label, row) => members.set(label, [...(members.get(label) ?? []), row]));
  const rows = new Map([...members].map(([label, own]) => [label, Int32Array.from(own)]));
  return Array.from({ length: numCells }, () => rows.get(labels[rng.int(labels.length)]!)!);
}

/**
 * Principal components, and in them a normal distribution of every class with its own mean and covariance; what is below 0 comes out as 0.
 * @param x training cells × genes, log-normalised @param labels [n] class codes
 */
export function gaussianCells(x: SparseMatrix, labels: Int32Array, numComponents: number, numCells: number, rng: Rng): SparseMatrix {
  const pca = fitPca(x, numComponents, rng.fork('pca'));
  const K = pca.components.length;
  const { data } = applyPca(pca, x);
  const means = new Map<Int32Array, Float64Array>();
  const noise = rng.fork('noise');
  return sparseRows(
    x.numColumns,
    drawClasses(labels, numCells, rng.fork('classes')).map((own) => {
      let mean = means.get(own);
      if (!mean) means.set(own, (mean = Float64Array.from({ length: K }, (_, k) => own.reduce((sum, row) => sum + data[row * K + k]!, 0) / own.length)));
      // Σ w_i (x_i - mean) / √(n - 1) with normal w is a draw from the sample covariance itself, of whatever rank.
      const point = mean.slice();
      const scale = own.length > 1 ? 1 / Math.sqrt(own.length - 1) : 0;
      for (const row of own) {
        const weight = scale * noise.normal();
        for (let k = 0; k < K; k++) point[k]! += weight * (data[row * K + k]! - mean[k]!);
      }
      const levels = pca.means.slice();
      pca.components.forEach((component, k) => component.forEach((loading, g) => (levels[g]! += point[k]! * loading)));
      return levels;
    }),
  );
}

/** Every gene by itself: its value in a cell of the class drawn anew for each gene. Right in all that concerns single genes, and in nothing between them. */
export function shuffledCells(x: SparseMatrix, labels: Int32Array, numCells: number, rng: Rng): SparseMatrix {
  const draws = rng.fork('genes');
  const rows = Array.from({ length: x.numRows }, (_, row) => denseRow(x, row));
  return sparseRows(
    x.numColumns,
    drawClasses(labels, numCells, rng.fork('classes')).map((own) =>
      Float64Array.from({ length: x.numColumns }, (_, g) => rows[own[draws.int(own.length)]!]![g]!),
    ),
  );
}

/** Real training cells as if they had been made: what no maker of cells can be asked to beat. */
export function drawnCells(x: SparseMatrix, numCells: number, rng: Rng): SparseMatrix {
  return takeRows(x, rng.permutation(x.numRows).slice(0, numCells));
}

function denseRow(x: SparseMatrix, row: number): Float32Array {
  const out = new Float32Array(x.numColumns);
  for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) out[x.indices[at]!] = x.values[at]!;
  return out;
}

/** Rows of levels, those above 0 kept. */
function sparseRows(numColumns: number, rows: readonly Float64Array[]): SparseMatrix {
  const indptr = new Int32Array(rows.length + 1);
  const indices: number[] = [];
  const values: number[] = [];
  rows.forEach((levels, row) => {
    levels.forEach((level, g) => {
      if (level <= 0) return;
      indices.push(g);
      values.push(level);
    });
    indptr[row + 1] = indices.length;
  });
  return { numRows: rows.length, numColumns, indptr, indices: Int32Array.from(indices), values: Float32Array.from(values) };
}
