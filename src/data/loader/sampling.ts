import type { Rng } from '../../rng.js';
import type { Sampling } from './config.js';
import type { CellSource, CorpusPart } from './mixture.js';

/**
 * The rows that a training pass shows, in no particular order: as many as there are.
 *
 * - Without weights and sampling: every row once.
 * - Corpora with weights: each gets its share of the rows, exact but for rounding. All its cells come equally often, give or take one;
 *   which ones come once more, or at all, is drawn anew for each pass.
 * - Balanced sampling: within each corpus that has a weight, else over all rows, see `balancedWeights`.
 */
export function passRows(source: Pick<CellSource, 'parts' | 'labelCodes'>, rows: Int32Array, sampling: Sampling | undefined, rng: Rng): Int32Array {
  const codes = sampling?.kind === 'balanced' ? source.labelCodes(sampling.labelKey) : undefined;
  const strength = sampling?.kind === 'balanced' ? sampling.strength : 0;
  if (!source.parts) return codes ? drawRows(rows, balancedWeights(rows, codes, strength), rows.length, rng.fork('sampling')) : rows;
  const counts = divide(
    rows.length,
    source.parts.map(({ share }) => share),
  );
  const shown = new Int32Array(rows.length);
  let at = 0;
  source.parts.forEach((part, i) => {
    const own = rowsOf(part, rows);
    const stream = rng.fork(`sampling/${i}`);
    const drawn = codes ? drawRows(own, balancedWeights(own, codes, strength), counts[i]!, stream) : repeatRows(own, counts[i]!, stream);
    shown.set(drawn, at);
    at += drawn.length;
  });
  return shown.slice(0, at);
}

function rowsOf({ firstRow, numCells }: CorpusPart, rows: Int32Array): Int32Array {
  return rows.filter((row) => row >= firstRow && row < firstRow + numCells);
}

/** `total` in whole parts, as close to the shares as can be: what rounding down leaves goes to the largest remainders. */
function divide(total: number, shares: readonly number[]): number[] {
  const exact = shares.map((share) => share * total);
  const parts = exact.map(Math.floor);
  const byRemainder = [...shares.keys()].sort((a, b) => exact[b]! - parts[b]! - (exact[a]! - parts[a]!) || a - b);
  const left = total - parts.reduce((a, b) => a + b, 0);
  for (const i of byRemainder.slice(0, left)) parts[i]! += 1;
  return parts;
}

/** `count` rows: all of them as often as they fit, and a random part of them once more. */
function repeatRows(rows: Int32Array, count: number, rng: Rng): Int32Array {
  if (rows.length === 0) return rows;
  const repeated = new Int32Array(count);
  const whole = count - (count % rows.length);
  for (let at = 0; at < whole; at += rows.length) repeated.set(rows, at);
  repeated.set(rng.shuffle(rows.slice()).subarray(0, count - whole), whole);
  return repeated;
}

/**
 * Draws rows with replacement so that row i is expected weight_i / Σ weight · count times, and comes that often rounded down or up:
 * systematic sampling, one random number for the whole pass. Equal weights and count = n give every row once.
 * @param weights one a row, finite, >= 0, not all 0
 * @returns `count` rows, in the order of `rows`; none where there are no rows
 */
function drawRows(rows: Int32Array, weights: Float64Array, count: number, rng: Rng): Int32Array {
  const n = rows.length;
  let sum = 0;
  for (const weight of weights) {
    if (!(weight >= 0 && weight < Infinity)) throw new RangeError(`weight ${weight}`);
    sum += weight;
  }
  if (n === 0) return rows;
  if (sum === 0) throw new RangeError('all weights are 0');
  const drawn = new Int32Array(count);
  const offset = rng.uniform();
  let cumulated = 0;
  let k = 0;
  for (let i = 0; i < n && k < count; i++) {
    cumulated += weights[i]!;
    // Rounding must not lose the last draw.
    const reached = i === n - 1 ? count : (cumulated / sum) * count;
    while (k < count && k + offset < reached) drawn[k++] = rows[i]!;
  }
  return drawn;
}

/**
 * Weight of each row so that a class of frequency f is shown f^(1 - strength) times as often as one of frequency 1: strength 1 evens
 * classes out, 0 changes nothing.
 * @param codes category of each cell of the corpus, -1 = missing: a class of its own
 */
function balancedWeights(rows: Int32Array, codes: Int32Array, strength: number): Float64Array {
  const frequency = new Map<number, number>();
  for (const row of rows) frequency.set(codes[row]!, (frequency.get(codes[row]!) ?? 0) + 1);
  return Float64Array.from(rows, (row) => frequency.get(codes[row]!)! ** -strength);
}
