import type { SparseMatrix } from '../baselines/sparse-matrix.js';

/** A set of perturbed cells: log1p expression, and what was done to each. */
export interface PerturbedCells {
  /** Cells × genes, log-normalised (log1p). */
  readonly x: SparseMatrix;
  /** Perturbation of every cell. */
  readonly perturbations: readonly string[];
}

/** Rows of every perturbation, in order of first appearance. */
export function rowsByPerturbation(perturbations: readonly string[]): Map<string, Int32Array> {
  const rows = new Map<string, number[]>();
  perturbations.forEach((name, row) => {
    const list = rows.get(name);
    if (list) list.push(row);
    else rows.set(name, [row]);
  });
  return new Map([...rows].map(([name, list]) => [name, Int32Array.from(list)]));
}

/** [genes] mean of the rows given. */
export function meanProfile(x: SparseMatrix, rows: ArrayLike<number>): Float64Array {
  const mean = new Float64Array(x.numColumns);
  for (let i = 0; i < rows.length; i++)
    for (let at = x.indptr[rows[i]!]!; at < x.indptr[rows[i]! + 1]!; at++) mean[x.indices[at]!]! += x.values[at]! / rows.length;
  return mean;
}

/** [genes] unweighted mean of profiles. @throws RangeError for none */
export function meanOfProfiles(profiles: readonly Float64Array[]): Float64Array {
  if (profiles.length === 0) throw new RangeError('no profile to average');
  const mean = new Float64Array(profiles[0]!.length);
  for (const profile of profiles) for (let gene = 0; gene < mean.length; gene++) mean[gene]! += profile[gene]! / profiles.length;
  return mean;
}

export function difference(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: a.length }, (_, i) => a[i]! - b[i]!);
}

export function pick(values: ArrayLike<number>, positions: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: positions.length }, (_, i) => values[positions[i]!]!);
}
