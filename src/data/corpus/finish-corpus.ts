import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../errors.js';
import { syncFolder, writeFileAtomic } from '../../files.js';
import { LOWEST_COVERAGE } from '../genes/mapping.js';
import { thousands } from '../inspect/format.js';
import { JOURNAL_FILE, type ShardRecord, type SourceTally } from './journal.js';
import { CorpusManifest, MANIFEST_FILE, type SourceEntry } from './manifest.js';

/** What a corpus says of its sources, made of what its shards counted, and its last file: the same for a build and for a merge of parts. */

/** What is known of a source before its rows are read. */
export type SourceBasis = Pick<
  SourceEntry,
  | 'file'
  | 'sha256'
  | 'matrix'
  | 'scale'
  | 'numCells'
  | 'numCellsFilteredByObs'
  | 'numCellsDuplicate'
  | 'numGenes'
  | 'numGenesMatched'
  | 'numGenesMerged'
  | 'numGenesRenamed'
>;

function sumOf(records: readonly ShardRecord[], s: number, key: keyof SourceTally): number {
  return records.reduce((total, { tallies }) => total + (tallies[s]?.[key] ?? 0), 0);
}

/** @param records of all shards, in their order: sums of fractions depend on it */
export function finishedSource(basis: SourceBasis, records: readonly ShardRecord[], s: number): SourceEntry {
  const sum = (key: keyof SourceTally): number => sumOf(records, s, key);
  const shareOf = (part: number): number => (sum('sumAll') > 0 ? Math.min(1, Math.max(0, part / sum('sumAll'))) : 0);
  return {
    file: basis.file,
    sha256: basis.sha256,
    matrix: basis.matrix,
    scale: basis.scale,
    numCells: basis.numCells,
    numCellsKept: sum('numCellsKept'),
    numCellsFilteredByObs: basis.numCellsFilteredByObs,
    numCellsDuplicate: basis.numCellsDuplicate,
    numCellsWithoutGenes: sum('numCellsWithoutGenes'),
    numCellsBelowMinGenes: sum('numCellsBelowMinGenes'),
    numCellsBelowMinCounts: sum('numCellsBelowMinCounts'),
    numCellsAboveMaxMito: sum('numCellsAboveMaxMito'),
    numGenes: basis.numGenes,
    numGenesMatched: basis.numGenesMatched,
    numGenesMerged: basis.numGenesMerged,
    numGenesRenamed: basis.numGenesRenamed,
    expressionCoverage: shareOf(sum('sumMatched')),
    expressionCoverageAsNamed: shareOf(sum('sumMatched') - sum('sumRenamed')),
  };
}

/** @throws DataError where the vocabulary sees next to nothing of the expression in a file */
export function checkExpression({ file, expressionCoverage }: SourceEntry, records: readonly ShardRecord[], s: number): void {
  if (expressionCoverage >= LOWEST_COVERAGE || sumOf(records, s, 'sumAll') === 0) return;
  throw new DataError({
    file,
    key: 'genes',
    found: `${(100 * expressionCoverage).toFixed(1)} % of the expression is of genes in the vocabulary`,
    expected: `at least ${100 * LOWEST_COVERAGE} %`,
    hint: 'use a vocabulary made for these data',
  });
}

/** The manifest is written last: its presence says that the corpus is whole. Its fields come in the order of the schema, whoever put them together. */
export async function writeManifest(folder: string, manifest: CorpusManifest): Promise<void> {
  await writeFileAtomic(join(folder, MANIFEST_FILE), `${JSON.stringify(CorpusManifest.parse(manifest), null, 1)}\n`);
  await rm(join(folder, JOURNAL_FILE), { force: true });
  await syncFolder(folder);
}

/** Says which filter took most of the cells: that one is the mistake. */
export function noCellLeft(sources: readonly SourceEntry[]): DataError {
  const reasons = [
    ['numCellsWithoutGenes', 'have no gene of the vocabulary', 'choose another --matrix or vocabulary'],
    ['numCellsBelowMinGenes', 'have fewer genes than --min-genes', 'lower --min-genes'],
    ['numCellsBelowMinCounts', 'have a smaller library than --min-counts', 'lower --min-counts'],
    ['numCellsAboveMaxMito', 'have a larger mitochondrial share than --max-mito', 'raise --max-mito'],
    ['numCellsFilteredByObs', 'are ruled out by --keep and --drop', 'keep more'],
  ] as const;
  const total = (key: (typeof reasons)[number][0]): number => sources.reduce((n, source) => n + source[key], 0);
  const [key, words, hint] = reasons.reduce((most, next) => (total(next[0]) > total(most[0]) ? next : most));
  return new DataError({
    file: sources[0]!.file,
    found: `no cell is left: ${thousands(total(key))} of ${thousands(sources.reduce((n, { numCells }) => n + numCells, 0))} ${words}`,
    hint,
  });
}
