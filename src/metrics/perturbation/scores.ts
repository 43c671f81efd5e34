import { meanOfNumbers, meanSquaredError, pearson, spearman } from '../correlation.js';
import { averagePrecision, topPositions } from '../ranking.js';
import type { DifferentialExpression } from './differential-expression.js';
import { difference, pick } from './profiles.js';

/** Genes of a perturbation that count as its differentially expressed ones. */
const NUM_DE_GENES = 20;
/** A gene with a smaller false discovery rate has changed. */
const FDR_LIMIT = 0.05;

/** The real side of one perturbation: mean profile [genes] and its genes tested against the real control. */
export interface RealPerturbation {
  readonly mean: Float64Array;
  readonly de: DifferentialExpression;
}

/** What was predicted for it: a mean profile [genes], and the tests where single cells were predicted (also against the real control). */
export interface PredictedPerturbation {
  readonly mean: Float64Array;
  readonly de?: DifferentialExpression;
}

export interface References {
  /** [genes] mean of the real control: the reference of every delta. */
  readonly control: Float64Array;
  /** [genes] mean of the real perturbations' means: Systema's reference. */
  readonly perturbedCentroid: Float64Array;
}

/** Scores of one perturbation; NaN where one is not defined (no changed gene, a prediction without cells, one that does not vary). */
export interface PerturbationScores {
  /** Pearson of (predicted - control) and (real - control), all genes. */
  readonly pearsonDelta: number;
  /** The same over the 20 most significant genes. */
  readonly pearsonDeltaTop20De: number;
  /** Both minus the mean of perturbed centroids instead (Systema). */
  readonly pearsonDeltaPerturbedMean: number;
  readonly pearsonDeltaPerturbedMeanTop20De: number;
  /** Pearson of the means themselves over the 20 most significant genes: high for any prediction near the control. */
  readonly pearsonMeanTop20De: number;
  /** Mean squared error of the means. */
  readonly mse: number;
  readonly mseTop20De: number;
  /** Average precision of finding genes of real FDR < 0.05 by -log10 of the predicted FDR. */
  readonly deAuprc: number;
  /** Spearman of log fold changes over genes of real FDR < 0.05. */
  readonly lfcSpearman: number;
  /** Share of the 20 largest real |deltas| among the 20 largest predicted ones. */
  readonly hitRate20: number;
  /** Share of the N most changed significant real genes among the N most changed significant predicted ones. */
  readonly deOverlap20: number;
  readonly deOverlap50: number;
  readonly deOverlap100: number;
}

export const PERTURBATION_SCORE_KEYS = [
  'pearsonDelta',
  'pearsonDeltaTop20De',
  'pearsonDeltaPerturbedMean',
  'pearsonDeltaPerturbedMeanTop20De',
  'pearsonMeanTop20De',
  'mse',
  'mseTop20De',
  'deAuprc',
  'lfcSpearman',
  'hitRate20',
  'deOverlap20',
  'deOverlap50',
  'deOverlap100',
] as const satisfies readonly (keyof PerturbationScores)[];

/** All scores of one perturbation. */
export function perturbationScores(real: RealPerturbation, predicted: PredictedPerturbation, { control, perturbedCentroid }: References): PerturbationScores {
  const top20 = topDeGenes(real.de, NUM_DE_GENES);
  const realDelta = difference(real.mean, control);
  const predictedDelta = difference(predicted.mean, control);
  const realCentred = difference(real.mean, perturbedCentroid);
  const predictedCentred = difference(predicted.mean, perturbedCentroid);
  const changed = positionsWhere(real.de.fdr, (fdr) => fdr < FDR_LIMIT);
  const overlap = (n: number) => (predicted.de ? deOverlap(real.de, predicted.de, n) : NaN);
  return {
    pearsonDelta: pearson(predictedDelta, realDelta),
    pearsonDeltaTop20De: pearson(pick(predictedDelta, top20), pick(realDelta, top20)),
    pearsonDeltaPerturbedMean: pearson(predictedCentred, realCentred),
    pearsonDeltaPerturbedMeanTop20De: pearson(pick(predictedCentred, top20), pick(realCentred, top20)),
    pearsonMeanTop20De: pearson(pick(predicted.mean, top20), pick(real.mean, top20)),
    mse: meanSquaredError(real.mean, predicted.mean),
    mseTop20De: meanSquaredError(pick(real.mean, top20), pick(predicted.mean, top20)),
    deAuprc: predicted.de ? deAveragePrecision(real.de, predicted.de) : NaN,
    lfcSpearman: changed.length < 2 ? NaN : spearman(pick(predictedDelta, changed), pick(real.de.logFoldChange, changed)),
    hitRate20: hitRate(realDelta, predictedDelta, NUM_DE_GENES),
    deOverlap20: overlap(20),
    deOverlap50: overlap(50),
    deOverlap100: overlap(100),
  };
}

