import type { Rng } from '../../rng.js';

/** Largest mean that is drawn in one piece: exp(-mean) must stay a number. */
const LARGEST_PIECE = 30;

/** A Poisson number by multiplying uniforms (Knuth); a large mean is a sum of smaller ones. */
export function poisson(mean: number, rng: Rng): number {
  let count = 0;
  let left = mean;
  for (; left > LARGEST_PIECE; left -= LARGEST_PIECE) count += poissonPiece(LARGEST_PIECE, rng);
  return count + poissonPiece(left, rng);
}

function poissonPiece(mean: number, rng: Rng): number {
  const limit = Math.exp(-mean);
  let count = -1;
  for (let product = 1; product > limit; product *= rng.uniform()) count++;
  return Math.max(0, count);
}
