import { number, thousands } from './format.js';

/** Cells of one make among cells of another. */
export interface RowGroup {
  readonly kind: 'whole' | 'negative' | 'logTotal' | 'total' | 'fractions';
  readonly numRows: number;
  /** What the rows, or exp(v) - 1 of them, sum to. */
  readonly total?: number;
}

/** Rows with fewer values are whole, or agree in their sums, by chance. */
const LEAST_VALUES = 10;
/** A smaller group is noise: at least this share, and this many rows. */
const [LEAST_SHARE, LEAST_ROWS] = [0.01, 3];
/** Bins of 1 % in the logarithm of a sum, from e^-5 to e^25. */
const [BINS_PER_LOG, FIRST_LOG, NUM_BINS] = [100, -5, 3000];
/** A peak is three bins wide, and nothing stands within 15 % of it but a tenth of its height. */
const [PEAK_REACH, CLEAR_REACH, MOST_NEARBY, MOST_PEAKS] = [2, 15, 0.1, 6];

/** Sorts the rows of a matrix by what their values could be, in bounded memory. */
export class MixtureCollector {
  private numRows = 0;
  private numWhole = 0;
  private numNegative = 0;
  private numFractions = 0;
  private readonly wholeSums = new Int32Array(NUM_BINS);
  private readonly sums = new Int32Array(NUM_BINS);
  private readonly logSums = new Int32Array(NUM_BINS);

  /** @param expSum sum of exp(v) - 1; undefined where a value is too large for a logarithm */
  add(kind: 'whole' | 'negative' | 'fractions', numValues: number, sum: number, expSum: number | undefined): void {
    if (numValues < LEAST_VALUES) return;
    this.numRows++;
    if (kind === 'negative') {
      this.numNegative++;
    } else if (kind === 'whole') {
      this.numWhole++;
      this.wholeSums[binOf(sum)]!++;
    } else {
      this.numFractions++;
      this.sums[binOf(sum)]!++;
      if (expSum !== undefined) this.logSums[binOf(expSum)]!++;
    }
  }

  /** The groups, largest first, where there are at least two that cannot be of one make; undefined for a matrix of one piece. */
  result(): readonly RowGroup[] | undefined {
    const least = Math.max(LEAST_ROWS, LEAST_SHARE * this.numRows);
    const logPeaks = peaks(this.logSums, least);
    const sumPeaks = peaks(this.sums, least);
    const inPeaks = [...logPeaks, ...sumPeaks].reduce((n, { numRows }) => n + numRows, 0);
    // Rows that agree in both sums are copies of each other and tell nothing.
    const chosen = inPeaks > this.numFractions ? [logPeaks.map(asLog)] : [logPeaks.map(asLog), sumPeaks.map((peak): RowGroup => ({ kind: 'total', ...peak }))];
    const totals = chosen.flat();
    // A cell of 1,000 molecules has whole numbers even as CPM: it belongs to its peak.
    const wholeInPeaks = totals.reduce((n, { kind, total }) => n + (kind === 'total' ? massAround(this.wholeSums, binOf(total!), PEAK_REACH) : 0), 0);
    const certain = [
      ...(this.numWhole - wholeInPeaks >= least ? [{ kind: 'whole', numRows: this.numWhole - wholeInPeaks } as const] : []),
      ...(this.numNegative >= least ? [{ kind: 'negative', numRows: this.numNegative } as const] : []),
      ...totals.map((group) =>
        group.kind === 'total' ? { ...group, numRows: group.numRows + massAround(this.wholeSums, binOf(group.total!), PEAK_REACH) } : group,
      ),
    ];
    // Fractions without a common total go with any normalised rows, and with negative ones; not with whole numbers.
    const rest = this.numFractions - totals.reduce((n, { numRows }) => n + numRows, 0);
    const groups: RowGroup[] =
      certain.length === 1 && certain[0]!.kind === 'whole' && rest >= least ? [...certain, { kind: 'fractions', numRows: rest }] : certain;
    return groups.length > 1 ? groups.sort((a, b) => b.numRows - a.numRows) : undefined;
  }
}

function asLog(peak: { numRows: number; total: number }): RowGroup {
  return { kind: 'logTotal', ...peak };
}

export function describeGroups(groups: readonly RowGroup[]): string {
  return groups
    .map(
      ({ kind, numRows, total }) =>
        `${thousands(numRows)} ${total === undefined ? WORDS[kind] : `that sum to about ${number(Number(total.toPrecision(2)))}${kind === 'logTotal' ? ' after exp(v) - 1' : ''}`}`,
    )
    .join(', ');
}

const WORDS: Partial<Record<RowGroup['kind'], string>> = { whole: 'with whole numbers', negative: 'with negative values', fractions: 'with fractions' };

function binOf(sum: number): number {
  return Math.min(NUM_BINS - 1, Math.max(0, Math.round((Math.log(sum) - FIRST_LOG) * BINS_PER_LOG)));
}

/** Sums that many rows have and hardly any other row comes near. */
function peaks(histogram: Int32Array, least: number): { numRows: number; total: number }[] {
  const left = histogram.slice();
  const found: { numRows: number; total: number }[] = [];
  for (let n = 0; n < MOST_PEAKS; n++) {
    let best = 0;
    for (let bin = 1; bin < NUM_BINS; bin++) if (massAround(left, bin, 1) > massAround(left, best, 1)) best = bin;
    const numRows = massAround(left, best, PEAK_REACH);
    if (numRows < least || numRows === 0) break;
    const nearby = massAround(histogram, best, CLEAR_REACH) - massAround(histogram, best, PEAK_REACH);
    left.fill(0, Math.max(0, best - CLEAR_REACH), best + CLEAR_REACH + 1);
    if (nearby <= MOST_NEARBY * numRows) found.push({ numRows, total: Math.exp(centre(histogram, best) / BINS_PER_LOG + FIRST_LOG) });
  }
  return found;
}

/** Mean bin of a peak. */
function centre(histogram: Int32Array, bin: number): number {
  let [mass, sum] = [0, 0];
  for (let i = Math.max(0, bin - PEAK_REACH); i <= Math.min(NUM_BINS - 1, bin + PEAK_REACH); i++) {
    mass += histogram[i]!;
    sum += histogram[i]! * i;
  }
  return sum / mass;
}

function massAround(histogram: Int32Array, bin: number, reach: number): number {
  let mass = 0;
  for (let i = Math.max(0, bin - reach); i <= Math.min(NUM_BINS - 1, bin + reach); i++) mass += histogram[i]!;
  return mass;
}
