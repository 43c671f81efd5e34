import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Rng } from '../../rng.js';
import { addScaled, dot, removeParts, scale } from './vector.js';

/** Eigenvalues, largest first, and their unit eigenvectors. */
export interface Eigenpairs {
  readonly values: readonly number[];
  readonly vectors: readonly Float64Array[];
}

/**
 * Leading eigenpairs of a symmetric positive semi-definite operator by the Lanczos method with full reorthogonalisation
 * (Golub & Van Loan, chapter 10): only products with a vector are needed, so a sparse matrix stays sparse.
 * @param apply v → A·v
 * @param numPairs at most `dimension`
 * @param rng start vector; the result does not depend on it beyond rounding
 * @param tolerance residual |A·u - λ·u| of every pair, relative to the largest eigenvalue
 * @param maxSteps products at most; trailing pairs that differ by noise alone would otherwise need one product per dimension
 */
export function leadingEigenpairs(
  apply: (v: Float64Array) => Float64Array,
  dimension: number,
  numPairs: number,
  rng: Rng,
  { tolerance = 1e-5, maxSteps = 10 * numPairs } = {},
): Eigenpairs {
  const lastStep = Math.min(dimension, Math.max(maxSteps, numPairs));
  const basis: Float64Array[] = [];
  const diagonal: number[] = [];
  const offDiagonal: number[] = []; // offDiagonal[j] ties basis vectors j and j + 1
  let next = orthogonalUnit(randomVector(dimension, rng), basis).unit;
  let nextCheck = Math.min(lastStep, 2 * numPairs + 10);
  for (;;) {
    basis.push(next);
    const w = apply(next);
    diagonal.push(dot(w, next));
    const { unit, norm } = orthogonalUnit(w, basis);
    // An exhausted Krylov space (repeated eigenvalues, low rank) continues from a fresh direction, tied to nothing.
    const isExhausted = norm <= 1e-13 * Math.max(...diagonal, Number.MIN_VALUE);
    const tie = isExhausted ? 0 : norm;
    if (basis.length === nextCheck) {
      const { values, rotations } = tridiagonalEigen(diagonal, offDiagonal, numPairs);
      const residual = Math.max(...rotations.map((r) => Math.abs(tie * r.at(-1)!)));
      if (basis.length === lastStep || (!isExhausted && residual <= tolerance * values[0]!)) {
        return { values, vectors: rotations.map((rotation) => combine(basis, rotation)) };
      }
      nextCheck = Math.min(lastStep, Math.ceil(basis.length * 1.3));
    }
    offDiagonal.push(tie);
    next = isExhausted ? orthogonalUnit(randomVector(dimension, rng), basis).unit : unit;
  }
}

/** Each rotation: one eigenvector in the coordinates of the Lanczos basis. */
function tridiagonalEigen(diagonal: readonly number[], offDiagonal: readonly number[], numPairs: number): { values: number[]; rotations: number[][] } {
  const m = diagonal.length;
  const t = Matrix.zeros(m, m);
  diagonal.forEach((v, i) => t.set(i, i, v));
  offDiagonal.forEach((v, i) => t.set(i, i + 1, v).set(i + 1, i, v));
  const { realEigenvalues: values, eigenvectorMatrix } = new EigenvalueDecomposition(t, { assumeSymmetric: true });
  const order = values
    .map((_, i) => i)
    .sort((a, b) => values[b]! - values[a]!)
    .slice(0, numPairs);
  return { values: order.map((i) => values[i]!), rotations: order.map((i) => eigenvectorMatrix.getColumn(i)) };
}

function randomVector(n: number, rng: Rng): Float64Array {
  return Float64Array.from({ length: n }, () => rng.normal());
}

/** What is left of v beside the basis, as a unit vector, and how long it was; two sweeps, so that rounding does not tilt it. */
function orthogonalUnit(v: Float64Array, basis: readonly Float64Array[]): { unit: Float64Array; norm: number } {
  for (let sweep = 0; sweep < 2; sweep++) removeParts(v, basis);
  const norm = Math.sqrt(dot(v, v));
  return { unit: norm > 0 ? scale(v, 1 / norm) : v, norm };
}

function combine(basis: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const out = new Float64Array(basis[0]!.length);
  basis.forEach((b, i) => addScaled(out, b, weights[i]!));
  return out;
}
