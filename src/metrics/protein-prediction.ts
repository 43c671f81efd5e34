import { meanOfNumbers, pearson } from './correlation.js';

/** How well proteins were predicted: over cells for each protein, then the mean over proteins. */
export interface ProteinScores {
  /** Mean of the correlations that are defined: NaN where every prediction is a constant. */
  readonly proteinPearson: number;
  /** Mean root mean squared error, in the scale of the proteins. */
  readonly proteinRmse: number;
  /** Each protein's own. */
  readonly pearson: readonly number[];
  readonly rmse: readonly number[];
}

/** @param truth [n, P] @param predicted [n, P] */
export function scoreProteins(truth: ArrayLike<number>, predicted: ArrayLike<number>, numProteins: number): ProteinScores {
  const n = truth.length / numProteins;
  if (predicted.length !== truth.length) throw new RangeError(`${predicted.length} predictions of ${truth.length} levels`);
  const column = (values: ArrayLike<number>, p: number) => Float64Array.from({ length: n }, (_, i) => values[i * numProteins + p]!);
  const each = Array.from({ length: numProteins }, (_, p) => {
    const [a, b] = [column(truth, p), column(predicted, p)];
    return { pearson: pearson(a, b), rmse: Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / n) };
  });
  return {
    proteinPearson: meanOfNumbers(each.map(({ pearson: r }) => r)),
    proteinRmse: meanOfNumbers(each.map(({ rmse }) => rmse)),
    pearson: each.map(({ pearson: r }) => r),
    rmse: each.map(({ rmse }) => rmse),
  };
}
