import type { CellBatch } from '../../src/data/batch.js';
import type { GeneIdLayout } from '../../src/model/gene-ids.js';
import { Rng } from '../../src/rng.js';

/** Cells of the given numbers of genes, ids drawn without repetition and values falling; padding alternates between its two kinds. */
export function drawBatch(numGenes: readonly number[], seqLen: number, ids: GeneIdLayout, seed = 1): CellBatch {
  const rng = Rng.fromSeed(seed);
  const geneIds = new Int32Array(numGenes.length * seqLen);
  const values = new Float32Array(numGenes.length * seqLen);
  for (const [b, n] of numGenes.entries()) {
    const drawn = rng.permutation(ids.size - 5).subarray(0, n);
    if (drawn.length < n) throw new Error('more genes than the vocabulary holds');
    for (let l = 0; l < seqLen; l++) {
      geneIds[b * seqLen + l] = l < n ? drawn[l]! + 2 : b % 2 ? ids.padFillId : ids.padId;
      values[b * seqLen + l] = l < n ? (6 * (n - l - rng.uniform())) / n : 0;
    }
  }
  return {
    numCells: numGenes.length,
    seqLen,
    geneIds,
    values,
    numGenes: Int32Array.from(numGenes),
    cellIndex: Int32Array.from(numGenes, (_, b) => b),
    labels: {},
  };
}
