import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GeneTable } from '../../../src/data/genes/gene-table.js';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { describeInspection } from '../../../src/data/inspect/describe.js';
import { inspectFile } from '../../../src/data/inspect/inspect.js';
import { hasShared, shared } from '../../support/shared.js';
import { writeWithUnknownFilter } from '../../support/unknown-filter.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-inspect-'));
const path = join(folder, 'cells.h5ad');
afterAll(() => rmSync(folder, { recursive: true }));

const numbered = (n: number) => Array.from({ length: n }, (_, i) => `cell-${i}`);

describe('inspectFile', () => {
  it('gives exact totals of the matrix it would read', async () => {
    await writeSmallH5ad(path, {
      cellIds: ['a', 'b', 'c'],
      geneNames: ['CD3E', 'LYZ'],
      x: {
        encoding: 'dense',
        rows: [
          [0, 3],
          [2, 0],
          [0, 4],
        ],
      },
    });
    expect(await inspectFile(path)).toMatchObject({
      format: 'h5ad',
      numCells: 3,
      numGenes: 2,
      numNonZero: 3,
      sum: 9,
      min: 2,
      max: 4,
      valueKind: 'counts',
      matrix: 'X',
      geneIdKind: 'symbol',
      geneSpecies: 'human',
      problems: [],
    });
  });

  it('says that values which are all 1 leave nothing to rank, and that a file without cells has none', async () => {
    await writeSmallH5ad(path, {
      cellIds: ['a', 'b', 'c'],
      geneNames: ['CD3E', 'LYZ'],
      x: {
        encoding: 'dense',
        rows: [
          [0, 1],
          [1, 0],
          [1, 1],
        ],
      },
    });
    expect(await inspectFile(path)).toMatchObject({
      valueKind: 'counts',
      evidence: expect.stringMatching(/^all 4 values are 1;/) as string,
      problems: [expect.stringMatching(/^every value is 1: /)],
    });
    await writeSmallH5ad(path, { cellIds: [], geneNames: ['CD3E', 'LYZ'], x: { encoding: 'dense', rows: [] } });
    expect(await inspectFile(path)).toMatchObject({ matrix: null, problems: ['X: values of an unknown kind (there are no cells)'] });
  });

  it('chooses again when the whole matrix shows what the sample did not', async () => {
    const rows = numbered(3000).map((_, i) => [1 + (i % 5), i % 7]);
    const hidden = rows.map((row, i) => (i === 300 ? [-1, 2.5] : row));
    await writeSmallH5ad(path, {
      cellIds: numbered(3000),
      geneNames: ['CD3E', 'LYZ'],
      x: { encoding: 'csr', rows: hidden },
      layers: { counts: { encoding: 'csr', rows } },
    });
    const found = await inspectFile(path);
    expect(found).toMatchObject({ matrix: 'layers/counts', valueKind: 'counts', numNonZero: 3000 + 3000 - Math.ceil(3000 / 7) });
    expect(found.matrices).toMatchObject([
      { key: 'X', valueKind: 'scaled', numCellsSeen: 3000 },
      { key: 'layers/counts', numCellsSeen: 3000 },
    ]);
  });

  it('names empty cells, repeated names, lone classes and genes it cannot place', async () => {
    await writeSmallH5ad(path, {
      cellIds: ['a', 'b', 'b', 'd', 'e', 'f'],
      geneNames: ['Gene1', 'Gene2', 'Gene2'],
      x: {
        encoding: 'csr',
        rows: [
          [1, 2, 0],
          [0, 0, 0],
          [0, 3, 0],
          [1, 1, 0],
          [4, 0, 0],
          [2, 0, 0],
        ],
      },
      obs: { cell_type: ['T', 'T', 'T', 'B', null, 'T'] },
    });
    const { problems, numEmptyCells, numEmptyGenes } = await inspectFile(path);
    expect({ numEmptyCells, numEmptyGenes }).toEqual({ numEmptyCells: 1, numEmptyGenes: 1 });
    expect(problems).toEqual([
      expect.stringMatching(/genes cannot be recognised.*Gene1/),
      '1 gene name occurs more than once (Gene2); their columns are summed',
      '1 cell has no values (b) and cannot be embedded',
      '1 cell name occurs more than once (b)',
      "obs['cell_type']: class 'B' has one cell only, which cannot be both learned and tested",
    ]);
  });

  it('finds labels and batches, cell types first', async () => {
    const cellIds = numbered(12);
    const each = <T>(...values: T[]) => cellIds.map((_, i) => values[i % values.length]!);
    await writeSmallH5ad(path, {
      cellIds,
      geneNames: ['CD3E'],
      x: { encoding: 'csr', rows: cellIds.map(() => [1]) },
      obs: {
        donor_id: each('D1', 'D2'),
        phase: each('G1', 'S', 'S'),
        cell_type: each('T', 'B', 'T'),
        barcode: cellIds,
        constant: each('x'),
        leiden: Float64Array.from(cellIds, (_, i) => i % 4),
        score: Float64Array.from(cellIds, (_, i) => i / 7),
      },
    });
    const { labels, batches } = await inspectFile(path);
    expect(labels.map(({ key, numClasses, stored }) => [key, numClasses, stored])).toEqual([
      ['cell_type', 2, 'categorical'],
      ['phase', 2, 'categorical'],
      ['leiden', 4, 'integer'],
    ]);
    expect(labels[0]!.classes).toEqual([
      { name: 'T', size: 8 },
      { name: 'B', size: 4 },
    ]);
    expect(batches.map(({ key }) => key)).toEqual(['donor_id']);
  });

  it('names the genes that are lost, by reason and by expression, and what a gene table finds again', async () => {
    await writeSmallH5ad(path, {
      cellIds: ['a', 'b'],
      geneNames: ['CD3E', 'SEPT7', 'B1', 'XIST', 'CD3EPSILON'],
      x: {
        encoding: 'csr',
        rows: [
          [4, 3, 2, 1, 0],
          [0, 0, 0, 10, 0],
        ],
      },
    });
    const vocabulary = new Vocabulary([
      { symbol: 'CD3E', ensemblId: '' },
      { symbol: 'SEPTIN7', ensemblId: '' },
    ]);
    const names = (previous: string[], aliases: string[] = []) => ({ ensemblId: '', previous, aliases });
    const geneTable = new GeneTable([
      { symbol: 'CD3E', ...names([], ['CD3EPSILON']) },
      { symbol: 'SEPTIN7', ...names(['SEPT7']) },
      { symbol: 'MS4A1', ...names([], ['B1']) },
      { symbol: 'PTPRC', ...names([], ['B1']) },
    ]);
    const found = await inspectFile(path, { vocabulary, geneTable });
    expect(found.coverage).toEqual({
      numMatched: 2,
      numByRoute: { 'as named': 1, 'previous symbol': 1 },
      numMerged: 0,
      numLost: 3,
      numLostByReason: { 'ambiguous name': 1, 'not in the vocabulary': 1, 'gene is there under its current name': 1 },
      mostExpressedLost: [
        { name: 'XIST', reason: 'not in the vocabulary', shareOfExpression: 0.55 },
        { name: 'B1', reason: 'ambiguous name', shareOfExpression: 0.1 },
      ],
      shareOfGenes: 0.4,
      shareOfGenesAsNamed: 0.2,
      shareOfVocabulary: 1,
      shareOfExpression: 0.35,
      shareOfExpressionAsNamed: 0.2,
    });
    expect(describeInspection(found)).toMatch(
      /2 of 5 in the vocabulary: 40\.0 % of the file's genes with 35\.0 % of the expression, 100\.0 % of the vocabulary\n +by the file's own names 1: 20\.0 % .*; then 1 by previous symbol\n/,
    );
  });

  it('flags symbols that a spreadsheet turned into dates, and mouse names among human ones', async () => {
    const geneNames = ['CD3E', 'LYZ', 'NKG7', 'GNLY', 'MS4A1', 'CD79A', '1-Mar', '2-Sep', 'Cd3e'];
    await writeSmallH5ad(path, { cellIds: ['a', 'b'], geneNames, x: { encoding: 'csr', rows: [geneNames.map(() => 1), geneNames.map(() => 2)] } });
    expect((await inspectFile(path)).problems).toEqual([
      expect.stringMatching(/^1 of 9 names are written like mouse symbols among human ones \(Cd3e\): two species in one file, or names in mixed case/),
      expect.stringMatching(/^2 gene names are dates \(1-Mar, 2-Sep\): a spreadsheet changed symbols such as SEPT2/),
    ]);
  });

  it('says how much of the file a vocabulary covers', async () => {
    await writeSmallH5ad(path, {
      cellIds: ['a', 'b'],
      geneNames: ['CD3E', 'XIST'],
      x: {
        encoding: 'csr',
        rows: [
          [9, 1],
          [0, 0],
        ],
      },
    });
    const known = new Vocabulary([{ symbol: 'CD3E', ensemblId: '' }]);
    expect((await inspectFile(path, { vocabulary: known })).coverage).toMatchObject({
      numMatched: 1,
      shareOfGenes: 0.5,
      shareOfGenesAsNamed: 0.5,
      shareOfVocabulary: 1,
      shareOfExpression: 0.9,
      shareOfExpressionAsNamed: 0.9,
    });
    const foreign = new Vocabulary([{ symbol: 'LYZ', ensemblId: '' }]);
    expect((await inspectFile(path, { vocabulary: foreign })).problems[0]).toMatch(/^genes: 0 of 2 genes are in the vocabulary/);
  });

  it('reports scaled values as a problem, with figures of what is there', async () => {
    await writeSmallH5ad(path, {
      cellIds: ['a', 'b'],
      geneNames: ['CD3E', 'LYZ'],
      x: {
        encoding: 'dense',
        rows: [
          [0.5, -0.5],
          [-0.5, 0.5],
        ],
      },
    });
    const found = await inspectFile(path);
    expect(found).toMatchObject({ matrix: null, why: null, valueKind: 'scaled', numNonZero: 4 });
    expect(found.problems).toEqual([expect.stringMatching(/^X: scaled values/)]);
    expect(describeInspection(found)).toMatch(/reads +nothing: no matrix of this file can be used/);
  });

  it('passes over a matrix that cannot be read, and says so', async () => {
    writeWithUnknownFilter(path);
    const found = await inspectFile(path);
    expect(found).toMatchObject({ valueKind: 'counts', numNonZero: 8 });
    expect(found.matrices.find(({ key }) => key === 'layers/lzf')).toMatchObject({ valueKind: 'unknown', numCellsSeen: 0 });
    expect(found.problems).toEqual([expect.stringMatching(/^layers\/lzf: is compressed with zfp/)]);
  });

  it('reads as a page', async () => {
    await writeSmallH5ad(path, {
      cellIds: ['a', 'b', 'c', 'd'],
      geneNames: ['CD3E', 'LYZ'],
      x: {
        encoding: 'csr',
        rows: [
          [1, 0],
          [0, 2],
          [3, 0],
          [1, 1],
        ],
      },
      obs: { cell_type: ['T', 'B', 'T', 'B'] },
    });
    expect(
      describeInspection(await inspectFile(path))
        .split('\n')
        .slice(2),
    ).toEqual([
      'reads   X (X is the only matrix)',
      'values  counts: all 5 values are integers, from 1 to 3; cells sum to 1 … 3',
      '        5 non-zero (62.5 %), sum 8',
      'genes   symbol, human: var_names: 100 % of 2 names are written like human symbols',
      '',
      'matrices',
      '→ X  2 genes  csr float32  counts',
      '',
      'label candidates',
      '  cell_type  2 classes  2 (T) … 2 (B) cells',
      '',
      'no problems found',
    ]);
  });

  it.runIf(hasShared)('finds the labels of real cells, the smallest class with them', async () => {
    const { labels, problems } = await inspectFile(shared('data/pbmc68k_reduced/10x_pbmc68k_reduced_legacy.h5ad'));
    const bulk = labels.find(({ key }) => key === 'bulk_labels')!;
    expect(bulk).toMatchObject({ numClasses: 10, numMissing: 0, stored: 'categorical' });
    expect(bulk.classes.at(-1)).toEqual({ name: 'CD4+/CD45RA+/CD25- Naive T', size: 8 });
    expect(problems).toEqual([]);
  });
});
