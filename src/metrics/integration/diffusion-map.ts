import type { Rng } from '../../rng.js';
import { leadingEigenpairs } from '../baselines/lanczos.js';
import { dot } from '../baselines/vector.js';
import type { Points } from '../points.js';
import type { CellGraph } from './cell-graph.js';

/** At this distance from 1 an eigenvalue is the trivial one, which every connected graph has. */
const TRIVIAL = 1e-6;

/**
 * Diffusion map of a connected graph, all numbers of steps summed (Coifman et al. 2005; Haghverdi et al. 2016): eigenvectors of the density-normalised
 * symmetric transition matrix, the largest eigenvalues by magnitude, each times λ / (1 - λ). Euclidean distance there is diffusion distance.
 * @param graph symmetric
 * @param numComponents fewer come back for fewer cells
 * @param tolerance of the eigenpairs; where a process is long, eigenvalues lie close to 1, and their weights tell nothing unless they are exact
 */
export function diffusionMap(graph: CellGraph, numComponents: number, rng: Rng, { tolerance }: { readonly tolerance?: number } = {}): Points {
  const n = graph.numCells;
  const transitions = symmetricTransitions(graph);
  const apply = (v: Float64Array): Float64Array => times(graph, transitions, v);
  // The square has the same vectors and no negative eigenvalues; the values themselves follow from the vectors.
  const { vectors } = leadingEigenpairs(
    (v) => apply(apply(v)),
    n,
    Math.min(numComponents, n - 1),
    rng,
    tolerance === undefined ? {} : { tolerance, maxSteps: n },
  );
  const d = vectors.length;
  const data = new Float64Array(n * d);
  vectors.forEach((vector, j) => {
    const value = dot(vector, apply(vector));
    const weight = value > 1 - TRIVIAL ? 1 : value / (1 - value);
    for (let i = 0; i < n; i++) data[i * d + j] = vector[i]! * weight;
  });
  return { numRows: n, numColumns: d, data };
}

/** Weights of the same edges, divided by both ends' densities and then by the roots of both ends' sums. */
function symmetricTransitions({ numCells: n, indptr, indices, weights }: CellGraph): Float64Array {
  const rowSums = (values: Float64Array): Float64Array => {
    const sums = new Float64Array(n);
    for (let i = 0; i < n; i++) for (let at = indptr[i]!; at < indptr[i + 1]!; at++) sums[i]! += values[at]!;
    return sums;
  };
  const density = rowSums(weights);
  const kernel = new Float64Array(weights.length);
  for (let i = 0; i < n; i++) for (let at = indptr[i]!; at < indptr[i + 1]!; at++) kernel[at] = weights[at]! / (density[i]! * density[indices[at]!]!);
  const sums = rowSums(kernel);
  for (let i = 0; i < n; i++) for (let at = indptr[i]!; at < indptr[i + 1]!; at++) kernel[at]! /= Math.sqrt(sums[i]! * sums[indices[at]!]!);
  return kernel;
}

function times({ numCells, indptr, indices }: CellGraph, weights: Float64Array, v: Float64Array): Float64Array {
  const out = new Float64Array(numCells);
  for (let i = 0; i < numCells; i++) {
    let sum = 0;
    for (let at = indptr[i]!; at < indptr[i + 1]!; at++) sum += weights[at]! * v[indices[at]!]!;
    out[i] = sum;
  }
  return out;
}
