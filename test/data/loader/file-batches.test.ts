import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CellBatch } from '../../../src/data/batch.js';
import { mapGenes } from '../../../src/data/genes/mapping.js';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { chooseMatrix } from '../../../src/data/inspect/choose-matrix.js';
import { LoaderConfig, Preprocessing } from '../../../src/data/loader/config.js';
import { fileBatches } from '../../../src/data/loader/file-batches.js';
import { createLoader } from '../../../src/data/loader/loader.js';
import { valueScale } from '../../../src/data/loader/value-scale.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { randomCells, smallCorpus, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('file-batches');
const preprocessing = Preprocessing.parse({ maxGenes: 12, lengthMultiple: 4 });

async function batchesOf(content: SmallH5ad, vocabulary: Vocabulary, entropy: Float32Array, batchSize = 7) {
  const path = join(await newFolder(), 'query.h5ad');
  await writeSmallH5ad(path, content);
  const file = await openCellFile(path);
  try {
    const chosen = await chooseMatrix(file);
    const matrix = file.matrix(chosen.key);
    const batches = fileBatches(file, matrix, {
      vocabulary,
      vocabularyIds: mapGenes(matrix.genes, vocabulary).vocabularyIds,
      preprocessing,
      scale: valueScale(chosen),
      entropy,
      batchSize,
    });
    const all: CellBatch[] = [];
    for await (const batch of batches) all.push(batch);
    return { all, emptyRows: batches.emptyRows, numCells: batches.numCells };
  } finally {
    file.close();
  }
}

describe("batches of a user's file", () => {
  it.each([['counts'], ['log1p of 1e6']])('are what the corpus of the same cells gives, whatever the order of the columns: %s', async (kind) => {
    const counts = randomCells(2, 30, 25);
    const content =
      kind === 'counts'
        ? counts
        : {
            ...counts,
            x: { encoding: 'csr' as const, rows: counts.x!.rows.map((row) => row.map((value) => Math.log1p((1e6 * value) / row.reduce((a, b) => a + b)))) },
          };
    const corpus = await smallCorpus(await newFolder(), content);
    const order = content.geneNames.map((_, g) => (g * 7) % 25);
    const shuffled: SmallH5ad = {
      ...content,
      geneNames: order.map((g) => content.geneNames[g]!),
      x: { encoding: 'csc', rows: content.x!.rows.map((row) => order.map((g) => row[g]!)) },
    };
    const { all } = await batchesOf(shuffled, corpus.vocabulary, corpus.entropy);
    const expected: CellBatch[] = [];
    const rows = Int32Array.from({ length: 30 }, (_, row) => row);
    for await (const batch of createLoader(corpus, { rows, batchSize: 7, preprocessing, rng: null, loader: LoaderConfig.parse({ numWorkers: 0 }) }))
      expected.push(batch);
    expect(all).toEqual(expected);
    // Linear expression at the target sum, whatever the file was scaled to.
    const first = all[0]!.values.subarray(0, all[0]!.numGenes[0]).map(Math.expm1);
    expect(first.reduce((a, b) => a + b)).toBeLessThan(10_000.5);
    expect(first.reduce((a, b) => a + b)).toBeGreaterThan(5_000);
  });

  it('leave out cells without a gene of the vocabulary and name them, so that no result is shifted', async () => {
    const rows = [
      [1, 0, 5],
      [0, 0, 9],
      [0, 3, 0],
      [0, 0, 0],
      [2, 2, 2],
    ];
    const vocabulary = new Vocabulary([
      { symbol: 'B', ensemblId: '' },
      { symbol: 'A', ensemblId: '' },
    ]);
    const { all, emptyRows, numCells } = await batchesOf(
      { x: { rows, encoding: 'csr' }, cellIds: ['v', 'w', 'x', 'y', 'z'], geneNames: ['A', 'B', 'C'] },
      vocabulary,
      new Float32Array(vocabulary.size).fill(1),
      2,
    );
    expect(numCells).toBe(5);
    expect(emptyRows).toEqual([1, 3]);
    expect(all.map(({ cellIndex }) => [...cellIndex])).toEqual([[0, 2], [4]]);
    expect(all.flatMap(({ numGenes }) => [...numGenes])).toEqual([1, 1, 2]);
    expect(all[0]!.values[0]).toBeCloseTo(Math.log1p(1e4 / 6), 5); // the library holds the gene that is not in the vocabulary
  });
});
