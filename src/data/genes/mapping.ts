import { DataError } from '../../errors.js';
import type { GeneNames } from '../readers/reader.js';
import { geneIdKind, withoutVersion } from './gene-ids.js';
import type { Vocabulary } from './vocabulary.js';

/** Below this share of the smaller of the two gene lists, file and vocabulary are taken to be about different things. */
export const LOWEST_COVERAGE = 0.1;

/** Which vocabulary gene each column of a matrix is. */
export interface GeneMapping {
  /** [numGenes] vocabulary id of each column, -1 where the vocabulary has no such gene. */
  readonly vocabularyIds: Int32Array;
  /** Columns with a vocabulary gene. */
  readonly numMatched: number;
  /** Different vocabulary genes among them; smaller than numMatched when columns repeat a gene. */
  readonly numDistinct: number;
  /** Genes that several columns map to: whoever reads the matrix sums those columns. */
  readonly duplicates: readonly DuplicateGene[];
}

export interface DuplicateGene {
  readonly vocabularyId: number;
  readonly columns: readonly number[];
}

/**
 * Finds each gene of a matrix in the vocabulary: by the Ensembl id beside it, by its name (symbol or Ensembl id, whichever
 * it is), by the symbol beside it, in this order. Versions of Ensembl ids are ignored. Previous and alias symbols belong
 * between the last step and giving up; there is no table of them yet.
 */
export function mapGenes(genes: GeneNames, vocabulary: Vocabulary): GeneMapping {
  const vocabularyIds = new Int32Array(genes.names.length);
  const columnsOf = new Map<number, number[]>();
  let numMatched = 0;
  genes.names.forEach((name, column) => {
    const id = find(vocabulary, genes.ensemblIds?.[column]) ?? find(vocabulary, name) ?? find(vocabulary, genes.symbols?.[column]) ?? -1;
    vocabularyIds[column] = id;
    if (id < 0) return;
    numMatched++;
    const columns = columnsOf.get(id);
    if (columns) columns.push(column);
    else columnsOf.set(id, [column]);
  });
  const duplicates = [...columnsOf].filter(([, columns]) => columns.length > 1).map(([vocabularyId, columns]) => ({ vocabularyId, columns }));
  return { vocabularyIds, numMatched, numDistinct: columnsOf.size, duplicates };
}

function find(vocabulary: Vocabulary, name: string | undefined): number | undefined {
  return name ? vocabulary.idOf(withoutVersion(name)) : undefined;
}

/** How much of a matrix the vocabulary sees. All shares lie between 0 and 1. */
export interface GeneCoverage {
  /** Columns with a vocabulary gene, of all columns. */
  readonly shareOfGenes: number;
  /** Vocabulary genes that occur, of all vocabulary genes. */
  readonly shareOfVocabulary: number;
  /** Expression in matched columns, of all expression; absent when no sums were given. */
  readonly shareOfExpression?: number;
}

/** @param geneSums [numGenes] sum of each column, for the share of expression */
export function coverage(mapping: GeneMapping, vocabulary: Vocabulary, geneSums?: ArrayLike<number>): GeneCoverage {
  const numGenes = mapping.vocabularyIds.length;
  const shares = { shareOfGenes: ratio(mapping.numMatched, numGenes), shareOfVocabulary: ratio(mapping.numDistinct, vocabulary.genes.length) };
  if (!geneSums) return shares;
  let [matched, total] = [0, 0];
  for (let column = 0; column < numGenes; column++) {
    total += geneSums[column]!;
    if (mapping.vocabularyIds[column]! >= 0) matched += geneSums[column]!;
  }
  return { ...shares, shareOfExpression: ratio(matched, total) };
}

function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

/**
 * Refuses a file that shares too few genes with the vocabulary to mean the same thing by them.
 * @throws DataError when fewer than a tenth of the smaller of the two lists are in both
 */
export function checkCoverage(mapping: GeneMapping, genes: GeneNames, vocabulary: Vocabulary, file: string): void {
  const smaller = Math.min(genes.names.length, vocabulary.genes.length);
  if (mapping.numDistinct >= LOWEST_COVERAGE * smaller && mapping.numDistinct > 0) return;
  throw new DataError({
    file,
    key: 'genes',
    found: `${mapping.numDistinct} of ${genes.names.length} genes are in the vocabulary of ${vocabulary.genes.length}`,
    expected: `at least ${Math.max(1, Math.ceil(LOWEST_COVERAGE * smaller))}`,
    hint: mend(genes),
  });
}

function mend(genes: GeneNames): string {
  const { kind, species } = geneIdKind(genes.names);
  const example = `here: ${genes.names.slice(0, 3).join(', ')}`;
  if (species === 'mouse') return `these look like mouse genes: map them to human orthologs first; ${example}`;
  if (kind === 'unknown') return `the names are neither symbols nor Ensembl ids: put those into var_names or a column gene_ids; ${example}`;
  return `is it the vocabulary of the same species and kind of data? ${example}`;
}
