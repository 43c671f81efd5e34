// R regulators, G genes
import type { Edge } from '../../metrics/gene-network.js';
import type { NetworkGenes } from './genes.js';

/** A regulator and the genes it is predicted to promote and to repress, strongest first. */
export interface Regulon {
  readonly regulator: string;
  readonly promoted: readonly string[];
  readonly repressed: readonly string[];
  /** Edges among the strongest of the whole network: what makes a hub. */
  readonly numStrongEdges: number;
}

/** [R, G] → edges, strongest first; a gene and itself left out, and what has no weight. @param maxEdges keeps so many */
export function networkEdges(weights: Float64Array, genes: NetworkGenes, maxEdges = Infinity): Required<Edge>[] {
  const G = genes.genes.length;
  const order = Array.from(weights.keys()).filter((at) => weights[at] !== 0 && genes.regulators[Math.floor(at / G)] !== at % G);
  order.sort((a, b) => Math.abs(weights[b]!) - Math.abs(weights[a]!) || a - b);
  return order
    .slice(0, maxEdges)
    .map((at) => ({ regulator: genes.genes[genes.regulators[Math.floor(at / G)]!]!, target: genes.genes[at % G]!, weight: weights[at]! }));
}

/** The strength of one network with the sign of another, [R, G]; strengths below zero are no edge. */
export function signed(strength: Float64Array, sign: Float64Array): Float64Array {
  return strength.map((value, at) => Math.max(0, value) * (sign[at]! < 0 ? -1 : 1));
}

/**
 * Regulons, hubs first.
 * @param edges strongest first, weights signed
 * @param numStrong edges of the network that count for hubs
 * @param numTargets most genes named on each side
 */
export function regulons(edges: readonly Required<Edge>[], { numStrong, numTargets }: { readonly numStrong: number; readonly numTargets: number }): Regulon[] {
  const found = new Map<string, { promoted: string[]; repressed: string[]; numStrongEdges: number }>();
  edges.forEach(({ regulator, target, weight }, rank) => {
    const regulon = found.get(regulator) ?? { promoted: [], repressed: [], numStrongEdges: 0 };
    found.set(regulator, regulon);
    if (rank < numStrong) regulon.numStrongEdges++;
    const side = weight > 0 ? regulon.promoted : regulon.repressed;
    if (side.length < numTargets) side.push(target);
  });
  return [...found].map(([regulator, regulon]) => ({ regulator, ...regulon })).sort((a, b) => b.numStrongEdges - a.numStrongEdges);
}

/** Edges that differ most between two networks of the same genes, each brought to unit spread: weight = first minus second. */
export function differenceOf(first: Float64Array, second: Float64Array): Float64Array {
  const scale = (weights: Float64Array) => Math.sqrt(weights.reduce((sum, w) => sum + w * w, 0) / weights.length) || 1;
  const [a, b] = [scale(first), scale(second)];
  return first.map((w, at) => w / a - second[at]! / b);
}
