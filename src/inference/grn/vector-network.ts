// D hidden, R regulators, G genes
import { Matrix, solve } from 'ml-matrix';
import type { Checkpoint } from '../../train/checkpoint.js';
import type { NetworkGenes } from './genes.js';

/** As much noise as signal: regulators whose vectors are nearly alike share a target rather than take it from each other. */
const RIDGE = 1;

/**
 * What the vectors of genes tell: of each target's vector the part that each regulator's explains when all regulators are given together,
 *
 *     W = (K_RR + λ I)⁻¹ K_RG,   K the cosines of the vectors, λ = 1.
 *
 * Genes that are expressed together have vectors alike, so that a cosine alone says what correlation says; given the other regulators a regulator
 * that merely goes along with the true one is left with little. A regulator is not asked about itself.
 * @returns [R, G], above 0 where both rise together
 */
export function vectorNetwork({ parameters, modelConfig }: Checkpoint, { genes, ids, regulators }: NetworkGenes): Float64Array {
  const D = modelConfig.hiddenDim;
  const table = parameters['gene_embedding.weight']!.data;
  const G = genes.length;
  const R = regulators.length;
  const vectors = new Matrix(G, D);
  ids.forEach((id, gene) => {
    const row = Array.from(table.subarray(id * D, (id + 1) * D));
    const length = Math.hypot(...row) || 1;
    vectors.setRow(gene, row.map((x) => x / length));
  });
  const own = new Matrix(regulators.map((gene) => vectors.getRow(gene)));
  const among = own.mmul(own.transpose()); // [R, R]
  const cross = own.mmul(vectors.transpose()); // [R, G]
  const ridged = Matrix.add(among, Matrix.eye(R, R).mul(RIDGE));
  const inverse = solve(ridged, Matrix.eye(R, R));
  const weights = inverse.mmul(cross);
  const regulatorAt = new Map(regulators.map((gene, r) => [gene, r]));
  const out = new Float64Array(R * G);
  for (let gene = 0; gene < G; gene++) {
    const self = regulatorAt.get(gene);
    for (let r = 0; r < R; r++) out[r * G + gene] = r === self ? 0 : weights.get(r, gene);
    if (self === undefined) continue;
    // The gene regulates, too: without it among the regulators, by the rule for leaving one out of a solved system.
    for (let r = 0; r < R; r++) if (r !== self) out[r * G + gene] = weights.get(r, gene) - (weights.get(self, gene) * inverse.get(r, self)) / inverse.get(self, self);
  }
  return out;
}
