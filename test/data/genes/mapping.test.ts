import { describe, expect, it } from 'vitest';
import { vocabularyFromGenes } from '../../../src/data/genes/build-vocabulary.js';
import { geneIdKind } from '../../../src/data/genes/gene-ids.js';
import { checkCoverage, coverage, mapGenes } from '../../../src/data/genes/mapping.js';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';

const vocabulary = new Vocabulary([
  { symbol: 'CD3E', ensemblId: 'ENSG00000198851' },
  { symbol: 'MS4A1', ensemblId: 'ENSG00000156738' },
  { symbol: 'LYZ', ensemblId: 'ENSG00000090382' },
]);
const id = (name: string) => vocabulary.idOf(name)!;

describe('mapGenes', () => {
  it('matches by symbol, by Ensembl id and by Ensembl id with a version', () => {
    const { vocabularyIds, numMatched } = mapGenes({ names: ['LYZ', 'ENSG00000198851', 'ENSG00000156738.19', 'XIST'] }, vocabulary);
    expect([...vocabularyIds]).toEqual([id('LYZ'), id('CD3E'), id('MS4A1'), -1]);
    expect(numMatched).toBe(3);
  });

  it('trusts the Ensembl id beside a name more than the name', () => {
    expect([...mapGenes({ names: ['LYZ'], ensemblIds: ['ENSG00000198851.4'] }, vocabulary).vocabularyIds]).toEqual([id('CD3E')]);
    expect([...mapGenes({ names: ['LYZ'], ensemblIds: [''] }, vocabulary).vocabularyIds]).toEqual([id('LYZ')]);
  });

  it('falls back to the symbol beside an unknown Ensembl id', () => {
    expect([...mapGenes({ names: ['ENSG00000999999'], symbols: ['LYZ'] }, vocabulary).vocabularyIds]).toEqual([id('LYZ')]);
  });

  it('names columns that are the same gene', () => {
    const mapping = mapGenes({ names: ['LYZ', 'CD3E', 'ENSG00000090382'] }, vocabulary);
    expect(mapping.duplicates).toEqual([{ vocabularyId: id('LYZ'), columns: [0, 2] }]);
    expect(mapping).toMatchObject({ numMatched: 3, numDistinct: 2 });
  });
});

describe('coverage', () => {
  it('counts genes and weighs expression', () => {
    const mapping = mapGenes({ names: ['LYZ', 'XIST', 'CD3E', 'TSIX'] }, vocabulary);
    expect(coverage(mapping, vocabulary)).toEqual({ shareOfGenes: 0.5, shareOfGenesAsNamed: 0.5, shareOfVocabulary: 2 / 3 });
    expect(coverage(mapping, vocabulary, [6, 1, 2, 1]).shareOfExpression).toBeCloseTo(0.8);
    expect(coverage(mapping, vocabulary, [0, 0, 0, 0]).shareOfExpression).toBe(0);
  });
});

describe('checkCoverage', () => {
  const many = Array.from({ length: 100 }, (_, i) => ({ symbol: `GENE${i}A`, ensemblId: '' }));
  const large = new Vocabulary(many);
  const check = (names: string[]) => checkCoverage(mapGenes({ names }, large), { names }, large, 'pbmc.h5ad');

  it('accepts a small panel whose genes are all known, and a large file around a small vocabulary', () => {
    expect(() => check(['GENE1A', 'GENE2A'])).not.toThrow();
    expect(() => check([...many.slice(0, 10).map(({ symbol }) => symbol), ...Array.from({ length: 500 }, (_, i) => `OTHER${i}B`)])).not.toThrow();
  });

  it('refuses fewer than a tenth of the smaller list, with the mend', () => {
    const strangers = (name: (i: number) => string) => Array.from({ length: 60 }, (_, i) => name(i));
    expect(() => check(['GENE1A', ...strangers((i) => `OTHER${i}B`)])).toThrow(
      /pbmc.h5ad: genes: 1 of 61 genes are in the vocabulary of 100 \(expected at least 7/,
    );
    expect(() => check(strangers((i) => `Abcd${i}a`))).toThrow(/mouse genes/);
    expect(() => check(strangers(String))).toThrow(/neither symbols nor Ensembl ids/);
  });
});

describe('geneIdKind', () => {
  it('tells symbols, Ensembl ids and placeholders apart, human from mouse', () => {
    expect(geneIdKind(['CD3E', 'C2orf74', 'RP11-34P13.7', 'HLA-DRA', 'MT-ND1'])).toMatchObject({ kind: 'symbol', species: 'human' });
    expect(geneIdKind(['Cd3e', 'mt-Nd1', 'H2-Aa', 'Actb', 'Sox2'])).toMatchObject({ kind: 'symbol', species: 'mouse' });
    expect(geneIdKind(['ENSG00000198851', 'ENSG00000156738'])).toMatchObject({ kind: 'ensembl', species: 'human' });
    expect(geneIdKind(['ENSG00000198851.3', 'ENSG00000156738.12'])).toMatchObject({ kind: 'ensembl-version', species: 'human' });
    expect(geneIdKind(['ENSMUSG00000000001', 'ENSMUSG00000000028'])).toMatchObject({ kind: 'ensembl', species: 'mouse' });
    expect(geneIdKind(['ENSDARG00000000001'])).toMatchObject({ kind: 'ensembl', species: 'other' });
    expect(geneIdKind(['ENSG00000198851', 'CD3E', 'LYZ'])).toMatchObject({ kind: 'mixed', species: 'human' });
    expect(geneIdKind(['Gene000', 'Gene001'])).toMatchObject({ kind: 'unknown' });
    expect(geneIdKind(['0', '1', '2'])).toMatchObject({ kind: 'unknown' });
    expect(geneIdKind([])).toMatchObject({ kind: 'unknown' });
  });
});

describe('vocabularyFromGenes', () => {
  it('joins files in the order in which genes are first seen', () => {
    const joined = vocabularyFromGenes([{ names: ['LYZ', 'CD3E'] }, { names: ['CD3E', 'NKG7'] }]);
    expect(joined.genes.map(({ symbol }) => symbol)).toEqual(['LYZ', 'CD3E', 'NKG7']);
  });

  it('knows a gene again by Ensembl id or symbol and completes its names', () => {
    const joined = vocabularyFromGenes([
      { names: ['LYZ', 'CD3E'] },
      { names: ['ENSG00000090382.5', 'ENSG00000105374'], symbols: ['LYZ', 'NKG7'] },
      { names: ['NKG7'], ensemblIds: ['ENSG00000105374'] },
    ]);
    expect(joined.genes).toEqual([
      { symbol: 'LYZ', ensemblId: 'ENSG00000090382' },
      { symbol: 'CD3E', ensemblId: '' },
      { symbol: 'NKG7', ensemblId: 'ENSG00000105374' },
    ]);
  });

  it('keeps two genes apart that share a symbol but not an Ensembl id', () => {
    const joined = vocabularyFromGenes([{ names: ['TBCE', 'TBCE'], ensemblIds: ['ENSG00000285053', 'ENSG00000284770'] }]);
    expect(joined.genes).toHaveLength(2);
  });

  it('refuses files without genes', () => {
    expect(() => vocabularyFromGenes([{ names: [] }, { names: ['', ''] }])).toThrow(/no gene in any file/);
  });
});
