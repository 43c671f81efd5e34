import { Matrix, solve } from 'ml-matrix';
import type { Rng } from '../../rng.js';
import { exactNearest } from './nearest-neighbours.js';
import { applyPca, fitPca } from './pca.js';
import { takeRows, type DenseMatrix, type SparseMatrix } from './sparse-matrix.js';

/** Log-normalised expression and proteins of three sets of cells. P proteins. */
export interface ProteinData {
  readonly train: SparseMatrix;
  readonly validation: SparseMatrix;
  readonly test: SparseMatrix;
  /** [n, P] */
  readonly trainProteins: Float32Array;
  readonly validationProteins: Float32Array;
  readonly numProteins: number;
  readonly rng: Rng;
}

export interface ProteinBaseline {
  readonly name: 'mean' | 'nearestNeighbours' | 'ridge';
  readonly title: string;
  /** [n test, P] */
  readonly predicted: Float64Array;
}

const NUM_COMPONENTS = 50;
const NUM_NEIGHBOURS = 15;
/** Ridge penalties tried on the validation cells. */
const PENALTIES = [0.1, 1, 10, 100, 1000, 10_000];
/** Components are found on at most so many training cells. */
const MAX_PCA_CELLS = 5000;

/** The training mean; 15 nearest neighbours; and ridge regression, its penalty chosen on validation cells: the last two on 50 principal components. */
export function proteinBaselines({ train, validation, test, trainProteins, validationProteins, numProteins: P, rng }: ProteinData): ProteinBaseline[] {
  const pcaCells = train.numRows > MAX_PCA_CELLS ? takeRows(train, rng.fork('cells').permutation(train.numRows).subarray(0, MAX_PCA_CELLS)) : train;
  const pca = fitPca(pcaCells, NUM_COMPONENTS, rng.fork('pca'));
  const [trainPoints, validationPoints, testPoints] = [applyPca(pca, train), applyPca(pca, validation), applyPca(pca, test)];
  const means = columnMeans(trainProteins, P);
  const fits = PENALTIES.map((penalty) => fitRidge(trainPoints, trainProteins, means, penalty));
  const errors = fits.map((fit) => squaredError(applyRidge(fit, validationPoints, means), validationProteins));
  const best = errors.indexOf(Math.min(...errors));
  const K = pca.components.length;
  return [
    { name: 'mean', title: 'mean of training cells', predicted: Float64Array.from({ length: test.numRows * P }, (_, i) => means[i % P]!) },
    {
      name: 'nearestNeighbours',
      title: `${NUM_NEIGHBOURS} nearest neighbours on ${K} PCs`,
      predicted: neighbourMeans(trainPoints, trainProteins, testPoints, P),
    },
    { name: 'ridge', title: `ridge regression on ${K} PCs (penalty ${PENALTIES[best]})`, predicted: applyRidge(fits[best]!, testPoints, means) },
  ];
}

/** (ZᵀZ + penalty · 1) W = Zᵀ(Y - mean): components are centred on the training cells, so that the intercept is the mean. [K, P] */
function fitRidge({ numRows: n, numColumns: K, data }: DenseMatrix, y: Float32Array, means: Float64Array, penalty: number): Matrix {
  const P = means.length;
  const gram = Matrix.eye(K, K).mul(penalty);
  const cross = Matrix.zeros(K, P);
  for (let i = 0; i < n; i++) {
    for (let a = 0; a < K; a++) {
      const z = data[i * K + a]!;
      for (let b = 0; b < K; b++) gram.set(a, b, gram.get(a, b) + z * data[i * K + b]!);
      for (let p = 0; p < P; p++) cross.set(a, p, cross.get(a, p) + z * (y[i * P + p]! - means[p]!));
    }
  }
  return solve(gram, cross);
}

function applyRidge(weights: Matrix, { numRows, numColumns: K, data }: DenseMatrix, means: Float64Array): Float64Array {
  const P = means.length;
  const out = new Float64Array(numRows * P);
  for (let i = 0; i < numRows; i++) {
    for (let p = 0; p < P; p++) {
      let sum = means[p]!;
      for (let k = 0; k < K; k++) sum += data[i * K + k]! * weights.get(k, p);
      out[i * P + p] = sum;
    }
  }
  return out;
}

function neighbourMeans(train: DenseMatrix, y: Float32Array, test: DenseMatrix, P: number): Float64Array {
  const out = new Float64Array(test.numRows * P);
  exactNearest(train, test, NUM_NEIGHBOURS, (row, nearest) => {
    for (const other of nearest) for (let p = 0; p < P; p++) out[row * P + p]! += y[other * P + p]! / nearest.length;
  });
  return out;
}

function columnMeans(values: Float32Array, P: number): Float64Array {
  const means = new Float64Array(P);
  const n = values.length / P;
  values.forEach((v, i) => (means[i % P]! += v / n));
  return means;
}

const squaredError = (predicted: Float64Array, truth: Float32Array): number => predicted.reduce((sum, v, i) => sum + (v - truth[i]!) ** 2, 0);
