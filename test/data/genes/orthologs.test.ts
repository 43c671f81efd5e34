import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mapGenes } from '../../../src/data/genes/mapping.js';
import { translateGenes, withOrthologs } from '../../../src/data/genes/orthologs.js';
import { readOrthologs } from '../../../src/data/genes/read-orthologs.js';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { inspectFile } from '../../../src/data/inspect/inspect.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { hasShared, shared } from '../../support/shared.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-orthologs-'));
afterAll(() => rmSync(folder, { recursive: true }));
let numFiles = 0;
const read = (text: string) => {
  const file = join(folder, `table-${numFiles++}.txt`);
  writeFileSync(file, text);
  return readOrthologs(file);
};

const ID = { cd3e: 'ENSMUSG00000032093', CD3E: 'ENSG00000198851', lyz1: 'ENSMUSG00000069515', lyz2: 'ENSMUSG00000069516', LYZ: 'ENSG00000090382' };

describe('a table of orthologs', () => {
  it.each([
    ['two bare columns, human first', 'CD3E,Cd3e\nLYZ,Lyz1\nLYZ,Lyz2\nMT-TF,\nCD14,Cd14\nCD19,Cd19\n'],
    ['two bare columns, mouse first', 'Cd3e\tCD3E\nLyz1\tLYZ\nLyz2\tLYZ\nCd14\tCD14\nCd19\tCD19\n'],
    ['named columns', 'mouse_symbol\thuman_symbol\nCd3e\tCD3E\nLyz1\tLYZ\nLyz2\tLYZ\nCd14\tCD14\n'],
    [
      'an Ensembl export from the human side',
      `Gene stable ID,Gene name,Mouse gene stable ID,Mouse gene name,Mouse homology type\n${ID.CD3E},CD3E,${ID.cd3e},Cd3e,ortholog_one2one\n${ID.LYZ},LYZ,${ID.lyz1},Lyz1,ortholog_one2many\n${ID.LYZ},LYZ,${ID.lyz2},Lyz2,ortholog_one2many\n`,
    ],
    [
      'an Ensembl export from the mouse side',
      `Gene stable ID,Gene name,Human gene stable ID,Human gene name\n${ID.cd3e},Cd3e,${ID.CD3E},CD3E\n${ID.lyz1},Lyz1,${ID.LYZ},LYZ\n${ID.lyz2},Lyz2,${ID.LYZ},LYZ\n`,
    ],
    [
      'a homology report',
      'DB Class Key\tCommon Organism Name\tNCBI Taxon ID\tSymbol\n1\tmouse, laboratory\t10090\tCd3e\n1\thuman\t9606\tCD3E\n2\tmouse, laboratory\t10090\tLyz1\n2\tmouse, laboratory\t10090\tLyz2\n2\thuman\t9606\tLYZ\n',
    ],
  ])('is read from %s, one-to-one pairs alone', async (_, text) => {
    const table = await read(text);
    expect(table.resolve(['Cd3e'])).toMatchObject({ symbol: 'CD3E' });
    expect(table.resolve(['Lyz1'])).toBe('several orthologs');
    expect(table.resolve(['Lyz2'])).toBe('several orthologs');
    expect(table.resolve(['Gm1'])).toBe('no ortholog');
  });

  it('knows genes by versioned Ensembl ids, and leaves out a gene of several human orthologs', async () => {
    const table = await read(
      `human_symbol\thuman_ensembl_gene_id\tmouse_symbol\tmouse_ensembl_gene_id\nCD3E\t${ID.CD3E}\tCd3e\t${ID.cd3e}\nIFNA1\tENSG00000197919\tIfna1\tENSMUSG00000095498\nIFNA13\tENSG00000233816\tIfna1\tENSMUSG00000095498\n`,
    );
    expect(table.resolve([`${ID.cd3e}.7`])).toEqual({ symbol: 'CD3E', ensemblId: ID.CD3E });
    expect(table.resolve(['Ifna1'])).toBe('several orthologs');
    expect(table.numOneToOne).toBe(1);
  });

  it.each([
    ['one column', 'Cd3e\nCd14\n', /columns Cd3e/],
    ['columns of one species', 'Gene stable ID,Gene name\nENSG00000198851,CD3E\n', /line 1: the columns Gene stable ID, Gene name/],
    ['no pair', 'human_symbol,mouse_symbol\nCD3E,\n', /no one-to-one pair/],
    ['three species', 'DB Class Key\tCommon Organism Name\tSymbol\n1\tmouse\tCd3e\n1\thuman\tCD3E\n1\trat\tCd3e\n', /2 species beside human \(mouse, rat\)/],
  ])('is refused in one line for %s', async (_, text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });
});

