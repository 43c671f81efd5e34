import type { Rng } from '../../rng.js';
import type { SimulationConfig } from './config.js';

/**
 * sum: contributions add up. product: they multiply, all regulators are needed. buffered: the gene keeps its level while most of the usual sum is
 * there and falls steeply below, so that it stands the loss of one of several regulators and not of two.
 */
export type RegulationLogic = 'sum' | 'product' | 'buffered';

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
  /** How the contributions come together. */
  readonly logic: RegulationLogic;
  /** Of 'buffered' genes: the sum of contributions at the regulators' usual levels. */
  readonly usualSum: number;
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

/** A buffered gene is at half of its level when this share of the usual sum is left, and so steep around it. */
const BUFFER_THRESHOLD = 0.45;
const BUFFER_STEEPNESS = 8;

/** Draws a network. Half levels are set afterwards to the regulators' usual levels, so that responses neither sleep nor saturate. */
export function drawNetwork(config: SimulationConfig, rng: Rng): GeneNetwork {
  const { numGenes, numMasters, numFactors, numCellTypes } = config;
  const geneNames = Array.from(
    { length: numGenes },
    (_, g) => `${g < numFactors ? 'TF' : 'GENE'}${String(g < numFactors ? g + 1 : g - numFactors + 1).padStart(String(numGenes).length, '0')}`,
  );
  const masterLevels = Array.from({ length: numCellTypes }, (_, type) => {
    const stream = rng.fork(`type/${type}`);
    return Float64Array.from({ length: numMasters }, () => (stream.uniform() < 0.5 ? 0.3 + 0.7 * stream.uniform() : 2 + 3 * stream.uniform()));
  });
  const wiring = rng.fork('wiring');
  const drafts: Regulation[] = Array.from({ length: numGenes }, (_, gene) =>
    gene < numMasters ? MASTER : drawRegulation(gene, config, wiring.fork(String(gene))),
  );
  // A regulator's usual level is its mean over the cell types, known once those before it are.
  const regulations: Regulation[] = [];
  const levels = masterLevels.map((masters) => {
    const all = new Float64Array(numGenes);
    all.set(masters);
    return all;
  });
  for (const [gene, draft] of drafts.entries()) {
    const halfLevels = draft.regulators.map((r) => Math.max(0.05, levels.reduce((sum, level) => sum + level[r]!, 0) / numCellTypes));
    const placed = { ...draft, halfLevels };
    const regulation = { ...placed, usualSum: levels.reduce((sum, level) => sum + contributions(placed, level).sum, 0) / numCellTypes };
    regulations.push(regulation);
    if (gene >= numMasters) for (const level of levels) level[gene] = response(regulation, level);
  }
  return { geneNames, numMasters, numFactors, regulations, masterLevels };
}

const MASTER: Regulation = { regulators: [], signs: [], strengths: [], halfLevels: [], basal: 0, logic: 'sum', usualSum: 0 };

function drawRegulation(
  gene: number,
  { numFactors, minRegulators, maxRegulators, repressionShare, synergyShare, bufferedShare }: SimulationConfig,
  rng: Rng,
): Regulation {
  const candidates = Math.min(gene, numFactors);
  const most = Math.min(maxRegulators, candidates);
  const fewest = Math.min(minRegulators, most);
  const regulators = [...rng.permutation(candidates).subarray(0, fewest + rng.int(most - fewest + 1))].sort((a, b) => a - b);
  const signs = regulators.map(() => (rng.uniform() < repressionShare ? -1 : 1) as 1 | -1);
  const drawn = {
    regulators,
    signs,
    strengths: regulators.map(() => 1 + 4 * rng.uniform()),
    halfLevels: [],
    basal: 0.1 + 0.4 * rng.uniform(),
    usualSum: 0,
  };
  if (regulators.length === 1) return { ...drawn, logic: 'sum' };
  if (rng.uniform() < synergyShare) return { ...drawn, logic: 'product' };
  if (rng.uniform() >= bufferedShare) return { ...drawn, logic: 'sum' };
  // Regulators of one strength: none of them is enough to lose, whichever it is.
  const evenStrength = drawn.strengths.reduce((total, strength) => total + strength, 0) / regulators.length;
  return { ...drawn, strengths: regulators.map(() => evenStrength), logic: 'buffered' };
}

/** Steady-state level of a gene whose regulators have these levels. @param levels of all genes, those before it filled in */
export function response(regulation: Regulation, levels: ArrayLike<number>): number {
  const { basal, logic, strengths, usualSum } = regulation;
  const { sum, product } = contributions(regulation, levels);
  switch (logic) {
    case 'sum':
      return basal + sum;
    case 'product':
      return basal + Math.max(...strengths) * 2 ** (strengths.length - 1) * product;
    case 'buffered': {
      const ratio = (sum / (BUFFER_THRESHOLD * usualSum)) ** BUFFER_STEEPNESS;
      return basal + (usualSum * ratio) / (1 + ratio);
    }
  }
}

/** Sum of what the regulators contribute, and product of the shares of their largest contributions. */
function contributions(
  { regulators, signs, strengths, halfLevels }: Pick<Regulation, 'regulators' | 'signs' | 'strengths' | 'halfLevels'>,
  levels: ArrayLike<number>,
): { sum: number; product: number } {
  let sum = 0;
  let product = 1;
  regulators.forEach((regulator, i) => {
    const ratio = (levels[regulator]! / halfLevels[i]!) ** HILL_COEFFICIENT;
    const active = ratio / (1 + ratio);
    const share = signs[i] === 1 ? active : 1 - active;
    sum += strengths[i]! * share;
    product *= share;
  });
  return { sum, product };
}
