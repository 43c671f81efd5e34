/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties counting one half (Mann-Whitney U).
 * @param scores higher means more likely positive
 * @param isPositive 1 or 0 per score
 * @returns 0 … 1; NaN when one of the two kinds is absent, where no curve exists
 */
export function auroc(scores: ArrayLike<number>, isPositive: ArrayLike<number>): number {
  const n = scores.length;
  if (n !== isPositive.length) throw new RangeError(`${n} scores but ${isPositive.length} labels`);
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  let numPositive = 0;
  let rankSum = 0; // of the positives, ranks from 1, ties sharing their mean rank
  for (let start = 0; start < n; ) {
    let end = start + 1;
    while (end < n && scores[order[end]!] === scores[order[start]!]) end++;
    const rank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) {
      if (!isPositive[order[i]!]) continue;
      numPositive++;
      rankSum += rank;
    }
    start = end;
  }
  const numNegative = n - numPositive;
  return numPositive && numNegative ? (rankSum - (numPositive * (numPositive + 1)) / 2) / (numPositive * numNegative) : NaN;
}
