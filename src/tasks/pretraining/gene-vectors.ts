// n cells, V gene vocabulary, D hidden
import { createLoader } from '../../data/loader/loader.js';
import type { CellSource } from '../../data/loader/mixture.js';
import { leadingEigenpairs } from '../../metrics/baselines/lanczos.js';
import { centredTimes, centredTransposeTimes, columnMeans, type SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import { initialParameters } from '../../model/parameters.js';
import type { Rng } from '../../rng.js';
import type { HostTensors } from '../../runtime/program/program.js';
import type { PretrainingConfig } from './config.js';

/**
 * Eigenpairs are wanted to this share of the largest eigenvalue. What is left over is far below the noise of any one gene, and the
 * trailing directions are nearly alike: telling them apart exactly would take many more products and change no dot product.
 */
const TOLERANCE = 1e-3;

/** State-dict name of the table, [V, D]. */
const TABLE = 'gene_embedding.weight';

/**
 * With `geneVectors.kind: expression` a gene starts not as a random vector but where training cells put it: the dot product of two genes'
 * vectors is their correlation over those cells (damped for genes that vary little), as far as D dimensions can say it.
 *
 * The mean over a cell's genes, which the [LAT] token is made from, then begins as principal components of what the cell expresses rather
 * than as a random projection of it, in which D dimensions cannot keep thousands of genes apart. With some ten thousand cells to learn
 * from that head start is much of what the embedding ever knows; with tens of millions it is soon overtaken.
 * @param rng of the initial parameters
 * @returns the parameter that starts elsewhere than drawn, by name; undefined for `random`
 */
export async function placedGeneVectors(config: PretrainingConfig, corpus: CellSource, rng: Rng): Promise<HostTensors | undefined> {
  if (config.geneVectors.kind === 'random') return undefined;
  const { hiddenDim } = config.model;
  const rows = corpus.splitRows('train');
  const cells = rng
    .fork('gene-vectors/cells')
    .permutation(rows.length)
    .subarray(0, config.geneVectors.maxCells)
    .sort()
    .map((i) => rows[i]!)
    .sort();
  const matrices: SparseMatrix[] = [];
  for (const group of splitAt(cells, corpus.firstRows ?? [0])) matrices.push(await expressionOf(config, corpus, group));
  const { shape, data: drawn } = initialParameters(config.model, corpus.vocabulary.size, rng)[TABLE]!;
  return {
    [TABLE]: {
      dtype: 'float32',
      shape,
      data: placeGenes(matrices, { dim: hiddenDim, deviationFloor: config.geneVectors.deviationFloor }, rng.fork('gene-vectors'), drawn as Float32Array),
    },
  };
}

/**
 * Gene vectors whose dot products are the correlations of expression: with C = U Λ Uᵀ the correlation matrix within the groups, rows of
 * U √Λ R. R is a random rotation: an optimiser that looks at each coordinate by itself is best served when none is larger than the others.
 * Scaled to a mean square of 1 over all entries, as random vectors have.
 * @param groups log-normalised expression, cells × genes; each is centred by itself, so that what tells studies apart is no correlation
 * @param deviationFloor added to a gene's standard deviation before it is divided by: 0 makes all genes count alike, those that few cells
 *   express included, which are mostly noise; far above the deviations (log-normalised values seldom have more than 2) correlations become covariances
 * @param fallback [V, D] rows for genes that no cell expresses
 * @returns [V, D]
 */
export function placeGenes(
  groups: readonly SparseMatrix[],
  { dim, deviationFloor }: { readonly dim: number; readonly deviationFloor: number },
  rng: Rng,
  fallback: Float32Array,
): Float32Array {
  const numGenes = groups[0]!.numColumns;
  const means = groups.map(columnMeans);
  const numCells = groups.reduce((sum, { numRows }) => sum + numRows, 0);
  const deviation = deviations(groups, means, numCells);
  const weight = deviation.map((sd) => (sd > 0 ? 1 / (sd + deviationFloor) : 0));
  const covariance = (v: Float64Array): Float64Array => {
    const scaled = v.map((x, g) => x * weight[g]!);
    const out = new Float64Array(numGenes);
    groups.forEach((x, i) => centredTransposeTimes(x, means[i]!, centredTimes(x, means[i]!, scaled)).forEach((value, g) => (out[g]! += value / numCells)));
    return out.map((x, g) => x * weight[g]!);
  };
  const { values, vectors } = leadingEigenpairs(covariance, numGenes, Math.min(dim, numGenes), rng.fork('start'), { tolerance: TOLERANCE, maxSteps: 3 * dim });
  const rotation = randomRotation(dim, rng.fork('rotation'));
  const out = Float32Array.from(fallback);
  let squares = 0;
  let numPlaced = 0;
  for (let g = 0; g < numGenes; g++) {
    if (weight[g] === 0) continue;
    const row = new Float64Array(dim);
    vectors.forEach((u, k) => {
      const along = u[g]! * Math.sqrt(Math.max(0, values[k]!));
      for (let d = 0; d < dim; d++) row[d]! += along * rotation[k]![d]!;
    });
    out.set(row, g * dim);
    squares += row.reduce((sum, x) => sum + x * x, 0);
    numPlaced++;
  }
  const scale = Math.sqrt((numPlaced * dim) / squares);
  for (let g = 0; g < numGenes; g++) if (weight[g]! > 0) for (let d = 0; d < dim; d++) out[g * dim + d]! *= scale;
  return out;
}

/** [V] standard deviation of every gene within the groups; 0 where no cell expresses it. */
function deviations(groups: readonly SparseMatrix[], means: readonly Float64Array[], numCells: number): Float64Array {
  const squares = new Float64Array(groups[0]!.numColumns);
  groups.forEach(({ numRows, indices, values }, i) => {
    for (let at = 0; at < values.length; at++) squares[indices[at]!]! += values[at]! ** 2;
    means[i]!.forEach((mean, g) => (squares[g]! -= numRows * mean ** 2));
  });
  return squares.map((sum) => Math.sqrt(Math.max(0, sum / numCells)));
}

/** Rows of a random orthogonal matrix: normal draws, made orthogonal one after the other. */
function randomRotation(dim: number, rng: Rng): Float64Array[] {
  const rows: Float64Array[] = [];
  while (rows.length < dim) {
    const row = Float64Array.from({ length: dim }, () => rng.normal());
    for (let pass = 0; pass < 2; pass++)
      for (const other of rows) {
        const along = other.reduce((sum, x, d) => sum + x * row[d]!, 0);
        other.forEach((x, d) => (row[d]! -= along * x));
      }
    const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
    rows.push(row.map((x) => x / norm));
  }
  return rows;
}

/** Ascending rows, cut where a corpus begins; parts without a row are left out. */
function splitAt(rows: Int32Array, firstRows: readonly number[]): Int32Array[] {
  return firstRows.map((first, i) => rows.filter((row) => row >= first && row < (firstRows[i + 1] ?? Infinity))).filter((part) => part.length > 0);
}

const READ_CELLS = 256;

/** Log-normalised expression of whole cells, not cut to the model's length. */
async function expressionOf(config: PretrainingConfig, corpus: CellSource, rows: Int32Array): Promise<SparseMatrix> {
  const preprocessing = { ...config.preprocessing, serialisation: 'expression' as const, maxGenes: corpus.vocabulary.size };
  const batches = createLoader(corpus, { rows, batchSize: READ_CELLS, preprocessing, rng: null, loader: { ...config.loader, numWorkers: 0 } });
  const indptr: number[] = [0];
  const ids: Int32Array[] = [];
  const values: Float32Array[] = [];
  for await (const batch of batches) {
    for (let b = 0; b < batch.numCells; b++) {
      const [from, to] = [b * batch.seqLen, b * batch.seqLen + batch.numGenes[b]!];
      ids.push(batch.geneIds.slice(from, to));
      values.push(batch.values.slice(from, to));
      indptr.push(indptr.at(-1)! + to - from);
    }
  }
  const indices = new Int32Array(indptr.at(-1)!);
  const data = new Float32Array(indptr.at(-1)!);
  ids.forEach((part, i) => indices.set(part, indptr[i]!));
  values.forEach((part, i) => data.set(part, indptr[i]!));
  return { numRows: rows.length, numColumns: corpus.vocabulary.size, indptr, indices, values: data };
}
