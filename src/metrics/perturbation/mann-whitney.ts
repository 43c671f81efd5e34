import { normalSurvival } from '../special-functions.js';

/** One two-sided Mann-Whitney U test. */
export interface MannWhitney {
  /** Wins of the first sample over the second, ties one half. */
  readonly u: number;
  /** Standardised with the tie correction, not the continuity correction: scanpy's wilcoxon score with tie_correct. 0 when all values are equal. */
  readonly z: number;
  /** Two-sided, by the normal approximation with tie and continuity corrections (scipy's mannwhitneyu, method="asymptotic"). */
  readonly pValue: number;
}

/**
 * The test on what a sparse matrix holds of one gene: values that are not 0, and how many cells there are in all.
 * @param a nonzero values of the first sample, of `numA` cells
 * @param b nonzero values of the second, of `numB` cells
 */
export function mannWhitney(a: ArrayLike<number>, numA: number, b: ArrayLike<number>, numB: number): MannWhitney {
  if (numA < 1 || numB < 1) throw new RangeError(`samples of ${numA} and ${numB} cells`);
  const n = numA + numB;
  const sortedA = Float64Array.from(a).sort();
  const sortedB = Float64Array.from(b).sort();
  let i = 0;
  let j = 0;
  let zerosLeft = n - sortedA.length - sortedB.length;
  const zerosOfA = numA - sortedA.length;
  let rank = 0;
  let rankSum = 0;
  let ties = 0; // Σ t³ - t
  while (i < sortedA.length || j < sortedB.length || zerosLeft > 0) {
    const value = Math.min(sortedA[i] ?? Infinity, sortedB[j] ?? Infinity, zerosLeft > 0 ? 0 : Infinity);
    let ofA = 0;
    let size = 0;
    for (; i < sortedA.length && sortedA[i] === value; i++) ofA++;
    size += ofA;
    for (; j < sortedB.length && sortedB[j] === value; j++) size++;
    if (value === 0) {
      ofA += zerosOfA;
      size += zerosLeft;
      zerosLeft = 0;
    }
    rankSum += ofA * (rank + (size + 1) / 2);
    ties += size ** 3 - size;
    rank += size;
  }
  const u = rankSum - (numA * (numA + 1)) / 2;
  const mean = (numA * numB) / 2;
  const deviation = Math.sqrt(((numA * numB) / 12) * (n + 1 - ties / (n * (n - 1))));
  if (!(deviation > 0)) return { u, z: 0, pValue: 1 };
  return { u, z: (u - mean) / deviation, pValue: Math.min(1, 2 * normalSurvival((Math.abs(u - mean) - 0.5) / deviation)) };
}

/** Adjusted p-values that bound the false discovery rate (Benjamini & Hochberg 1995), in the order given. */
export function benjaminiHochberg(pValues: ArrayLike<number>): Float64Array {
  const n = pValues.length;
  const order = Float64Array.from({ length: n }, (_, i) => i).sort((a, b) => pValues[b]! - pValues[a]!);
  const out = new Float64Array(n);
  let smallest = 1;
  for (let i = 0; i < n; i++) {
    smallest = Math.min(smallest, pValues[order[i]!]! * (n / (n - i)));
    out[order[i]!] = smallest;
  }
  return out;
}
