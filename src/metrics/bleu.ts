const MAX_ORDER = 4;

/** What BLEU adds up: matches and totals of n-grams for n = 1 … 4, and both lengths. */
interface NgramCounts {
  readonly matches: number[];
  readonly totals: number[];
  readonly candidateLength: number;
  readonly referenceLength: number;
}

/**
 * BLEU-4 of one sequence against one reference (Papineni et al. 2002): geometric mean of the clipped n-gram precisions, n = 1 … 4, times the brevity
 * penalty, not smoothed (nltk's sentence_bleu).
 * @returns 0 … 1, higher is better; 0 when some order has no match, and so for any candidate shorter than 4
 */
export function bleu4(reference: ArrayLike<number>, candidate: ArrayLike<number>): number {
  return score(countNgrams(reference, candidate));
}

/** BLEU-4 of a set of sequences as its authors define it: counts of all pairs added up first, then one score (nltk's corpus_bleu). */
export function corpusBleu4(pairs: Iterable<readonly [reference: ArrayLike<number>, candidate: ArrayLike<number>]>): number {
  return bothBleu4(pairs).corpus;
}

/** `bleu4` of every pair and `corpusBleu4` of all, n-grams counted once. */
export function bothBleu4(pairs: Iterable<readonly [reference: ArrayLike<number>, candidate: ArrayLike<number>]>): { sentences: number[]; corpus: number } {
  const sum = { matches: [0, 0, 0, 0], totals: [0, 0, 0, 0], candidateLength: 0, referenceLength: 0 };
  const sentences: number[] = [];
  for (const [reference, candidate] of pairs) {
    const counts = countNgrams(reference, candidate);
    sentences.push(score(counts));
    for (let n = 0; n < MAX_ORDER; n++) {
      sum.matches[n]! += counts.matches[n]!;
      sum.totals[n]! += counts.totals[n]!;
    }
    sum.candidateLength += counts.candidateLength;
    sum.referenceLength += counts.referenceLength;
  }
  return { sentences, corpus: score(sum) };
}

function score({ matches, totals, candidateLength, referenceLength }: NgramCounts): number {
  if (matches.some((count) => count === 0)) return 0;
  const logPrecision = matches.reduce((sum, count, n) => sum + Math.log(count / totals[n]!), 0) / MAX_ORDER;
  return Math.exp(logPrecision + Math.min(0, 1 - referenceLength / candidateLength));
}

function countNgrams(reference: ArrayLike<number>, candidate: ArrayLike<number>): NgramCounts {
  const matches: number[] = [];
  const totals: number[] = [];
  for (let n = 1; n <= MAX_ORDER; n++) {
    const allowed = ngrams(reference, n);
    let matched = 0;
    for (const [gram, count] of ngrams(candidate, n)) matched += Math.min(count, allowed.get(gram) ?? 0);
    matches.push(matched);
    totals.push(Math.max(0, candidate.length - n + 1));
  }
  return { matches, totals, candidateLength: candidate.length, referenceLength: reference.length };
}

function ngrams(items: ArrayLike<number>, n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= items.length; i++) {
    let gram = '';
    for (let j = i; j < i + n; j++) gram += `${items[j]},`;
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}
