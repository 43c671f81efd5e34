import type { DenseMatrix } from './sparse-matrix.js';

/**
 * k nearest neighbours by Euclidean distance, each with one vote (scikit-learn's KNeighborsClassifier, uniform weights).
 * @param labels class code of every training row
 * @returns [rows of test, numClasses] share of the votes; fewer than k training rows all vote
 */
export function nearestNeighbourProbabilities(train: DenseMatrix, labels: ArrayLike<number>, test: DenseMatrix, numClasses: number, k = 15): Float64Array {
  const votes = new Float64Array(test.numRows * numClasses);
  exactNearest(train, test, k, (row, nearest) => {
    for (const other of nearest) votes[row * numClasses + labels[other]!]! += 1 / nearest.length;
  });
  return votes;
}

/** Tells for each test row the k training rows that are nearest by Euclidean distance, fewer where there are fewer. @param tell its array is written over */
export function exactNearest(train: DenseMatrix, test: DenseMatrix, k: number, tell: (row: number, nearest: Int32Array) => void): void {
  const numVotes = Math.min(k, train.numRows);
  const K = train.numColumns;
  const nearest = new Int32Array(numVotes);
  const distance = new Float64Array(numVotes);
  for (let row = 0; row < test.numRows; row++) {
    let numFound = 0;
    for (let other = 0; other < train.numRows; other++) {
      let squared = 0;
      for (let j = 0; j < K; j++) squared += (test.data[row * K + j]! - train.data[other * K + j]!) ** 2;
      if (numFound === numVotes && squared >= distance[numVotes - 1]!) continue;
      // Insertion into the short sorted list: k is small, most rows never get here.
      let at = numFound < numVotes ? numFound++ : numVotes - 1;
      for (; at > 0 && distance[at - 1]! > squared; at--) {
        distance[at] = distance[at - 1]!;
        nearest[at] = nearest[at - 1]!;
      }
      distance[at] = squared;
      nearest[at] = other;
    }
    tell(row, nearest);
  }
}
