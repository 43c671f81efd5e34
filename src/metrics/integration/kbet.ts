import type { Rng } from '../../rng.js';
import { meanOfNumbers } from '../correlation.js';
import { nearestNeighbours, type Neighbours } from '../neighbours.js';
import { chiSquareSurvival } from '../special-functions.js';
import { components, subgraph, type CellGraph } from './cell-graph.js';
import { diffusionMap } from './diffusion-map.js';
import { cellsByCode, countCodes, numKindsPresent } from './labels.js';

export interface KbetOptions {
  /** Significance level of a cell's test. Default 0.05. */
  readonly alpha?: number;
  /** Dimensions of the diffusion map in which neighbours are counted. Default 100. */
  readonly numComponents?: number;
}

/** Labels of fewer cells are not tested. */
const MIN_CELLS = 10;
/** Components of fewer than so many neighbourhoods are left out, and the label fails when too few cells remain. */
const MIN_NEIGHBOURHOODS = 3;
const MIN_SHARE = 0.75;

/**
 * Share of cells whose neighbours' batches pass a chi-square test against the batches of all: the acceptance rate of kBET (Büttner et al. 2019).
 * @returns 0 … 1; a single batch passes everywhere
 */
export function kbetAcceptance({ numCells, k, indices }: Neighbours, batches: ArrayLike<number>, alpha = 0.05): number {
  const counts = countCodes(batches, numCells);
  const degreesOfFreedom = numKindsPresent(counts) - 1;
  if (degreesOfFreedom < 1) return 1;
  const observed = new Float64Array(counts.length);
  let numAccepted = 0;
  for (let cell = 0; cell < numCells; cell++) {
    observed.fill(0);
    for (let at = cell * k; at < (cell + 1) * k; at++) observed[batches[indices[at]!]!]!++;
    let statistic = 0;
    for (let batch = 0; batch < counts.length; batch++) {
      const expected = (k * counts[batch]!) / numCells;
      if (expected > 0) statistic += (observed[batch]! - expected) ** 2 / expected;
    }
    if (chiSquareSurvival(statistic, degreesOfFreedom) >= alpha) numAccepted++;
  }
  return numAccepted / numCells;
}

/**
 * kBET label by label, as scib and scib-metrics: within each label the k0 = min(70, max(10, ⌊mean batch size / 4⌋)) nearest cells in a diffusion map of
 * the label's part of the graph. Labels with one batch or fewer than 10 cells are left out; a label whose graph falls into pieces too small counts 0.
 * @param graph symmetric connectivities of all cells
 * @returns mean acceptance over labels, 0 … 1, higher is better mixed; NaN when no label can be tested
 */
export async function kbetPerLabel(
  graph: CellGraph,
  batches: ArrayLike<number>,
  labels: ArrayLike<number>,
  rng: Rng,
  options: KbetOptions = {},
): Promise<number> {
  return meanOfNumbers(await kbetRates(graph, batches, labels, rng, options));
}

/**
 * The acceptance of every label that can be tested, as above.
 * @param isWanted labels to test: the rates of a label do not depend on the others, so that threads can share them
 */
export async function kbetRates(
  graph: CellGraph,
  batches: ArrayLike<number>,
  labels: ArrayLike<number>,
  rng: Rng,
  { alpha = 0.05, numComponents = 100 }: KbetOptions = {},
  isWanted: (label: number) => boolean = () => true,
): Promise<number[]> {
  countCodes(batches, graph.numCells);
  const rates: number[] = [];
  for (const [label, cells] of cellsByCode(labels, countCodes(labels, graph.numCells)).entries()) {
    if (!isWanted(label)) continue;
    const within = Int32Array.from(cells, (cell) => batches[cell]!);
    const numBatches = new Set(within).size;
    if (cells.length < MIN_CELLS || numBatches < 2) continue;
    const k0 = Math.min(70, Math.max(10, Math.floor(cells.length / numBatches / 4)));
    const whole = subgraph(graph, cells);
    const kept = largePieces(whole, MIN_NEIGHBOURHOODS * k0);
    if (kept.length < MIN_SHARE * cells.length || kept.length <= k0) {
      rates.push(0);
      continue;
    }
    const space = diffusionMap(subgraph(whole, kept), numComponents, rng.fork(`label/${label}`));
    const neighbours = await nearestNeighbours(space, k0 + 1);
    rates.push(
      kbetAcceptance(
        neighbours,
        Int32Array.from(kept, (i) => within[i]!),
        alpha,
      ),
    );
  }
  return rates;
}

/** The cells of components that are large enough; all of them when there is but one. */
function largePieces(graph: CellGraph, minSize: number): Int32Array {
  const { componentOf, sizes } = components(graph);
  const all = Int32Array.from({ length: graph.numCells }, (_, i) => i);
  return sizes.length === 1 ? all : all.filter((i) => sizes[componentOf[i]!]! >= minSize);
}
