import { bothBleu4 } from './bleu.js';
import { meanOfNumbers, median, rSquared, spearman } from './correlation.js';
import { levenshtein } from './sequence-distance.js';

/** A cell as a ranking: ids of its genes, the first rank first, none twice; where known, the value of each. */
export interface RankedCell {
  readonly geneIds: ArrayLike<number>;
  readonly values?: ArrayLike<number>;
}

/** Scores of a set of cells; means and medians are over cells, NaN where no cell defines one. */
export interface ReconstructionScores {
  readonly numCells: number;
  /** Levenshtein distance of the two lists of genes: 0 is best, the longer list's length worst. */
  readonly lDistMean: number;
  readonly lDistMedian: number;
  /** Mean over cells of the sentence score. */
  readonly bleu4: number;
  /** One score of all cells' counts. */
  readonly bleu4Corpus: number;
  /** Spearman of rank positions over the genes that both lists hold. */
  readonly spearmanShared: number;
  /** Share of the true list's genes that the predicted list holds. */
  readonly spearmanCoverage: number;
  /** The same over the genes of either list, one absent from a list standing tied behind its last. */
  readonly spearmanFull: number;
  /** R² of the values of shared genes, all cells together; absent when a side has no values. */
  readonly valueR2?: number;
}

/** Scores predicted rankings against true ones, cell by cell. @throws RangeError for unequal numbers of cells, none, or a gene twice in a list */
export function reconstructionScores(truth: readonly RankedCell[], predicted: readonly RankedCell[]): ReconstructionScores {
  if (truth.length !== predicted.length) throw new RangeError(`${truth.length} true cells but ${predicted.length} predicted ones`);
  if (truth.length === 0) throw new RangeError('no cell to score');
  const pairs = truth.map((cell, i) => [cell.geneIds, predicted[i]!.geneIds] as const);
  const distances = pairs.map(([a, b]) => levenshtein(a, b));
  const agreements = pairs.map(([a, b]) => rankAgreement(a, b));
  const bleu = bothBleu4(pairs);
  const hasValues = truth.every((cell) => cell.values) && predicted.every((cell) => cell.values);
  return {
    numCells: truth.length,
    lDistMean: meanOfNumbers(distances),
    lDistMedian: median(distances),
    bleu4: meanOfNumbers(bleu.sentences),
    bleu4Corpus: bleu.corpus,
    spearmanShared: meanOfNumbers(agreements.map((agreement) => agreement.shared)),
    spearmanCoverage: meanOfNumbers(agreements.map((agreement) => agreement.coverage)),
    spearmanFull: meanOfNumbers(agreements.map((agreement) => agreement.full)),
    ...(hasValues && { valueR2: sharedValueR2(truth, predicted) }),
  };
}

export interface RankAgreement {
  /** Over genes of both lists; NaN for fewer than 2. */
  readonly shared: number;
  readonly coverage: number;
  /** Over genes of either; NaN when a list's positions do not vary. */
  readonly full: number;
}

/** Spearman correlations of two rankings, and how much of the true one the first covers. @throws RangeError for a gene twice in a list */
export function rankAgreement(truth: ArrayLike<number>, predicted: ArrayLike<number>): RankAgreement {
  const predictedAt = positions(predicted);
  const trueAt = positions(truth);
  const sharedTrue: number[] = [];
  const sharedPredicted: number[] = [];
  const allTrue: number[] = [];
  const allPredicted: number[] = [];
  for (const [gene, at] of trueAt) {
    const there = predictedAt.get(gene);
    allTrue.push(at);
    allPredicted.push(there ?? predicted.length);
    if (there === undefined) continue;
    sharedTrue.push(at);
    sharedPredicted.push(there);
  }
  for (const [gene, at] of predictedAt) {
    if (trueAt.has(gene)) continue;
    allTrue.push(truth.length);
    allPredicted.push(at);
  }
  return {
    shared: sharedTrue.length < 2 ? NaN : spearman(sharedTrue, sharedPredicted),
    coverage: truth.length === 0 ? NaN : sharedTrue.length / truth.length,
    full: allTrue.length < 2 ? NaN : spearman(allTrue, allPredicted),
  };
}

function positions(geneIds: ArrayLike<number>): Map<number, number> {
  const at = new Map<number, number>();
  for (let i = 0; i < geneIds.length; i++) {
    if (at.has(geneIds[i]!)) throw new RangeError(`gene ${geneIds[i]} twice in one list`);
    at.set(geneIds[i]!, i);
  }
  return at;
}

function sharedValueR2(truth: readonly RankedCell[], predicted: readonly RankedCell[]): number {
  const x: number[] = [];
  const y: number[] = [];
  truth.forEach((cell, c) => {
    const other = predicted[c]!;
    const at = positions(other.geneIds);
    for (let i = 0; i < cell.geneIds.length; i++) {
      const there = at.get(cell.geneIds[i]!);
      if (there === undefined) continue;
      x.push(cell.values![i]!);
      y.push(other.values![there]!);
    }
  });
  return x.length === 0 ? NaN : rSquared(x, y);
}
