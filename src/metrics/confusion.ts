/** How often each true class was given each label. Class codes are 0 … numClasses - 1 on both sides. */
export interface ConfusionMatrix {
  readonly numClasses: number;
  /** [numClasses, numClasses] row-major: `counts[truth * numClasses + predicted]` cells. */
  readonly counts: Int32Array;
  readonly numCells: number;
}

/**
 * @param truth class code of each cell
 * @param predicted predicted class code of each cell, same length
 * @throws RangeError when the lengths differ, there is no cell, or a code lies outside 0 … numClasses - 1: unlabelled cells are the caller's to leave out
 */
export function confusionMatrix(truth: ArrayLike<number>, predicted: ArrayLike<number>, numClasses: number): ConfusionMatrix {
  if (truth.length !== predicted.length) throw new RangeError(`${truth.length} true labels but ${predicted.length} predictions`);
  if (truth.length === 0) throw new RangeError('no cell to score');
  const counts = new Int32Array(numClasses * numClasses);
  for (let i = 0; i < truth.length; i++) counts[checked(truth[i]!, numClasses) * numClasses + checked(predicted[i]!, numClasses)]!++;
  return { numClasses, counts, numCells: truth.length };
}

function checked(code: number, numClasses: number): number {
  if (!Number.isInteger(code) || code < 0 || code >= numClasses) throw new RangeError(`class code ${code} is not in 0 … ${numClasses - 1}`);
  return code;
}
