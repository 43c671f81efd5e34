import type { Rng } from '../../rng.js';
import type { SparseRows } from '../writers/new-h5ad.js';
import type { SimulationConfig } from './config.js';
import { response, type GeneNetwork } from './network.js';
import { poisson } from './poisson.js';
import { countProteins, type SimulatedProtein } from './proteins.js';

export const CONTROL = 'control';

/** One thing done to cells: nothing, one factor, or two. */
export interface Perturbation {
  /** `control`, `TF003` or `TF003+TF011`. */
  readonly name: string;
  readonly genes: readonly number[];
}

export interface SimulatedCells {
  readonly counts: SparseRows;
  /** [cells] index into the perturbations, cell types and batches. */
  readonly perturbation: Int32Array;
  readonly cellType: Int32Array;
  readonly techBatch: Int32Array;
  /** 1 for two cells in one droplet. */
  readonly isDoublet: Uint8Array;
  /** [cells, P] antibody counts. */
  readonly proteins: Float64Array;
}

/** The control, the single perturbations, and pairs of those; half of the pairs share a target, where effects need not add up. */
export function drawPerturbations({ numSingles, numDoubles, numFactors }: SimulationConfig, { geneNames, regulations }: GeneNetwork, rng: Rng): Perturbation[] {
  const singles = [...rng.fork('singles').permutation(numFactors).subarray(0, numSingles)].sort((a, b) => a - b);
  const pairs = singles.flatMap((a, i) => singles.slice(i + 1).map((b) => [a, b] as const));
  rng.fork('doubles').shuffle(pairs);
  const sharing = pairs
    .filter(([a, b]) => regulations.some(({ regulators }) => regulators.includes(a) && regulators.includes(b)))
    .slice(0, Math.ceil(numDoubles / 2));
  const doubles = [...sharing, ...pairs.filter((pair) => !sharing.includes(pair))].slice(0, numDoubles);
  return [
    { name: CONTROL, genes: [] },
    ...[...singles.map((gene) => [gene]), ...doubles].map((genes) => ({ name: genes.map((gene) => geneNames[gene]!).join('+'), genes })),
  ];
}

/**
 * Levels of all genes in the steady state, regulators before targets.
 * @param noise factor of every gene's level, which runs down to its targets; absent: none
 */
export function steadyState(
  network: GeneNetwork,
  cellType: number,
  perturbed: readonly number[],
  config: SimulationConfig,
  noise?: (gene: number) => number,
): Float64Array {
  const levels = new Float64Array(network.geneNames.length);
  for (let gene = 0; gene < levels.length; gene++) {
    let level = gene < network.numMasters ? network.masterLevels[cellType]![gene]! : response(network.regulations[gene]!, levels);
    if (noise) level *= noise(gene);
    if (perturbed.includes(gene)) level *= config.mode === 'knockout' ? 1 - config.efficiency : config.activationFold;
    levels[gene] = level;
  }
  return levels;
}

/** Draws the cells of every perturbation, types and batches taking turns so that no two of the three go together. */
export function drawCells(
  network: GeneNetwork,
  perturbations: readonly Perturbation[],
  proteins: readonly SimulatedProtein[],
  config: SimulationConfig,
  rng: Rng,
): SimulatedCells {
  const numOf = (p: number) => (p === 0 ? config.controlCells : config.cellsPerPerturbation);
  const numCells = perturbations.reduce((sum, _, p) => sum + numOf(p), 0);
  const perturbation = new Int32Array(numCells);
  const cellType = new Int32Array(numCells);
  const techBatch = new Int32Array(numCells);
  const isDoublet = new Uint8Array(numCells);
  const antibodies = new Float64Array(numCells * proteins.length);
  const batchFactors = Array.from({ length: config.numBatches }, (_, b) => logNormals(network.geneNames.length, config.batchSpread, rng.fork(`batch/${b}`)));
  const indptr = new Int32Array(numCells + 1);
  const indices: number[] = [];
  const values: number[] = [];
  let cell = 0;
  for (let p = 0; p < perturbations.length; p++) {
    for (let i = 0; i < numOf(p); i++, cell++) {
      perturbation[cell] = p;
      cellType[cell] = i % config.numCellTypes;
      techBatch[cell] = Math.floor(i / config.numCellTypes) % config.numBatches;
      const stream = rng.fork(`cell/${cell}`);
      const levels = noisyLevels(network, cellType[cell]!, perturbations[p]!.genes, config, stream);
      if (stream.uniform() < config.dropletDoublets) {
        isDoublet[cell] = 1;
        const other = noisyLevels(network, stream.int(config.numCellTypes), perturbations[stream.int(perturbations.length)]!.genes, config, stream);
        for (let g = 0; g < levels.length; g++) levels[g] = (levels[g]! + other[g]!) / 2;
      }
      // A stream of its own: measuring proteins changes no gene.
      antibodies.set(countProteins(proteins, levels, config, stream.fork('proteins')), cell * proteins.length);
      const depth = config.depth * Math.exp(config.depthSpread * stream.normal()) * (1 + isDoublet[cell]!);
      const factors = batchFactors[techBatch[cell]!]!;
      const total = levels.reduce((sum, level, g) => sum + level * factors[g]!, 0);
      for (let g = 0; g < levels.length; g++) {
        const count = poisson((depth * levels[g]! * factors[g]!) / total, stream);
        if (count === 0) continue;
        indices.push(g);
        values.push(count);
      }
      indptr[cell + 1] = indices.length;
    }
  }
  return {
    counts: { indptr, indices: Int32Array.from(indices), values: Float32Array.from(values) },
    perturbation,
    cellType,
    techBatch,
    isDoublet,
    proteins: antibodies,
  };
}

function noisyLevels(network: GeneNetwork, cellType: number, perturbed: readonly number[], config: SimulationConfig, rng: Rng): Float64Array {
  return steadyState(network, cellType, perturbed, config, () => Math.exp(config.cellNoise * rng.normal()));
}

function logNormals(n: number, spread: number, rng: Rng): Float64Array {
  return Float64Array.from({ length: n }, () => Math.exp(spread * rng.normal()));
}
