// D hidden, R regulators, G genes
import { Matrix, solve } from 'ml-matrix';
import type { Checkpoint } from '../../train/checkpoint.js';
import type { NetworkGenes } from './genes.js';

/** As much noise as signal: regulators whose vectors are nearly alike share a target rather than take it from each other. */
const RIDGE = 1;

/** Networks of gene vectors, [R, G]; above 0 where both genes rise together, 0 of a regulator and itself. */
export interface VectorNetworks {
  /** Cosine of the two vectors: co-expression as far as the model's width can hold it. */
  readonly cosines: Float64Array;
  /** What the regulator tells beside the others. */
  readonly conditional: Float64Array;
}

/**
 * What the vectors of genes tell: the part of each target's vector that each regulator's explains when all regulators are given together,
 *
 *     W = (K_RR + λ I)⁻¹ K_RG,   K the cosines of the vectors, λ = 1.
 *
 * Genes that are expressed together have vectors alike, so that a cosine alone says what correlation says; given the other regulators a regulator
 * that merely goes along with the true one is left with little. A regulator is not asked about itself.
 */
export function vectorNetworks({ parameters, modelConfig }: Checkpoint, { genes, ids, regulators }: NetworkGenes): VectorNetworks {
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
  const inverse = solve(Matrix.add(among, Matrix.eye(R, R).mul(RIDGE)), Matrix.eye(R, R));
  const weights = inverse.mmul(cross);
  const regulatorAt = new Map(regulators.map((gene, r) => [gene, r]));
  const cosines = new Float64Array(R * G);
  const conditional = new Float64Array(R * G);
  for (let gene = 0; gene < G; gene++) {
    const self = regulatorAt.get(gene);
    for (let r = 0; r < R; r++) {
      if (r === self) continue;
      cosines[r * G + gene] = cross.get(r, gene);
      // A target that regulates, too, is left out of its own regulators by the rule for taking one out of a solved system.
      conditional[r * G + gene] = weights.get(r, gene) - (self === undefined ? 0 : (weights.get(self, gene) * inverse.get(r, self)) / inverse.get(self, self));
    }
  }
  return { cosines, conditional };
}
