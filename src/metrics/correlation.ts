/** Pearson correlation; NaN when one side does not vary, where none is defined. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = sameLength(a, b);
  let meanA = 0;
  let meanB = 0;
  for (let i = 0; i < n; i++) {
    meanA += a[i]! / n;
    meanB += b[i]! / n;
  }
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < n; i++) {
    const x = a[i]! - meanA;
    const y = b[i]! - meanB;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  // What rounding leaves of a constant is no variation.
  if (aa <= n * (1e-14 * meanA) ** 2 || bb <= n * (1e-14 * meanB) ** 2) return NaN;
  return Math.max(-1, Math.min(1, ab / Math.sqrt(aa * bb)));
}

/** Spearman correlation: Pearson of mean ranks. NaN when one side does not vary. */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  sameLength(a, b);
  return pearson(meanRanks(a), meanRanks(b));
}

/** Ranks from 1, smallest first, equal values sharing the mean of theirs. */
export function meanRanks(values: ArrayLike<number>): Float64Array {
  const n = values.length;
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(n);
  for (let start = 0; start < n;) {
    let end = start + 1;
    while (end < n && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) ranks[order[i]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/** Share of the truth's variance explained: 1 - residual / total; at most 1, below 0 when the mean does better, NaN when the truth does not vary. */
export function rSquared(truth: ArrayLike<number>, predicted: ArrayLike<number>): number {
  const n = sameLength(truth, predicted);
  let mean = 0;
  for (let i = 0; i < n; i++) mean += truth[i]! / n;
  let residual = 0;
  let total = 0;
  for (let i = 0; i < n; i++) {
    residual += (truth[i]! - predicted[i]!) ** 2;
    total += (truth[i]! - mean) ** 2;
  }
  return total > 0 ? 1 - residual / total : NaN;
}

export function meanSquaredError(truth: ArrayLike<number>, predicted: ArrayLike<number>): number {
  const n = sameLength(truth, predicted);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (truth[i]! - predicted[i]!) ** 2;
  return sum / n;
}

/** Middle of the values that are numbers, mean of the middle two of an even count; NaN of none. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(Array.from(values).filter((v) => !Number.isNaN(v))).sort();
  const middle = sorted.length >> 1;
  return sorted.length === 0 ? NaN : sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Mean of the values that are numbers; NaN of none. */
export function meanOfNumbers(values: Iterable<number>): number {
  let sum = 0;
  let count = 0;
  for (const v of values) {
    if (Number.isNaN(v)) continue;
    sum += v;
    count++;
  }
  return count ? sum / count : NaN;
}

function sameLength(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} values against ${b.length}`);
  return a.length;
}
