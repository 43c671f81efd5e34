import { Rng } from '../../src/rng.js';
import type { SmallH5ad } from './small-h5ad.js';

/** Genes of one program, and how many programs there are. */
const PROGRAM_SIZE = 6;
const NUM_PROGRAMS = 4;

/**
 * Counts with something to learn: every cell expresses the genes of its own program strongly and those of no other, so that the
 * genes that are shown tell the masked ones. One label, `program`.
 */
export function structuredCells(seed: number, numCells: number): SmallH5ad {
  const rng = Rng.fromSeed(seed);
  const program = Array.from({ length: numCells }, (_, i) => i % NUM_PROGRAMS);
  const rows = program.map((own) =>
    Array.from({ length: PROGRAM_SIZE * NUM_PROGRAMS }, (_, gene) => (Math.floor(gene / PROGRAM_SIZE) === own ? 5 + rng.int(20) : 0)),
  );
  return {
    x: { rows, encoding: 'csr' },
    cellIds: rows.map((_, i) => `cell-${i}`),
    geneNames: rows[0]!.map((_, gene) => `GENE${gene}`),
    obs: { program: program.map((own) => `P${own}`) },
  };
}
