import type { Rng } from '../rng.js';
import { fitLogisticRegression, logisticProbabilities } from './baselines/logistic-regression.js';
import { applyPca, fitPca } from './baselines/pca.js';
import type { DenseMatrix, SparseMatrix } from './baselines/sparse-matrix.js';
import { rSquared, pearson } from './correlation.js';
import { exactNeighbours } from './neighbours.js';
import { takePoints } from './points.js';
import { auroc } from './ranking.js';

const NUM_COMPONENTS = 50;
const NUM_NEIGHBOURS = 15;
const NUM_FOLDS = 5;

/** How well made-up cells stand in for real ones that their maker has not seen. */
export interface GenerationScores {
  /** Over the genes that either side expresses: R² and Pearson of the mean of each gene, Pearson of its standard deviation. */
  readonly generatedMeanR2: number;
  readonly generatedMeanPearson: number;
  readonly generatedSdPearson: number;
  /** Genes a cell shows, generated / real: 1 where as many are silent. */
  readonly generatedGenesRatio: number;
  /** AUC of telling real from generated cells by the 15 nearest others on 50 principal components of both: 0.5 = cannot be told apart. */
  readonly twoSampleAuc: number;
  /** The same by logistic regression, five-fold: sees the means alone. */
  readonly twoSampleAucLinear: number;
}

/**
 * Classifier two-sample test (Lopez-Paz & Oquab 2017, "Revisiting Classifier Two-Sample Tests") and the first two moments of every gene.
 * @param real held-out cells × genes, log-normalised @param generated cells over the same genes; at least 2 of each
 */
export function scoreGenerated(real: SparseMatrix, generated: SparseMatrix, rng: Rng): GenerationScores {
  if (real.numColumns !== generated.numColumns) throw new RangeError(`${real.numColumns} genes against ${generated.numColumns}`);
  const [a, b] = [geneMoments(real), geneMoments(generated)];
  const shown = Int32Array.from(a.means.keys()).filter((g) => a.means[g]! > 0 || b.means[g]! > 0);
  const of = (values: Float64Array): Float64Array => Float64Array.from(shown, (g) => values[g]!);
  const both = stack(real, generated);
  const isReal = Uint8Array.from({ length: both.numRows }, (_, i) => (i < real.numRows ? 1 : 0));
  const points = applyPca(fitPca(both, NUM_COMPONENTS, rng.fork('pca')), both);
  return {
    generatedMeanR2: rSquared(of(a.means), of(b.means)),
    generatedMeanPearson: pearson(of(a.means), of(b.means)),
    generatedSdPearson: pearson(of(a.sds), of(b.sds)),
    generatedGenesRatio: generated.values.length / generated.numRows / (real.values.length / real.numRows),
    twoSampleAuc: auroc(realNeighbours(points, isReal), isReal),
    twoSampleAucLinear: auroc(heldOutProbabilities(points, isReal, rng.fork('folds')), isReal),
  };
}

/** Share of real cells among the nearest others of every cell. */
function realNeighbours(points: DenseMatrix, isReal: Uint8Array): Float64Array {
  const { k, indices } = exactNeighbours(points, Math.min(NUM_NEIGHBOURS + 1, points.numRows));
  return Float64Array.from(isReal, (_, cell) => {
    let numReal = 0;
    for (let j = 1; j < k; j++) numReal += isReal[indices[cell * k + j]!]!; // the first is the cell itself
    return numReal / (k - 1);
  });
}

/** Probability of being real, from a regression that has not seen the cell. */
function heldOutProbabilities(points: DenseMatrix, isReal: Uint8Array, rng: Rng): Float64Array {
  const order = rng.permutation(points.numRows);
  const out = new Float64Array(points.numRows);
  for (let fold = 0; fold < NUM_FOLDS; fold++) {
    const test = order.filter((_, i) => i % NUM_FOLDS === fold);
    const train = order.filter((_, i) => i % NUM_FOLDS !== fold);
    const rows = (cells: Int32Array): DenseMatrix => takePoints(points, cells) as DenseMatrix;
    const fitted = fitLogisticRegression(
      rows(train),
      Int32Array.from(train, (cell) => isReal[cell]!),
      2,
    );
    const probabilities = logisticProbabilities(fitted, rows(test));
    test.forEach((cell, i) => (out[cell] = probabilities[2 * i + 1]!));
  }
  return out;
}

/** Mean and standard deviation (denominator n) of every gene over the cells. */
export function geneMoments({ numRows, numColumns, indices, values }: SparseMatrix): { means: Float64Array; sds: Float64Array } {
  const means = new Float64Array(numColumns);
  const squares = new Float64Array(numColumns);
  for (let i = 0; i < values.length; i++) {
    means[indices[i]!]! += values[i]! / numRows;
    squares[indices[i]!]! += values[i]! ** 2 / numRows;
  }
  return { means, sds: squares.map((square, g) => Math.sqrt(Math.max(0, square - means[g]! ** 2))) };
}

/** The rows of one matrix above those of another. */
function stack(a: SparseMatrix, b: SparseMatrix): SparseMatrix {
  const indptr = new Int32Array(a.numRows + b.numRows + 1);
  for (let i = 0; i <= a.numRows; i++) indptr[i] = a.indptr[i]!;
  for (let i = 0; i <= b.numRows; i++) indptr[a.numRows + i] = a.values.length + b.indptr[i]!;
  const indices = new Int32Array(a.values.length + b.values.length);
  const values = new Float32Array(indices.length);
  indices.set(a.indices);
  indices.set(b.indices, a.values.length);
  values.set(a.values);
  values.set(b.values, a.values.length);
  return { numRows: a.numRows + b.numRows, numColumns: a.numColumns, indptr, indices, values };
}
