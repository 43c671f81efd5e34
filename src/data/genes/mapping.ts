import { DataError } from '../../errors.js';
import type { GeneNames } from '../readers/reader.js';
import { geneIdKind, withoutVersion } from './gene-ids.js';
import type { GeneTable } from './gene-table.js';
import type { Vocabulary } from './vocabulary.js';

/** Below this share of the smaller of the two gene lists, file and vocabulary are taken to be about different things. */
export const LOWEST_COVERAGE = 0.1;

/** How a column found its vocabulary gene. The first is by the file's own names, the others need a change of name. */
export const ROUTES = ['as named', 'by letter case', 'current name', 'previous symbol', 'alias'] as const;
export type Route = (typeof ROUTES)[number];

/** Why a column has no vocabulary gene. */
export type LossReason =
  | 'not in the vocabulary'
  /** Its name is an outdated symbol or alias of several genes. */
  | 'ambiguous name'
  /** Its name is an outdated symbol or alias of a gene that the file has under its own name: then it is probably another gene. */
  | 'gene is there under its current name'
  /** Of another species' genes: see orthologs.ts. */
  | 'no ortholog'
  | 'several orthologs';

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
  /** Columns by the way they were matched; those without any are left out. */
  readonly numByRoute: Readonly<Partial<Record<Route, number>>>;
  /** [numGenes] the way each column was matched; undefined for lost ones. */
  readonly routes: readonly (Route | undefined)[];
  /** [numGenes] 1 for columns that were matched by another name than the file's; absent where there are none. */
  readonly isRenamed?: Uint8Array;
  /** Every column without a vocabulary gene, in order. */
  readonly lost: readonly LostGene[];
}

export interface DuplicateGene {
  readonly vocabularyId: number;
  readonly columns: readonly number[];
}

export interface LostGene {
  readonly column: number;
  readonly name: string;
  readonly reason: LossReason;
}

/**
 * Finds each gene of a matrix in the vocabulary: by the Ensembl id beside it, by its name (symbol or Ensembl id, whichever
 * it is), by the symbol beside it; then by name in other letters, if those are all capitals or all small (`C2ORF74`; a `Cd3e`
 * is a mouse gene); then, given a table, by what the gene is called now or was called. Versions of Ensembl ids are ignored.
 * A name that needed a change gives way to a column that has the gene under its own name.
 */
export function mapGenes(genes: GeneNames, vocabulary: Vocabulary, table?: GeneTable): GeneMapping {
  return geneMapper(vocabulary, table)(genes);
}

/** As mapGenes, for many files of one vocabulary. */
export function geneMapper(vocabulary: Vocabulary, table?: GeneTable): (genes: GeneNames) => GeneMapping {
  const rename = renamer(vocabulary, table);
  return (genes) => mapped(genes, vocabulary, rename);
}

function mapped(genes: GeneNames, vocabulary: Vocabulary, rename: ReturnType<typeof renamer>): GeneMapping {
  const numGenes = genes.names.length;
  const vocabularyIds = new Int32Array(numGenes).fill(-1);
  const isTaken = new Set<number>();
  for (let column = 0; column < numGenes; column++) {
    if (genes.lost?.[column]) continue;
    const id = genes.ids
      ? genes.ids[column]
      : namesAt(genes, column)
          .map((name) => vocabulary.idOf(withoutVersion(name)))
          .find((found) => found !== undefined);
    if (id === undefined || id < 0) continue;
    vocabularyIds[column] = id;
    isTaken.add(id);
  }
  const numByRoute: Partial<Record<Route, number>> = {};
  const routes = new Array<Route | undefined>(numGenes).fill(undefined);
  const isRenamed = new Uint8Array(numGenes);
  const columnsOf = new Map<number, number[]>();
  const lost: LostGene[] = [];
  for (let column = 0; column < numGenes; column++) {
    let id = vocabularyIds[column]!;
    let route: Route = 'as named';
    if (id < 0) {
      const isLost = genes.lost?.[column];
      const found = isLost || genes.ids ? undefined : rename(namesAt(genes, column));
      const name = genes.names[column]!;
      if (isLost) lost.push({ column, name, reason: isLost });
      else if (found === undefined) lost.push({ column, name, reason: 'not in the vocabulary' });
      else if (found === 'ambiguous') lost.push({ column, name, reason: 'ambiguous name' });
      else if (isTaken.has(found.id)) lost.push({ column, name, reason: 'gene is there under its current name' });
      else {
        ({ id, route } = found);
        vocabularyIds[column] = id;
        isRenamed[column] = 1;
      }
    }
    if (id < 0) continue;
    routes[column] = route;
    numByRoute[route] = (numByRoute[route] ?? 0) + 1;
    const columns = columnsOf.get(id);
    if (columns) columns.push(column);
    else columnsOf.set(id, [column]);
  }
  const duplicates = [...columnsOf].filter(([, columns]) => columns.length > 1).map(([vocabularyId, columns]) => ({ vocabularyId, columns }));
  return {
    vocabularyIds,
    numMatched: numGenes - lost.length,
    numDistinct: columnsOf.size,
    duplicates,
    numByRoute,
    routes,
    ...(isRenamed.includes(1) && { isRenamed }),
    lost,
  };
}