describe('genes of another species', () => {
  const vocabulary = new Vocabulary(['CD3E', 'CD14', 'LYZ', 'A'].map((symbol) => ({ symbol, ensemblId: '' })));

  it('are mapped as their human orthologs, the others lost with the reason', async () => {
    const table = await read('human,mouse\nCD3E,Cd3e\nLYZ,Lyz1\nLYZ,Lyz2\nCD19,Cd19\n');
    const { genes, ...counts } = translateGenes({ names: ['Gm1', 'Cd3e', 'Lyz2', 'Cd19', 'a'] }, table);
    expect(counts).toEqual({ numTranslated: 2, numWithout: 2, numWithSeveral: 1 });
    const mapping = mapGenes(genes, vocabulary);
    expect([...mapping.vocabularyIds]).toEqual([-1, 2, -1, -1, -1]);
    // `a`, agouti, is not the human gene A: a name that was not translated is looked up nowhere.
    expect(mapping.lost.map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
      'Gm1: no ortholog',
      'Lyz2: several orthologs',
      'CD19: not in the vocabulary',
      'a: no ortholog',
    ]);
  });

  it('are told by data inspect with their share of genes and of expression', async () => {
    const file = join(folder, 'mouse.h5ad');
    await writeSmallH5ad(file, {
      x: {
        rows: [
          [1, 5, 0, 2],
          [1, 5, 2, 0],
        ],
        encoding: 'csr',
      },
      cellIds: ['a', 'b'],
      geneNames: ['Gm1', 'Cd3e', 'Lyz2', 'Cd14'],
      obs: {},
    });
    const orthologs = await read('human,mouse\nCD3E,Cd3e\nCD14,Cd14\nLYZ,Lyz1\nLYZ,Lyz2\n');
    const { coverage, notes, geneSpecies } = await inspectFile(file, { vocabulary, orthologs });
    expect(coverage).toMatchObject({ shareOfGenes: 0.5, shareOfExpression: 0.75, numLostByReason: { 'no ortholog': 1, 'several orthologs': 1 } });
    expect(geneSpecies).toBe('human');
    expect(notes.join()).toMatch(/2 of 4 genes have a one-to-one human ortholog; left out: 1 without an ortholog in the table, 1 of one-to-many/);
  });

  it('are left alone in a file of human genes, and refused in a file of neither', async () => {
    const orthologs = await read('human,mouse\nCD3E,Cd3e\nCD14,Cd14\n');
    const open = async (geneNames: string[]) => {
      const file = join(folder, `${geneNames[0]}.h5ad`);
      await writeSmallH5ad(file, { x: { rows: [[1, 5]], encoding: 'csr' }, cellIds: ['a'], geneNames, obs: {} });
      return openCellFile(file);
    };
    const human = await open(['CD3E', 'CD14']);
    expect(withOrthologs(human, orthologs).matrix('X').genes).toEqual(human.matrix('X').genes);
    const other = await open(['YAL001C', 'YAL002W']);
    expect(() => withOrthologs(other, orthologs)).toThrow(/none of its 2 genes is in .*YAL001C/);
    human.close();
    other.close();
  });
});

describe.runIf(hasShared)('the real table of human and mouse', () => {
  it('has about 16,000 one-to-one pairs, and leaves out Ccl3, which three human genes answer to', async () => {
    const table = await readOrthologs(shared('data', 'genes', 'ensembl105_human2mouse.csv.gz'));
    expect(table.numOneToOne).toBeGreaterThan(15_000);
    expect(table.resolve(['Cd3e'])).toMatchObject({ symbol: 'CD3E' });
    expect(table.resolve(['mt-Nd1'])).toMatchObject({ symbol: 'MT-ND1' });
    expect(table.resolve(['Ccl3'])).toBe('several orthologs');
  });
});
