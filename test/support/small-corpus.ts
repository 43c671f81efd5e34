import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { Rng } from '../../src/rng.js';
import { buildCorpus, type BuildOptions } from '../../src/data/corpus/build.js';
import { openCorpus, type Corpus } from '../../src/data/corpus/corpus.js';
import { writeSmallH5ad, type SmallH5ad } from './small-h5ad.js';

/** A folder of its own for a test file, gone at its end. */
export function temporaryFolder(name: string): () => Promise<string> {
  const made: string[] = [];
  afterAll(() => Promise.all(made.map((folder) => rm(folder, { recursive: true, force: true }))));
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), `scdiva-${name}-`));
    made.push(folder);
    return folder;
  };
}

/** Sparse random counts with labels: about `density` of the genes in each cell, no cell empty. */
export function randomCells(seed: number, numCells: number, numGenes: number, { density = 0.3, types = ['B', 'NK', 'T'] } = {}): SmallH5ad {
  const rng = Rng.fromSeed(seed);
  const rows = Array.from({ length: numCells }, () => {
    const row = Array.from({ length: numGenes }, () => (rng.uniform() < density ? 1 + rng.int(9) : 0));
    row[rng.int(numGenes)] = 1 + rng.int(300);
    return row;
  });
  return {
    x: { rows, encoding: 'csr' },
    cellIds: rows.map((_, i) => `cell-${i}`),
    geneNames: Array.from({ length: numGenes }, (_, g) => `GENE${g}`),
    obs: { cell_type: rows.map((_, i) => types[i % types.length]!), donor: rows.map((_, i) => `D${i % 5}`) },
  };
}

/** Writes the cells as .h5ad, builds a corpus beside it and opens it. */
export async function smallCorpus(folder: string, content: SmallH5ad, options: Partial<BuildOptions> = {}): Promise<Corpus> {
  const file = join(folder, 'cells.h5ad');
  await writeSmallH5ad(file, content);
  const out = join(folder, 'corpus');
  await buildCorpus([file], { out, ...options });
  return openCorpus(out);
}
