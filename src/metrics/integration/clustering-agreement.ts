import { countCodes } from './labels.js';

/** How well two labellings of the same cells agree. */
export interface Agreement {
  /** Normalised mutual information, arithmetic mean of the entropies: 0 … 1 (scikit-learn's default). */
  readonly nmi: number;
  /** Adjusted Rand index: 1 for the same groups, about 0 by chance, down to -0.5. */
  readonly ari: number;
}

/** NMI and ARI of two labellings, codes from 0 (scikit-learn's normalized_mutual_info_score and adjusted_rand_score). */
export function clusteringAgreement(a: ArrayLike<number>, b: ArrayLike<number>): Agreement {
  const n = a.length;
  if (n === 0) throw new RangeError('no cell to score');
  const countsA = countCodes(a, n);
  const countsB = countCodes(b, n);
  const width = countsB.length;
  const joint = new Map<number, number>(); // only pairs of groups that occur: there may be many of both
  for (let i = 0; i < n; i++) {
    const key = a[i]! * width + b[i]!;
    joint.set(key, (joint.get(key) ?? 0) + 1);
  }
  let information = 0;
  let pairsTogether = 0;
  for (const [key, count] of joint) {
    const inA = countsA[Math.floor(key / width)]!;
    const inB = countsB[key % width]!;
    information += (count / n) * Math.log((count * n) / (inA * inB));
    pairsTogether += pairs(count);
  }
  const entropyA = entropy(countsA, n);
  const entropyB = entropy(countsB, n);
  const pairsA = countsA.reduce((sum, count) => sum + pairs(count), 0);
  const pairsB = countsB.reduce((sum, count) => sum + pairs(count), 0);
  const expected = (pairsA * pairsB) / Math.max(1, pairs(n));
  const most = (pairsA + pairsB) / 2;
  return {
    // Two labellings of one group each agree entirely; scikit-learn says 1, too.
    nmi: entropyA === 0 && entropyB === 0 ? 1 : Math.max(0, Math.min(1, information / ((entropyA + entropyB) / 2))),
    ari: most === expected ? 1 : (pairsTogether - expected) / (most - expected),
  };
}

function pairs(count: number): number {
  return (count * (count - 1)) / 2;
}

function entropy(counts: Int32Array, n: number): number {
  return counts.reduce((sum, count) => (count ? sum - (count / n) * Math.log(count / n) : sum), 0);
}
