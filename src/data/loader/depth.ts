import type { Rng } from '../../rng.js';
import type { DepthCorruption, ValueScale } from './config.js';
import { ConfigError } from '../../errors.js';

/**
 * Depth corruption: what a cell would have looked like had it been sequenced less deeply. Applied to raw values before genes
 * are ranked. With f the share of the depth that is left, c a count, N the cell's library size and T the target sum:
 *
 * - `scale`, the published global depth factor: every value is c·f, and the library size it is divided by stays N, the one of
 *   the cell at full depth: x = ln(1 + T·c·f / N). Dividing by the scaled library size f·N would cancel f and corrupt nothing.
 *   No gene is lost; the whole cell grows fainter. Works on any value kind.
 * - `thin`, binomial thinning: c' ~ Binomial(c, f), and everything after that is what a user's own pipeline would do to the
 *   shallower cell: N' is the thinned library (genes outside the vocabulary included), x = ln(1 + T·c' / N'). Expectations
 *   stay, noise grows, weakly expressed genes drop out. Needs counts.
 */
export type CellValues = Uint16Array | Float32Array;
/** Vocabulary ids; 16 bits wherever the vocabulary fits. */
export type GeneIds = Uint16Array | Int32Array;

/** Raw values of one cell as the corpus holds them. */
export interface RawCell {
  /** Vocabulary ids, ascending, unique. */
  readonly geneIds: GeneIds;
  /** One raw value a gene, > 0. */
  readonly values: CellValues;
  /** Library size: the sum over the whole source row, genes outside the vocabulary included. */
  readonly total: number;
}

/** A cell as observed: `values` (0 = dropped out) times `linearFactor` is linear expression at the target sum. */
export interface Observation {
  readonly values: CellValues;
  /** Multiplies counts and CPM; multiplies expm1(value) where the stored values are log1p. */
  readonly linearFactor: number;
}

/** The cell as it is, at the target sum. log1p values whose own target sum is unknown stay as they are (factor 1). */
export function observe(cell: RawCell, scale: ValueScale, targetSum: number): Observation {
  return { values: cell.values, linearFactor: linearFactor(cell.total, scale, targetSum) };
}

function linearFactor(total: number, scale: ValueScale, targetSum: number): number {
  if (scale.kind === 'log1p') return scale.targetSum === undefined ? 1 : targetSum / scale.targetSum;
  return targetSum / total;
}

/** @throws ConfigError for thinning of anything but counts */
export function checkDepth(depth: DepthCorruption, scale: ValueScale): void {
  if (depth.kind === 'thin' && scale.kind !== 'counts') {
    throw new ConfigError({
      key: 'depth.kind',
      found: `thin with values that are ${scale.kind}`,
      expected: 'counts, which alone can be thinned',
      hint: 'use depth.kind: scale',
    });
  }
}

/**
 * Draws one corrupted observation of a cell.
 * @param rng this cell's own stream
 * @param scratch receives thinned counts; at least cell.values.length long
 */
export function corruptDepth(cell: RawCell, scale: ValueScale, targetSum: number, depth: DepthCorruption, rng: Rng, scratch: CellValues): Observation {
  if (depth.kind === 'none' || rng.uniform() >= depth.probability) return observe(cell, scale, targetSum);
  const factor = depth.min + (depth.max - depth.min) * rng.uniform();
  if (depth.kind === 'scale') return { values: cell.values, linearFactor: linearFactor(cell.total, scale, targetSum) * factor };
  const thinned = scratch.subarray(0, cell.values.length) as CellValues;
  const total = thinCounts(cell, factor, rng, thinned);
  return { values: thinned, linearFactor: total > 0 ? targetSum / total : 0 };
}

/** Binomial thinning of every count and of the part of the library outside the vocabulary. @returns the thinned library size */
export function thinCounts(cell: RawCell, keep: number, rng: Rng, out: CellValues): number {
  let inside = 0;
  let thinnedInside = 0;
  for (let i = 0; i < cell.values.length; i++) {
    const count = cell.values[i]!;
    const kept = binomial(count, keep, rng);
    out[i] = kept;
    inside += count;
    thinnedInside += kept;
  }
  return thinnedInside + binomial(Math.max(0, Math.round(cell.total - inside)), keep, rng);
}

/** Mean of a piece below which walking the distribution from 0 is both exact in double precision and short. */
const MEAN_OF_PIECE = 16;

/**
 * Number of successes in n trials of probability p, by inverting the cumulative distribution (one uniform for each piece of
 * n: a binomial is the sum of binomials over any partition of its trials). Time grows with n·p, not with n.
 */
export function binomial(n: number, p: number, rng: Rng): number {
  if (p <= 0 || n <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(n, 1 - p, rng);
  const trialsOfPiece = Math.max(1, Math.floor(MEAN_OF_PIECE / p));
  let successes = 0;
  for (let left = n; left > 0; left -= trialsOfPiece) successes += invert(Math.min(left, trialsOfPiece), p, rng.uniform());
  return successes;
}

function invert(n: number, p: number, uniform: number): number {
  const odds = p / (1 - p);
  let probability = (1 - p) ** n;
  let cumulated = probability;
  let k = 0;
  while (uniform >= cumulated && k < n) {
    probability *= ((n - k) / (k + 1)) * odds;
    k++;
    cumulated += probability;
  }
  return k;
}
