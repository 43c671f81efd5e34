import type { Rng } from '../../rng.js';
import type { SimulationConfig } from './config.js';

/** What regulates one gene, and how strongly. */
export interface Regulation {
  /** Indices of regulators, all before the gene. */
  readonly regulators: readonly number[];
  /** 1 activates, -1 represses. */
  readonly signs: readonly (1 | -1)[];
  /** Largest contribution of each. */
  readonly strengths: readonly number[];
  /** Level of each at which it does half of its work. */
  readonly halfLevels: readonly number[];
  /** Level without any regulator. */
  readonly basal: number;
  /** Contributions multiply instead of adding up: all are needed. */
  readonly isSynergistic: boolean;
}

/** A network without loops: genes in an order in which every regulator stands before its targets. */
export interface GeneNetwork {
  readonly geneNames: readonly string[];
  readonly numMasters: number;
  readonly numFactors: number;
  /** [numGenes]; masters have no regulators. */
  readonly regulations: readonly Regulation[];
  /** [numCellTypes][numMasters] levels that make the cell types. */
  readonly masterLevels: readonly Float64Array[];
}

/** Steepness of every response. */
export const HILL_COEFFICIENT = 2;

/** Draws a network. Half levels are set afterwards to the regulators' usual levels, so that responses neither sleep nor saturate. */
export function drawNetwork(config: SimulationConfig, rng: Rng): GeneNetwork {
  const { numGenes, numMasters, numFactors, numCellTypes } = config;
  const geneNames = Array.from({ length: numGenes }, (_, g) => `${g < numFactors ? 'TF' : 'GENE'}${String(g < numFactors ? g + 1 : g - numFactors + 1).padStart(String(numGenes).length, '0')}`);
  const masterLevels = Array.from({ length: numCellTypes }, (_, type) => {
    const stream = rng.fork(`type/${type}`);
    return Float64Array.from({ length: numMasters }, () => (stream.uniform() < 0.5 ? 0.3 + 0.7 * stream.uniform() : 2 + 3 * stream.uniform()));
  });
  const wiring = rng.fork('wiring');
  const drafts: Regulation[] = Array.from({ length: numGenes }, (_, gene) => (gene < numMasters ? MASTER : drawRegulation(gene, config, wiring.fork(String(gene)))));
  // A regulator's usual level is its mean over the cell types, known once those before it are.
  const regulations: Regulation[] = [];
  const levels = masterLevels.map((masters) => {
    const all = new Float64Array(numGenes);
    all.set(masters);
    return all;
  });
  for (const [gene, draft] of drafts.entries()) {
    const halfLevels = draft.regulators.map((r) => Math.max(0.05, levels.reduce((sum, level) => sum + level[r]!, 0) / numCellTypes));
    const regulation = { ...draft, halfLevels };
    regulations.push(regulation);
    if (gene >= numMasters) for (const level of levels) level[gene] = response(regulation, level);
  }
  return { geneNames, numMasters, numFactors, regulations, masterLevels };
}

const MASTER: Regulation = { regulators: [], signs: [], strengths: [], halfLevels: [], basal: 0, isSynergistic: false };

function drawRegulation(gene: number, { numFactors, maxRegulators, repressionShare, synergyShare }: SimulationConfig, rng: Rng): Regulation {
  const candidates = Math.min(gene, numFactors);
  const regulators = [...rng.permutation(candidates).subarray(0, 1 + rng.int(Math.min(maxRegulators, candidates)))].sort((a, b) => a - b);
  const signs = regulators.map(() => (rng.uniform() < repressionShare ? -1 : 1) as 1 | -1);
  return {
    regulators,
    signs,
    strengths: regulators.map(() => 1 + 4 * rng.uniform()),
    halfLevels: [],
    basal: 0.1 + 0.4 * rng.uniform(),
    isSynergistic: regulators.length > 1 && rng.uniform() < synergyShare,
  };
}

/** Steady-state level of a gene whose regulators have these levels. @param levels of all genes, those before it filled in */
export function response({ regulators, signs, strengths, halfLevels, basal, isSynergistic }: Regulation, levels: ArrayLike<number>): number {
  let sum = 0;
  let product = 1;
  let strongest = 0;
  for (let i = 0; i < regulators.length; i++) {
    const ratio = (levels[regulators[i]!]! / halfLevels[i]!) ** HILL_COEFFICIENT;
    const active = ratio / (1 + ratio);
    const share = signs[i] === 1 ? active : 1 - active;
    sum += strengths[i]! * share;
    product *= share;
    strongest = Math.max(strongest, strengths[i]!);
  }
  return basal + (isSynergistic ? strongest * 2 ** (regulators.length - 1) * product : sum);
}
