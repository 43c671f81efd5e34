/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties counting one half (Mann-Whitney U).
 * @param scores higher means more likely positive
 * @param isPositive 1 or 0 per score
 * @returns 0 … 1; NaN when one of the two kinds is absent, where no curve exists
 */
export function auroc(scores: ArrayLike<number>, isPositive: ArrayLike<number>): number {
  let numPositive = 0;
  let numNegative = 0;
  let area = 0; // pairs in which the positive wins
  for (const { positives, negatives } of thresholds(scores, isPositive)) {
    area += negatives * (numPositive + positives / 2);
    numPositive += positives;
    numNegative += negatives;
  }
  return numPositive && numNegative ? area / (numPositive * numNegative) : NaN;
}

/**
 * Average precision: precision at every threshold, weighted by the recall gained there (scikit-learn's average_precision_score).
 * @returns 0 … 1; NaN without a positive
 */
export function averagePrecision(scores: ArrayLike<number>, isPositive: ArrayLike<number>): number {
  let found = 0;
  let taken = 0;
  let sum = 0;
  for (const { positives, negatives } of thresholds(scores, isPositive)) {
    found += positives;
    taken += positives + negatives;
    sum += positives * (found / taken);
  }
  return found ? sum / found : NaN;
}

/**
 * Area under the precision-recall curve by the trapezoid rule, from recall 0 at precision 1 (scikit-learn's auc of precision_recall_curve, which
 * BEELINE uses). Straight lines between thresholds flatter a score with many ties: average precision does not.
 * @returns 0 … 1; NaN without a positive
 */
export function precisionRecallArea(scores: ArrayLike<number>, isPositive: ArrayLike<number>): number {
  let found = 0;
  let taken = 0;
  let precision = 1;
  let area = 0; // in units of positives
  for (const { positives, negatives } of thresholds(scores, isPositive)) {
    found += positives;
    taken += positives + negatives;
    area += (positives * (precision + found / taken)) / 2;
    precision = found / taken;
  }
  return found ? area / found : NaN;
}

/**
 * Precision among the k best, and among all that tie with the k-th (BEELINE's early precision).
 * @param k at least 1; more than there are scores takes them all
 */
export function precisionAtTop(scores: ArrayLike<number>, isPositive: ArrayLike<number>, k: number): number {
  if (!(k >= 1)) throw new RangeError(`the top ${k}`);
  let found = 0;
  let taken = 0;
  for (const { positives, negatives } of thresholds(scores, isPositive)) {
    found += positives;
    taken += positives + negatives;
    if (taken >= k) break;
  }
  return taken ? found / taken : NaN;
}

/** Positions of the n largest values, largest first, the earlier of equals first. */
export function topPositions(values: ArrayLike<number>, n: number): Int32Array {
  return Int32Array.from({ length: values.length }, (_, i) => i)
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .subarray(0, n);
}

/** What each distinct score, from the largest down, adds. */
function* thresholds(scores: ArrayLike<number>, isPositive: ArrayLike<number>): Generator<{ positives: number; negatives: number }> {
  const n = scores.length;
  if (n !== isPositive.length) throw new RangeError(`${n} scores but ${isPositive.length} labels`);
  const order = Float64Array.from({ length: n }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  for (let start = 0; start < n;) {
    const score = scores[order[start]!]!;
    if (Number.isNaN(score)) throw new RangeError('a score is NaN');
    let end = start;
    let positives = 0;
    for (; end < n && scores[order[end]!] === score; end++) if (isPositive[order[end]!]) positives++;
    yield { positives, negatives: end - start - positives };
    start = end;
  }
}