/** The names a file has for one of its genes, the most telling first. */
function namesAt(genes: GeneNames, column: number): string[] {
  return [genes.ensemblIds?.[column], genes.names[column], genes.symbols?.[column]].filter((name): name is string => Boolean(name));
}

type Found = { readonly id: number; readonly route: Route };

/** Looks for a gene by names that the vocabulary does not have as they are. */
function renamer(vocabulary: Vocabulary, table: GeneTable | undefined): (names: readonly string[]) => Found | 'ambiguous' | undefined {
  const idByCapitals = new Map<string, number | undefined>();
  for (const [i, { symbol }] of vocabulary.genes.entries()) {
    const capitals = symbol.toUpperCase();
    // Two genes that differ in letter case alone cannot be told apart by it.
    if (symbol) idByCapitals.set(capitals, idByCapitals.has(capitals) ? undefined : i + vocabulary.firstGeneId);
  }
  const idByGene = new Map<number, number>();
  for (const [i, { symbol, ensemblId }] of vocabulary.genes.entries()) {
    const found = [ensemblId, symbol].map((name) => table?.resolve(name)).find((its) => its !== undefined && its.kind !== 'ambiguous');
    // The first of two entries that are one gene by now takes it.
    if (found && !idByGene.has(found.gene)) idByGene.set(found.gene, i + vocabulary.firstGeneId);
  }
  return (names) => {
    for (const name of names) {
      if (name !== name.toUpperCase() && name !== name.toLowerCase()) continue;
      const id = idByCapitals.get(name.toUpperCase());
      if (id !== undefined) return { id, route: 'by letter case' };
    }
    let isAmbiguous = false;
    for (const name of names) {
      const found = table?.resolve(name);
      if (found?.kind === 'ambiguous') isAmbiguous = true;
      if (!found || found.kind === 'ambiguous') continue;
      const id = idByGene.get(found.gene);
      if (id !== undefined) return { id, route: found.kind === 'previous' ? 'previous symbol' : found.kind === 'alias' ? 'alias' : 'current name' };
    }
    return isAmbiguous ? 'ambiguous' : undefined;
  };
}

/** How much of a matrix the vocabulary sees. All shares lie between 0 and 1. */
export interface GeneCoverage {
  /** Columns with a vocabulary gene, of all columns. */
  readonly shareOfGenes: number;
  /** The same by the file's own names alone. */
  readonly shareOfGenesAsNamed: number;
  /** Vocabulary genes that occur, of all vocabulary genes. */
  readonly shareOfVocabulary: number;
  /** Expression in matched columns, of all expression; absent when no sums were given. */
  readonly shareOfExpression?: number;
  readonly shareOfExpressionAsNamed?: number;
}

/** @param geneSums [numGenes] sum of each column, for the share of expression */
export function coverage(mapping: GeneMapping, vocabulary: Vocabulary, geneSums?: ArrayLike<number>): GeneCoverage {
  const numGenes = mapping.vocabularyIds.length;
  const shares = {
    shareOfGenes: ratio(mapping.numMatched, numGenes),
    shareOfGenesAsNamed: ratio(mapping.numByRoute['as named'] ?? 0, numGenes),
    shareOfVocabulary: ratio(mapping.numDistinct, vocabulary.genes.length),
  };
  if (!geneSums) return shares;
  let [asNamed, matched, total] = [0, 0, 0];
  for (let column = 0; column < numGenes; column++) {
    total += geneSums[column]!;
    if (mapping.vocabularyIds[column]! < 0) continue;
    matched += geneSums[column]!;
    if (mapping.isRenamed?.[column] !== 1) asNamed += geneSums[column]!;
  }
  return { ...shares, shareOfExpression: ratio(matched, total), shareOfExpressionAsNamed: ratio(asNamed, total) };
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
    hint: mend(genes, vocabulary),
  });
}

function mend(genes: GeneNames, vocabulary: Vocabulary): string {
  const { kind, species } = geneIdKind(genes.names);
  const example = `here: ${genes.names.slice(0, 3).join(', ')}`;
  if (species === 'mouse') return `these look like mouse genes: pass a table of their human orthologs with --orthologs; ${example}`;
  if (kind === 'unknown') return `the names are neither symbols nor Ensembl ids: put those into var_names or a column gene_ids; ${example}`;
  const isEnsembl = kind === 'ensembl' || kind === 'ensembl-version';
  const lacksKind = isEnsembl ? vocabulary.genes.every(({ ensemblId }) => !ensemblId) : vocabulary.genes.every(({ symbol }) => !symbol);
  if (lacksKind)
    return `these are ${isEnsembl ? 'Ensembl ids' : 'symbols'}, the vocabulary has none: pass a table of both with --gene-table (scdiva data genes makes one); ${example}`;
  return `is it the vocabulary of the same species and kind of data? ${example}`;
}
