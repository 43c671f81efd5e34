/** Per row the most likely class (the first of equals) and its probability. @param probabilities [rows, numClasses] */
export function mostLikely(probabilities: ArrayLike<number>, numClasses: number): { predicted: Int32Array; confidence: Float64Array } {
  const numRows = probabilities.length / numClasses;
  const predicted = new Int32Array(numRows);
  const confidence = new Float64Array(numRows);
  for (let row = 0; row < numRows; row++) {
    let best = 0;
    for (let c = 1; c < numClasses; c++) if (probabilities[row * numClasses + c]! > probabilities[row * numClasses + best]!) best = c;
    predicted[row] = best;
    confidence[row] = probabilities[row * numClasses + best]!;
  }
  return { predicted, confidence };
}
