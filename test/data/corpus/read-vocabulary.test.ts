import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readVocabulary, vocabularyOfCorpus } from '../../../src/data/corpus/read-vocabulary.js';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { smallCorpus, temporaryFolder } from '../../support/small-corpus.js';

const newFolder = temporaryFolder('vocabulary');
const genes = [
  { symbol: 'CD3E', ensemblId: 'ENSG00000198851' },
  { symbol: 'LYZ', ensemblId: 'ENSG00000090382' },
];

describe('readVocabulary', () => {
  it.each([
    ['a genes.tsv', new Vocabulary(genes).toTsv(), genes],
    ['a table with other columns', 'ensembl_id,chromosome,gene_name\nENSG00000198851.3,11,CD3E\nENSG00000090382,12,LYZ\n', genes],
    [
      'symbols, one a line',
      'CD3E\nLYZ\n',
      [
        { symbol: 'CD3E', ensemblId: '' },
        { symbol: 'LYZ', ensemblId: '' },
      ],
    ],
    ['Ensembl ids, one a line, with a heading', 'ensembl_id\nENSG00000198851\nENSG00000090382\n', genes.map(({ ensemblId }) => ({ symbol: '', ensemblId }))],
  ])('reads %s', async (_, text, expected) => {
    const file = join(await newFolder(), 'genes');
    await writeFile(file, text);
    expect((await readVocabulary(file)).genes).toEqual(expected);
  });

  it('takes the gene list of a corpus and of a checkpoint', async () => {
    const folder = await newFolder();
    const corpus = await smallCorpus(
      folder,
      {
        x: {
          encoding: 'csr',
          rows: [
            [1, 2, 0],
            [3, 0, 0],
            [1, 1, 0],
            [4, 0, 1],
          ],
        },
        cellIds: ['a', 'b', 'c', 'd'],
        geneNames: ['CD3E', 'LYZ', 'MS4A1'],
      },
      { fractions: [1, 0, 0] },
    );
    expect((await readVocabulary(corpus.path)).hash).toBe(corpus.vocabulary.hash);
    await mkdir(join(folder, 'checkpoint'));
    await writeFile(join(folder, 'checkpoint', 'genes.tsv'), corpus.vocabulary.toTsv());
    expect((await readVocabulary(join(folder, 'checkpoint'))).hash).toBe(corpus.vocabulary.hash);
    const symbols = async (request: Parameters<typeof vocabularyOfCorpus>[1]): Promise<string[]> =>
      (await vocabularyOfCorpus(corpus.path, request)).genes.map(({ symbol }) => symbol);
    expect(await symbols({ minCells: 2 })).toEqual(['CD3E', 'LYZ']);
    expect(await symbols({ minCells: 0, maxGenes: 1 })).toEqual(['CD3E']);
    await expect(symbols({ minCells: 9 })).rejects.toThrow(/no gene is expressed by 9 training cells \(lower --min-cells\)/);
    await expect(vocabularyOfCorpus(folder, { minCells: 1 })).rejects.toThrow(/not a corpus folder/);
  });

  it('refuses a gene that is there twice, naming both places', async () => {
    const file = join(await newFolder(), 'genes.txt');
    await writeFile(file, 'CD3E\nLYZ\nCD3E\n');
    await expect(readVocabulary(file)).rejects.toThrow(/genes\.txt: CD3E twice \(genes 1 and 3\) \(expected each gene once; delete the second\)/);
  });
});
