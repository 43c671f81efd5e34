import { Rng } from '../../src/rng.js';
import { TYPES } from './annotated-cells.js';
import type { SmallH5ad } from './small-h5ad.js';

/** Genes of one type, and how many genes shout the batch. */
const TYPE_GENES = 6;
const BATCH_GENES = 6;
const NUM_GENES = 40;

/** Three types in two batches; each batch has genes of its own that are louder than those of the types. A fifth of the cells is not labelled. */
export function batchedCells(seed: number, numCells: number): SmallH5ad {
  const rng = Rng.fromSeed(seed);
  const type = Array.from({ length: numCells }, (_, i) => i % TYPES.length);
  const batch = Array.from({ length: numCells }, (_, i) => Math.floor(i / TYPES.length) % 2);
  const firstBatchGene = TYPE_GENES * TYPES.length;
  const rows = type.map((own, i) =>
    Array.from({ length: NUM_GENES }, (_, g) => {
      if (g < firstBatchGene) return Math.floor(g / TYPE_GENES) === own ? 2 + rng.int(6) : rng.int(2);
      if (g < firstBatchGene + 2 * BATCH_GENES) return Math.floor((g - firstBatchGene) / BATCH_GENES) === batch[i] ? 8 + rng.int(8) : 0;
      return rng.int(3);
    }),
  );
  return {
    x: { rows, encoding: 'csr' },
    cellIds: rows.map((_, i) => `cell-${seed}-${i}`),
    geneNames: Array.from({ length: NUM_GENES }, (_, g) => `GENE${String.fromCharCode(65 + (g % 26))}${g}`),
    obs: { cell_type: type.map((own, i) => (i % 5 === 4 ? null : TYPES[own]!)), donor: batch.map((b) => `D${b}`) },
  };
}
