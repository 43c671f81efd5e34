import type { Rng } from '../../rng.js';

/**
 * Draws rows with replacement so that row i is expected weight_i / Σ weight · n times, and comes that often rounded down or up: systematic
 * sampling, one random number for the whole pass. Equal weights give every row once.
 * @param weights one a row, finite, >= 0, not all 0
 * @returns n = rows.length rows, in the order of `rows`
 */
export function drawRows(rows: Int32Array, weights: Float64Array, rng: Rng): Int32Array {
  const n = rows.length;
  let sum = 0;
  for (const weight of weights) {
    if (!(weight >= 0 && weight < Infinity)) throw new RangeError(`weight ${weight}`);
    sum += weight;
  }
  if (n > 0 && sum === 0) throw new RangeError('all weights are 0');
  const drawn = new Int32Array(n);
  const offset = rng.uniform();
  let cumulated = 0;
  let k = 0;
  for (let i = 0; i < n && k < n; i++) {
    cumulated += weights[i]!;
    // Rounding must not lose the last draw.
    const reached = i === n - 1 ? n : (cumulated / sum) * n;
    while (k < n && k + offset < reached) drawn[k++] = rows[i]!;
  }
  return drawn;
}

/**
 * Weight of each row so that a class of frequency f is shown f^(1 - strength) times as often as one of frequency 1: strength 1 evens
 * classes out, 0 changes nothing.
 * @param codes category of each cell of the corpus, -1 = missing: a class of its own
 */
export function balancedWeights(rows: Int32Array, codes: Int32Array, strength: number): Float64Array {
  const frequency = new Map<number, number>();
  for (const row of rows) frequency.set(codes[row]!, (frequency.get(codes[row]!) ?? 0) + 1);
  return Float64Array.from(rows, (row) => frequency.get(codes[row]!)! ** -strength);
}
