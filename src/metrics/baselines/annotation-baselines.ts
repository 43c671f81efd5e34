import type { Rng } from '../../rng.js';
import { mostLikely } from '../most-likely.js';
import { nearestNeighbourProbabilities } from './nearest-neighbours.js';
import { fitLogisticRegression, logisticProbabilities } from './logistic-regression.js';
import { applyPca, fitPca } from './pca.js';
import { takeRows, type SparseMatrix } from './sparse-matrix.js';

/** What every annotation baseline is given: the very cells the model trained on and is tested on. */
export interface BaselineData {
  /** Log-normalised expression, training cells × genes. */
  readonly train: SparseMatrix;
  /** Class code of every training cell, 0 … numClasses - 1. */
  readonly trainLabels: ArrayLike<number>;
  /** Log-normalised expression of the cells to label, same genes in the same columns. */
  readonly test: SparseMatrix;
  readonly numClasses: number;
  readonly rng: Rng;
}

export interface BaselineResult {
  /** Stable, for tables and `--json`. */
  readonly name: 'majorityClass' | 'nearestNeighbours' | 'logisticRegression';
  /** For people. */
  readonly title: string;
  /** [test cells] predicted class codes. */
  readonly predicted: Int32Array;
  /** [test cells] probability of the predicted class. */
  readonly confidence: Float64Array;
}

const NUM_COMPONENTS = 50;
const NUM_NEIGHBOURS = 15;
/** Components are found on at most so many training cells, drawn at random: more would cost minutes and turn them hardly. */
const MAX_PCA_CELLS = 5000;

/**
 * The simple methods every annotation table shows beside the model: the most frequent class; 15 nearest neighbours and multinomial
 * logistic regression (L2, C = 1) on 50 principal components, fitted on the training cells alone.
 */
export function annotationBaselines({ train, trainLabels, test, numClasses, rng }: BaselineData): BaselineResult[] {
  const pcaCells = train.numRows > MAX_PCA_CELLS ? takeRows(train, rng.fork('cells').permutation(train.numRows).subarray(0, MAX_PCA_CELLS)) : train;
  const pca = fitPca(pcaCells, NUM_COMPONENTS, rng.fork('pca'));
  const trainPoints = applyPca(pca, train);
  const testPoints = applyPca(pca, test);
  const regression = fitLogisticRegression(trainPoints, trainLabels, numClasses);
  return [
    result('majorityClass', 'most frequent class', majorityProbabilities(trainLabels, test.numRows, numClasses), numClasses),
    result(
      'nearestNeighbours',
      `${NUM_NEIGHBOURS} nearest neighbours on ${pca.components.length} PCs`,
      nearestNeighbourProbabilities(trainPoints, trainLabels, testPoints, numClasses, NUM_NEIGHBOURS),
      numClasses,
    ),
    result('logisticRegression', `logistic regression on ${pca.components.length} PCs`, logisticProbabilities(regression, testPoints), numClasses),
  ];
}

/** The class frequencies of the training cells, for every cell alike. */
export function majorityProbabilities(trainLabels: ArrayLike<number>, numTest: number, numClasses: number): Float64Array {
  const frequency = new Float64Array(numClasses);
  for (let i = 0; i < trainLabels.length; i++) frequency[trainLabels[i]!]! += 1 / trainLabels.length;
  const out = new Float64Array(numTest * numClasses);
  for (let row = 0; row < numTest; row++) out.set(frequency, row * numClasses);
  return out;
}

function result(name: BaselineResult['name'], title: string, probabilities: Float64Array, numClasses: number): BaselineResult {
  return { name, title, ...mostLikely(probabilities, numClasses) };
}