/** Mean of every score over perturbations, leaving out those where it is not defined. */
export function meanPerturbationScores(scores: readonly PerturbationScores[]): PerturbationScores {
  return Object.fromEntries(PERTURBATION_SCORE_KEYS.map((key) => [key, meanOfNumbers(scores.map((score) => score[key]))])) as unknown as PerturbationScores;
}

/** The n genes with the largest |z|; all when there are fewer. */
export function topDeGenes(de: DifferentialExpression, n: number): Int32Array {
  return topPositions(de.z.map(Math.abs), n);
}

/** Share of the n largest |real| entries among the n largest |predicted|. 0 … 1; NaN where nothing is predicted to change, and so nothing is largest. */
export function hitRate(real: Float64Array, predicted: Float64Array, n: number): number {
  if (predicted.every((value) => value === 0)) return NaN;
  const size = Math.min(n, real.length);
  const found = new Set(topPositions(predicted.map(Math.abs), size));
  return topPositions(real.map(Math.abs), size).reduce((sum, gene) => sum + (found.has(gene) ? 1 : 0), 0) / size;
}

function deAveragePrecision(real: DifferentialExpression, predicted: DifferentialExpression): number {
  const isChanged = Uint8Array.from(real.fdr, (fdr) => (fdr < FDR_LIMIT ? 1 : 0));
  // Rates that underflow tie at the smallest number there is.
  return averagePrecision(
    predicted.fdr.map((fdr) => -Math.log10(Math.max(fdr, Number.MIN_VALUE))),
    isChanged,
  );
}

/**
 * Overlap of the N genes with the largest |log fold change| among the significant ones of either side. Fewer significant real genes than N: all of
 * them, and the share is of those.
 * @returns NaN when no real gene is significant
 */
export function deOverlap(real: DifferentialExpression, predicted: DifferentialExpression, n: number): number {
  const strongest = (de: DifferentialExpression, size: number): number[] => {
    const significant = positionsWhere(de.fdr, (fdr) => fdr < FDR_LIMIT);
    return Array.from(topPositions(pick(de.logFoldChange.map(Math.abs), significant), size), (at) => significant[at]!);
  };
  const wanted = strongest(real, n);
  if (wanted.length === 0) return NaN;
  const found = new Set(strongest(predicted, wanted.length));
  return wanted.filter((gene) => found.has(gene)).length / wanted.length;
}

/**
 * Spread of the predictions over the spread of the truth, root mean square distance of the perturbations' means from their common mean: 0 when all
 * perturbations are predicted alike, 1 when they differ as much as the real ones.
 * @returns NaN when the real ones do not differ
 */
export function meanCollapseIndex(real: readonly Float64Array[], predicted: readonly Float64Array[]): number {
  const truth = spread(real);
  return truth > 0 ? spread(predicted) / truth : NaN;
}

function spread(profiles: readonly Float64Array[]): number {
  const numGenes = profiles[0]?.length ?? 0;
  let sum = 0;
  for (let gene = 0; gene < numGenes; gene++) {
    let mean = 0;
    for (const profile of profiles) mean += profile[gene]! / profiles.length;
    for (const profile of profiles) sum += (profile[gene]! - mean) ** 2 / profiles.length;
  }
  return Math.sqrt(sum);
}

function positionsWhere(values: Float64Array, isWanted: (value: number) => boolean): Int32Array {
  return Int32Array.from({ length: values.length }, (_, i) => i).filter((i) => isWanted(values[i]!));
}
