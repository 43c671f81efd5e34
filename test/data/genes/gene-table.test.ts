import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { vocabularyFromGenes } from '../../../src/data/genes/build-vocabulary.js';
import { geneReport } from '../../../src/data/genes/gene-report.js';
import { GeneTable, mergeGenes, type KnownGene } from '../../../src/data/genes/gene-table.js';
import { mapGenes } from '../../../src/data/genes/mapping.js';
import { parseGenes, readGeneTable } from '../../../src/data/genes/read-gene-table.js';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { hasShared, shared } from '../../support/shared.js';

const newFolder = temporaryFolder('genes');
const gene = (symbol: string, ensemblId = '', previous: string[] = [], aliases: string[] = []): KnownGene => ({ symbol, ensemblId, previous, aliases });

const table = new GeneTable([
  gene('SEPTIN7', 'ENSG00000122545', ['SEPT7', 'CDC10'], ['CDC3']),
  gene('MS4A1', 'ENSG00000156738', ['CD20'], ['B1', 'Bp35']),
  gene('PTPRC', 'ENSG00000081237', [], ['B220', 'CD45', 'B1']),
  gene('CD45', 'ENSG00000000045'), // an invented gene that bears the alias of another one
]);

describe('a gene table', () => {
  it('takes a name for an Ensembl id, a symbol, a previous symbol, an alias, in this order', () => {
    expect(table.resolve('ENSG00000122545.12')).toEqual({ kind: 'ensemblId', gene: 0 });
    expect(table.resolve('MS4A1')).toEqual({ kind: 'symbol', gene: 1 });
    expect(table.resolve('SEPT7')).toEqual({ kind: 'previous', gene: 0 });
    expect(table.resolve('B220')).toEqual({ kind: 'alias', gene: 2 });
    expect(table.resolve('CD45')).toEqual({ kind: 'symbol', gene: 3 });
    expect(table.resolve('B1')).toEqual({ kind: 'ambiguous', genes: [1, 2] });
    expect([table.resolve('sept7'), table.resolve('')]).toEqual([undefined, undefined]);
    expect(table.countNames()).toEqual({ numUsable: 6, numAmbiguous: 1 });
  });

  it('is joined from lists: the first has the last word on symbols, the others add what it lacks', () => {
    const merged = mergeGenes([
      [gene('SEPTIN7', 'ENSG00000122545', ['SEPT7']), gene('XIST')],
      [gene('SEPT7', 'ENSG00000122545', [], ['CDC3']), gene('XIST', 'ENSG00000229807'), gene('NEW', 'ENSG00000000999'), gene('', 'ENSG00000000998')],
    ]);
    expect(merged.genes).toEqual([
      gene('SEPTIN7', 'ENSG00000122545', ['SEPT7'], ['CDC3']),
      gene('XIST', 'ENSG00000229807'),
      gene('NEW', 'ENSG00000000999'),
      gene('', 'ENSG00000000998'),
    ]);
  });

  it('comes back from its own TSV', () => {
    expect(mergeGenes([parseGenes(table.toTsv(), 'genes.tsv')]).hash).toBe(table.hash);
  });
});

