import { number, thousands } from './format.js';
import { describeGroups } from './mixture.js';
import type { MatrixStatistics, Spread } from './statistics.js';

/**
 * What the numbers of a matrix are. `counts`: integers. `cpm`: counts divided by each cell's total, not logged, whatever
 * the common total (10,000 and the median are as usual as a million). `log1p`: ln(1 + x) of such. `scaled`: centred, with
 * negative values. `mixed`: rows of one kind among rows of another. `unknown`: none of these.
 */
export type ValueKind = 'counts' | 'cpm' | 'log1p' | 'scaled' | 'mixed' | 'unknown';
/** The kinds a model can read. */
export type UsableKind = 'counts' | 'cpm' | 'log1p';

export interface ValueGuess {
  readonly kind: ValueKind;
  /** How it was told, with the figures. */
  readonly evidence: string;
  /** The total that every cell was brought to, before the logarithm; absent for counts and where cells differ. */
  readonly cellTotal?: number;
}

/** ln(1 + 1e6) is 13.8: a larger value is no logarithm of a normalised count. */
const LARGEST_LOG1P = 15;
/** Totals that vary less than this are the same but for rounding and genes filtered away. */
const CONSTANT = 0.01;
/** Constancy says nothing about fewer cells. */
const ENOUGH_CELLS = 3;

export function guessValueKind(statistics: MatrixStatistics): ValueGuess {
  const { numNonZero, numNonFinite, numNonInteger, numNegative, min, max, numRows, numEmptyCells, rowSums, expRowSums, exp2RowSums } = statistics;
  const numFinite = numNonZero - numNonFinite;
  const nonFinite = numNonFinite > 0 ? [`${thousands(numNonFinite)} ${numNonFinite === 1 ? 'value is' : 'values are'} NaN or infinite`] : [];
  const say = (...parts: string[]) => [...nonFinite, ...parts].join('; ');
  if (numFinite === 0) return { kind: 'unknown', evidence: say(numRows === 0 ? 'there are no cells' : 'there is no value but zero') };
  if (statistics.mixture) return { kind: 'mixed', evidence: say(`cells of different make: ${describeGroups(statistics.mixture)}`) };
  if (numNegative > 0)
    return { kind: 'scaled', evidence: say(`${thousands(numNegative)} of ${thousands(numFinite)} values are negative, from ${number(min)} to ${number(max)}`) };
  const range = `from ${number(min)} to ${number(max)}`;
  const cells = numRows - numEmptyCells;
  const isJudgeable = cells >= ENOUGH_CELLS;
  const isConstant = (spread: Spread) => isJudgeable && spread.variation < CONSTANT;
  if (numNonInteger === 0) {
    return {
      kind: 'counts',
      evidence: say(
        max === 1 ? `all ${thousands(numFinite)} values are 1` : `all ${thousands(numFinite)} values are integers, ${range}`,
        isConstant(rowSums)
          ? `every cell sums to about ${number(rowSums.mean)}, as if thinned to one depth`
          : `cells sum to ${number(rowSums.min)} … ${number(rowSums.max)}`,
      ),
    };
  }
  const fractions = `${Math.max(1, Math.round((100 * numNonInteger) / numFinite))} % of the values are fractions, ${range}, none negative`;
  const couldBeLog = expRowSums !== undefined && max < LARGEST_LOG1P;
  if (couldBeLog && isConstant(expRowSums) && expRowSums.variation <= rowSums.variation) {
    return { kind: 'log1p', cellTotal: expRowSums.mean, evidence: say(fractions, `after exp(v) - 1 every cell sums to about ${number(expRowSums.mean)}`) };
  }
  if (exp2RowSums && isConstant(exp2RowSums) && exp2RowSums.variation < rowSums.variation) {
    return {
      kind: 'unknown',
      evidence: say(fractions, `after 2^v - 1 every cell sums to about ${number(exp2RowSums.mean)}: a logarithm to base 2, not the natural one`),
    };
  }
  if (isConstant(rowSums)) return { kind: 'cpm', cellTotal: rowSums.mean, evidence: say(fractions, `every cell sums to about ${number(rowSums.mean)}`) };
  if (couldBeLog) {
    const sums = isJudgeable
      ? `after exp(v) - 1 cells sum to ${number(expRowSums.min)} … ${number(expRowSums.max)}, not to one total, as when genes were dropped afterwards`
      : 'too few cells to compare their totals';
    return { kind: 'log1p', evidence: say(fractions, `small enough for logarithms (below ${LARGEST_LOG1P})`, sums) };
  }
  return {
    kind: 'unknown',
    evidence: say(fractions, `too large for logarithms, and cells sum to ${number(rowSums.min)} … ${number(rowSums.max)}, not to one total`),
  };
}
