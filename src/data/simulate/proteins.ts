// P proteins
import type { Rng } from '../../rng.js';
import type { SimulationConfig } from './config.js';
import type { GeneNetwork } from './network.js';
import { poisson } from './poisson.js';

/** A surface protein: its level follows that of one gene, less than in proportion, as translation and turnover even levels out. */
export interface SimulatedProtein {
  readonly name: string;
  readonly gene: number;
  /** level of the protein = (level of the gene / its usual level) ^ exponent */
  readonly exponent: number;
  /** Of the gene, over cell types. */
  readonly usualLevel: number;
}

/** Proteins of genes that differ between cell types first: these are what surface panels are made of. @param typeLevels levels of all genes in each cell type */
export function drawProteins({ numProteins }: SimulationConfig, { geneNames }: GeneNetwork, typeLevels: readonly Float64Array[], rng: Rng): SimulatedProtein[] {
  const mean = (gene: number) => typeLevels.reduce((sum, levels) => sum + levels[gene]!, 0) / typeLevels.length;
  const spread = (gene: number) => Math.log(Math.max(...typeLevels.map((levels) => levels[gene]!)) / Math.min(...typeLevels.map((levels) => levels[gene]!)));
  const spreads = geneNames.map((_, gene) => spread(gene));
  const chosen = [...geneNames.keys()].sort((a, b) => spreads[b]! - spreads[a]! || a - b).slice(0, numProteins);
  return chosen.map((gene) => ({ name: `ADT_${geneNames[gene]!}`, gene, exponent: 0.5 + 0.5 * rng.uniform(), usualLevel: mean(gene) }));
}

/** Antibody counts of one cell. @param levels of all its genes, as they are and not as they were counted @returns [P] */
export function countProteins(
  proteins: readonly SimulatedProtein[],
  levels: ArrayLike<number>,
  { proteinDepth, proteinBackground, proteinNoise }: SimulationConfig,
  rng: Rng,
): Float64Array {
  return Float64Array.from(proteins, ({ gene, exponent, usualLevel }) => {
    const level = (levels[gene]! / usualLevel) ** exponent * Math.exp(proteinNoise * rng.normal());
    return poisson(proteinBackground + proteinDepth * level, rng);
  });
}