describe('files a gene table is made from', () => {
  it.each([
    [
      'the HGNC complete set',
      'hgnc_id\tsymbol\tname\tstatus\talias_symbol\tprev_symbol\tensembl_gene_id\nHGNC:1\tSEPTIN7\tseptin 7\tApproved\t"CDC3|SEPT7A"\tCDC10|SEPT7\tENSG00000122545\nHGNC:2\tGONE\t\tEntry Withdrawn\t\t\t\n',
      [gene('SEPTIN7', 'ENSG00000122545', ['CDC10', 'SEPT7'], ['CDC3', 'SEPT7A'])],
    ],
    [
      'an HGNC custom download',
      'Approved symbol\tStatus\tAlias symbols\tPrevious symbols\tEnsembl gene ID\nCD3E\tApproved\tCD3epsilon, T3E\t\tENSG00000198851\n',
      [gene('CD3E', 'ENSG00000198851', [], ['CD3epsilon', 'T3E'])],
    ],
    [
      'BioMart, a line for each synonym',
      'Gene stable ID,Gene name,Gene Synonym\nENSG00000198851,CD3E,T3E\nENSG00000198851,CD3E,TCRE\nENSG00000229807,,\n',
      [gene('CD3E', 'ENSG00000198851', [], ['T3E', 'TCRE']), gene('', 'ENSG00000229807')],
    ],
    [
      'a GTF',
      '#!genome\n1\thavana\tgene\t11\t14\t.\t+\t.\tgene_id "ENSG00000198851.4"; gene_name "CD3E";\n1\thavana\ttranscript\t11\t14\t.\t+\t.\tgene_id "ENSG00000198851.4"; gene_name "CD3E";\n1\thavana\tgene\t20\t30\t.\t+\t.\tgene_id "ENSG00000229807";\n',
      [gene('CD3E', 'ENSG00000198851'), gene('', 'ENSG00000229807')],
    ],
    [
      'lines of an Ensembl id and a symbol',
      'ENSG00000198851,CD3E,4,1211,protein_coding\nENSG00000229807,XIST,1,2,lncRNA\n',
      [gene('CD3E', 'ENSG00000198851'), gene('XIST', 'ENSG00000229807')],
    ],
  ])('%s is read, plain and gzipped', async (_, text, genes) => {
    const folder = await newFolder();
    await writeFile(join(folder, 'plain'), text);
    await writeFile(join(folder, 'gzipped'), gzipSync(text));
    expect((await readGeneTable([join(folder, 'plain')])).genes).toEqual(genes);
    expect((await readGeneTable([join(folder, 'gzipped')])).genes).toEqual(genes);
  });

  it('is refused in one line where it is none of these', () => {
    expect(() => parseGenes('chromosome\tstart\n1\t2\n', 'x.tsv')).toThrow(
      /x\.tsv: line 1: the columns chromosome, start \(expected a column of symbols or Ensembl ids/,
    );
    expect(() => parseGenes('symbol\tensembl_id\nCD3E\t916\n', 'x.tsv')).toThrow(/x\.tsv: line 2: '916' in the column of Ensembl ids/);
    expect(() => parseGenes('', 'x.tsv')).toThrow(/x\.tsv: no line in it/);
    expect(() => parseGenes('symbol\n', 'x.tsv')).toThrow(/x\.tsv: no gene in it/);
  });
});

describe('mapping through a gene table', () => {
  const vocabulary = new Vocabulary([
    { symbol: 'SEPT7', ensemblId: '' },
    { symbol: 'MS4A1', ensemblId: '' },
    { symbol: 'C2orf74', ensemblId: '' },
    { symbol: '', ensemblId: 'ENSG00000081237' },
  ]);
  const map = (names: string[], its: GeneTable | undefined = table) => mapGenes({ names }, vocabulary, its);

  it('finds a gene by what it was called, by what it is called now, and by its id, whichever the vocabulary has', () => {
    const mapping = map(['SEPTIN7', 'CD20', 'ENSG00000156738.3', 'C2ORF74', 'PTPRC', 'XIST']);
    expect([...mapping.vocabularyIds]).toEqual([2, 3, 3, 4, 5, -1]);
    expect(mapping.numByRoute).toEqual({ 'current name': 3, 'previous symbol': 1, 'by letter case': 1 });
    expect([...mapping.isRenamed!]).toEqual([1, 1, 1, 1, 1, 0]);
    expect(mapping.lost).toEqual([{ column: 5, name: 'XIST', reason: 'not in the vocabulary' }]);
    expect([...map(['SEPTIN7', 'CD20'], new GeneTable([])).vocabularyIds]).toEqual([-1, -1]);
  });

  it('does not guess: ambiguous names, mouse spelling, and an old name beside the gene itself', () => {
    const mapping = map(['B1', 'Ms4a1', 'MS4A1', 'CD20']);
    expect([...mapping.vocabularyIds]).toEqual([-1, -1, 3, -1]);
    expect(mapping.lost.map(({ name, reason }) => [name, reason])).toEqual([
      ['B1', 'ambiguous name'],
      ['Ms4a1', 'not in the vocabulary'],
      ['CD20', 'gene is there under its current name'],
    ]);
    expect(mapping.isRenamed).toBeUndefined();
  });

  it('is reported gene by gene: by which name it was found, what it was added to, why it is lost', () => {
    const genes = { names: ['SEPTIN7', 'CDC10', 'MS4A1', 'C2ORF74', 'B1'] };
    const report = String(geneReport({ file: 'a.h5ad', genes, mapping: mapGenes(genes, vocabulary, table), vocabulary }, true));
    expect(report.split('\n').map((line) => line.split('\t').slice(1).join(' '))).toEqual([
      'name vocabulary_id symbol ensembl_id fate',
      'SEPTIN7 2 SEPT7  found by current name',
      'CDC10 2 SEPT7  found by previous symbol, added to SEPTIN7',
      'MS4A1 3 MS4A1  found as named',
      'C2ORF74 4 C2orf74  found by letter case',
      'B1    lost: ambiguous name',
      '',
    ]);
  });

  it('adds up two old names of one gene, and says so', () => {
    expect(map(['SEPTIN7', 'CDC10']).duplicates).toEqual([{ vocabularyId: 2, columns: [0, 1] }]);
  });

  it('joins files that name the same genes by symbols, old symbols and Ensembl ids', () => {
    const joined = vocabularyFromGenes(
      [{ names: ['SEPT7', 'MS4A1', 'B1'] }, { names: ['ENSG00000122545.1', 'ENSG00000156738'] }, { names: ['SEPTIN7', 'CD20', 'MS4A1'] }],
      table,
    );
    expect(joined.genes).toEqual([
      { symbol: 'SEPTIN7', ensemblId: 'ENSG00000122545' },
      { symbol: 'MS4A1', ensemblId: 'ENSG00000156738' },
      { symbol: 'B1', ensemblId: '' },
      { symbol: 'CD20', ensemblId: '' },
    ]);
  });
});

describe.runIf(hasShared)('a table of the human genes', () => {
  it('knows the families that were renamed, and what several genes were called', async () => {
    const human = await readGeneTable([shared('data/genes/hgnc_symbol_ensembl_alias.tsv.gz'), shared('data/genes/cellxgene_genes_homo_sapiens.csv.gz')]);
    const symbolOf = (name: string) => {
      const found = human.resolve(name);
      return found && found.kind !== 'ambiguous' ? human.genes[found.gene]!.symbol : found?.kind;
    };
    expect(['SEPT7', 'MARCH1', 'FAM46C', 'WARS', 'ENSG00000198851.4', 'CD3E'].map(symbolOf)).toEqual(['SEPTIN7', 'MARCHF1', 'TENT5C', 'WARS1', 'CD3E', 'CD3E']);
    expect(symbolOf('ASP')).toBe('ambiguous');
    expect(human.genes.length).toBeGreaterThan(78_000);
    expect(human.countNames().numUsable).toBeGreaterThan(40_000);
  });
});
