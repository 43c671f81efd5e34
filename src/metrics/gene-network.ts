import type { Rng } from '../rng.js';
import { auroc, averagePrecision, precisionAtTop, precisionRecallArea } from './ranking.js';

/** A directed edge between genes. In a prediction `weight` is its strength, in a truth it may tell the sign. */
export interface Edge {
  readonly regulator: string;
  readonly target: string;
  /** Predicted: |weight| is the score. True: > 0 activates, < 0 represses, 0 or absent unknown. */
  readonly weight?: number;
}

/** Which ordered pairs of genes are scored. */
export interface PairUniverse {
  /** Genes of the truth, sorted. */
  readonly genes: readonly string[];
  /** Those that may regulate: all of them, or the transcription factors among them. */
  readonly regulators: readonly string[];
  /** [regulators × genes], 1 for a true edge; a pair of a gene with itself is left out, `isScored` 0. */
  readonly isTrue: Uint8Array;
  readonly isScored: Uint8Array;
  /** Sign of the true edge, 0 where unknown or none. */
  readonly sign: Int8Array;
  /** Scored pairs and true edges among them. */
  readonly numPairs: number;
  readonly numTrue: number;
}

/**
 * BEELINE's universe: ordered pairs of genes of the truth, no loops.
 * @param regulators only these may regulate (transcription factors); names outside the truth are ignored
 */
export function pairUniverse(truth: readonly Edge[], regulators?: Iterable<string>): PairUniverse {
  const genes = [...new Set(truth.flatMap(({ regulator, target }) => [regulator, target]))].sort();
  const allowed = regulators && new Set(regulators);
  const sources = allowed ? genes.filter((gene) => allowed.has(gene)) : genes;
  const geneAt = indexOf(genes);
  const sourceAt = indexOf(sources);
  const isTrue = new Uint8Array(sources.length * genes.length);
  const isScored = new Uint8Array(isTrue.length).fill(1);
  const sign = new Int8Array(isTrue.length);
  sources.forEach((gene, row) => (isScored[row * genes.length + geneAt.get(gene)!] = 0));
  for (const { regulator, target, weight = 0 } of truth) {
    const row = sourceAt.get(regulator);
    if (row === undefined || regulator === target) continue;
    const at = row * genes.length + geneAt.get(target)!;
    isTrue[at] = 1;
    sign[at] = Math.sign(weight);
  }
  const numTrue = isTrue.reduce((sum, v) => sum + v, 0);
  return { genes, regulators: sources, isTrue, isScored, sign, numPairs: isScored.reduce((sum, v) => sum + v, 0), numTrue };
}

export interface NetworkScores {
  /** Trapezoid area under precision and recall: BEELINE's AUPRC. */
  readonly auprc: number;
  /** auprc / density of true edges: 1 is chance. */
  readonly auprcRatio: number;
  readonly averagePrecision: number;
  readonly auroc: number;
  /** Precision in the top k / density, k the number of true edges, ties with the k-th included: 1 is chance. */
  readonly epr: number;
}

/** Scores of a prediction over a universe. Pairs it does not name score 0. @param scores [regulators × genes] */
export function networkScores(universe: PairUniverse, scores: Float64Array): NetworkScores {
  const { isScored, isTrue, numPairs, numTrue } = universe;
  const kept = new Float64Array(numPairs);
  const labels = new Uint8Array(numPairs);
  let filled = 0;
  for (let at = 0; at < isScored.length; at++) {
    if (!isScored[at]) continue;
    kept[filled] = scores[at]!;
    labels[filled++] = isTrue[at]!;
  }
  const density = numTrue / numPairs;
  const auprc = precisionRecallArea(kept, labels);
  return {
    auprc,
    auprcRatio: auprc / density,
    averagePrecision: averagePrecision(kept, labels),
    auroc: auroc(kept, labels),
    epr: numTrue ? precisionAtTop(kept, labels, numTrue) / density : NaN,
  };
}

/**
 * A prediction's scores on the universe's pairs: |weight|, of an edge named twice the larger.
 * @param isReversed reads every edge as target → regulator: networks from attention have no agreed direction
 * @returns [regulators × genes], and how many of the edges lie in the universe
 */
export function edgeScores(
  universe: PairUniverse,
  edges: Iterable<Edge>,
  { isReversed = false } = {},
): { scores: Float64Array; weights: Float64Array; numInUniverse: number } {
  const geneAt = indexOf(universe.genes);
  const sourceAt = indexOf(universe.regulators);
  const scores = new Float64Array(universe.isTrue.length);
  const weights = new Float64Array(universe.isTrue.length);
  let numInUniverse = 0;
  for (const { regulator, target, weight = 1 } of edges) {
    const [from, to] = isReversed ? [target, regulator] : [regulator, target];
    const row = sourceAt.get(from);
    const column = geneAt.get(to);
    if (row === undefined || column === undefined || from === to) continue;
    numInUniverse++;
    const at = row * universe.genes.length + column;
    if (Math.abs(weight) < scores[at]!) continue;
    scores[at] = Math.abs(weight);
    weights[at] = weight;
  }
  return { scores, weights, numInUniverse };
}

export interface SignedScores {
  /** True edges of that sign are positive, all else negative; the score is the weight of that sign, else 0. */
  readonly activation: NetworkScores;
  readonly repression: NetworkScores;
  /** Share of true edges with a known sign and a predicted weight whose signs agree; 0.5 is chance for balanced signs. */
  readonly signAccuracy: number;
  readonly numSigned: number;
}

/** Scores that ask for the sign. @param weights [regulators × genes] signed */
export function signedScores(universe: PairUniverse, weights: Float64Array): SignedScores {
  const ofSign = (wanted: 1 | -1): NetworkScores => {
    const isTrue = universe.sign.map((sign) => (sign === wanted ? 1 : 0));
    const numTrue = isTrue.reduce((sum, v) => sum + v, 0);
    return networkScores(
      { ...universe, isTrue: Uint8Array.from(isTrue), numTrue },
      weights.map((weight) => Math.max(0, wanted * weight)),
    );
  };
  let numSigned = 0;
  let numAgreeing = 0;
  for (let at = 0; at < weights.length; at++) {
    if (!universe.sign[at] || !weights[at]) continue;
    numSigned++;
    if (Math.sign(weights[at]!) === universe.sign[at]) numAgreeing++;
  }
  return { activation: ofSign(1), repression: ofSign(-1), signAccuracy: numSigned ? numAgreeing / numSigned : NaN, numSigned };
}

/** The mean scores of shuffled predictions: what any other table row must beat. */
export function randomNetworkScores(universe: PairUniverse, rng: Rng, numShuffles = 20): NetworkScores {
  const rows = Array.from({ length: numShuffles }, (_, i) => {
    const stream = rng.fork(`shuffle/${i}`);
    return networkScores(
      universe,
      Float64Array.from({ length: universe.isTrue.length }, () => stream.uniform()),
    );
  });
  const mean = (key: keyof NetworkScores) => rows.reduce((sum, row) => sum + row[key], 0) / numShuffles;
  return { auprc: mean('auprc'), auprcRatio: mean('auprcRatio'), averagePrecision: mean('averagePrecision'), auroc: mean('auroc'), epr: mean('epr') };
}

function indexOf(names: readonly string[]): Map<string, number> {
  return new Map(names.map((name, i) => [name, i]));
}
