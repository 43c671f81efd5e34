// D hidden, R regulators, G genes
import { Matrix, solve } from 'ml-matrix';
import type { Checkpoint } from '../../train/checkpoint.js';
import type { NetworkGenes } from './genes.js';

/** As much noise as signal: regulators whose vectors are nearly alike share a target rather than take it from each other. */
const RIDGE = 1;

/**
 * What the vectors of genes tell, by their cosines K: co-expression as far as the model's width can hold it (`cosine`), or the part of each target's vector
 * that each regulator's explains when all regulators are given together (`conditional`),
 *
 *     W = (K_RR + λ I)⁻¹ K_RG = V (Vᵀ V + λ I)⁻¹ Tᵀ,   V, T unit vectors of regulators and genes, λ = 1.
 *
 * Genes that are expressed together have vectors alike; given the other regulators, a regulator that merely goes along with the true one is left with
 * little. A target that regulates, too, is not among its own regulators: W_rs / (1 - W_ss) is W without s.
 * @returns [R, G], above 0 where both genes rise together, 0 of a regulator and itself
 */
export function vectorNetwork(
  { parameters, modelConfig }: Pick<Checkpoint, 'parameters' | 'modelConfig'>,
  { genes, ids, regulators }: NetworkGenes,
  kind: 'cosine' | 'conditional',
): Float64Array {
  const D = modelConfig.hiddenDim;
  const table = parameters['gene_embedding.weight']!.data;
  const G = genes.length;
  const unit = new Matrix(G, D);
  ids.forEach((id, gene) => {
    const row = Array.from(table.subarray(id * D, (id + 1) * D));
    const length = Math.hypot(...row) || 1;
    unit.setRow(
      gene,
      row.map((x) => x / length),
    );
  });
  const own = new Matrix(regulators.map((gene) => unit.getRow(gene)));
  const weighted = kind === 'cosine' ? own : solve(Matrix.add(own.transpose().mmul(own), Matrix.eye(D, D).mul(RIDGE)), own.transpose()).transpose(); // [R, D]
  const weights = weighted.mmul(unit.transpose()); // [R, G]
  const selfWeight = new Float64Array(G);
  if (kind === 'conditional') regulators.forEach((gene, r) => (selfWeight[gene] = weights.get(r, gene)));
  const out = new Float64Array(regulators.length * G);
  regulators.forEach((regulator, r) => {
    for (let gene = 0; gene < G; gene++) if (gene !== regulator) out[r * G + gene] = weights.get(r, gene) / (1 - selfWeight[gene]!);
  });
  return out;
}
