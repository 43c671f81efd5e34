import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../errors.js';
import { ValueScale } from '../loader/config.js';
import { FORMAT_VERSION, SPLITS, type Split } from './format.js';

export { FORMAT_VERSION, SPLITS, type Split };
export const MANIFEST_FILE = 'corpus.json';
export const GENES_FILE = 'genes.arrow';

const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const SourceEntry = z.strictObject({
  file: z.string().describe('as given to the build'),
  sha256,
  matrix: z.string().describe('X, raw/X or layers/<name>'),
  scale: ValueScale.describe('of the values in the file; those of the corpus may have been converted'),
  numCells: count,
  numCellsKept: count,
  numCellsFilteredByObs: count.describe('left out: --keep or --drop'),
  numCellsDuplicate: count.describe('left out: the same values as a cell before it'),
  numCellsWithoutGenes: count.describe('dropped: no gene of the vocabulary'),
  numCellsBelowMinGenes: count.describe('dropped: fewer genes than --min-genes'),
  numCellsBelowMinCounts: count.describe('dropped: a smaller library than --min-counts'),
  numCellsAboveMaxMito: count.describe('dropped: a larger mitochondrial share than --max-mito'),
  numGenes: count.describe('columns of the matrix'),
  numGenesMatched: count.describe('columns whose gene is in the vocabulary'),
  numGenesMerged: count.describe('columns added into another column of the same gene'),
  numGenesRenamed: count.describe('columns matched only through the gene table: aliases, outdated symbols'),
  expressionCoverage: z.number().min(0).max(1).describe('share of the summed values that lies in matched columns'),
  expressionCoverageAsNamed: z.number().min(0).max(1).describe('the same without the gene table'),
});
export type SourceEntry = z.infer<typeof SourceEntry>;

export const ObsEntry = z.strictObject({
  key: z.string(),
  categories: z.array(z.string()),
  numMissing: count,
});

export const ShardEntry = z.strictObject({ file: z.string(), numCells: count, numValues: count, bytes: count, sha256 });
export type ShardEntry = z.infer<typeof ShardEntry>;

const ObsValues = z.record(z.string(), z.array(z.string()));

/** Every choice that decides what a corpus holds. Two builds with equal records, sources included, write the same bytes. */
export const BuildRecord = z.strictObject({
  version: z.literal(FORMAT_VERSION),
  sources: z.array(z.strictObject({ sha256, matrix: z.string(), scale: ValueScale })),
  scale: ValueScale.describe('of the values as stored'),
  vocabularyHash: sha256,
  geneTableHash: sha256.nullable(),
  orthologsHash: sha256.nullable().default(null).describe('table that cells of another species were translated with'),
  obsKeys: z.array(z.string()),
  label: z.string().nullable().describe('obs field the split is stratified by'),
  minClassCells: count.describe('cells of smaller classes are kept without a label'),
  unlabelled: z.array(z.string()).default([]).describe('classes of the label whose name means that a cell has none'),
  fractions: z.tuple([z.number(), z.number(), z.number()]).describe('train, validation, test'),
  splitBy: z.string().nullable().describe('obs field whose groups stay together, or that names the split'),
  seed: count,
  minGenes: count.describe('cells with fewer genes of the vocabulary are dropped'),
  minCounts: z.number().nonnegative().describe('cells with a smaller library are dropped'),
  maxMitoShare: z.number().min(0).max(1).describe('cells with a larger share of mitochondrial expression are dropped'),
  keep: ObsValues.describe('only cells with these values of these obs fields'),
  drop: ObsValues.describe('no cells with any of these values'),
  dropDuplicates: z.boolean(),
  shardCells: count,
});
export type BuildRecord = z.infer<typeof BuildRecord>;
/** A build record before the sources are hashed. */
export type BuildChoices = Omit<BuildRecord, 'sources'>;

/** corpus.json. Says nothing of the machine or the hour: the same input and options give the same bytes. */
export const CorpusManifest = z.strictObject({
  format: z.literal('scdiva-corpus'),
  version: z.literal(FORMAT_VERSION),
  numCells: count,
  numGenes: count.describe('genes of the vocabulary, special ids not counted'),
  numValues: count.describe('stored non-zero values'),
  vocabularyHash: sha256,
  scale: ValueScale,
  valueType: z.enum(['uint16', 'float32']),
  splitCells: z.strictObject({ train: count, validation: count, test: count }),
  unlabelledClasses: z.record(z.string(), count).describe('classes below minClassCells, or named as no label, and how many cells they had'),
  statistics: z.strictObject({ split: z.literal('train'), numCells: count, targetSum: z.number(), pseudoCells: z.number() }),
  obs: z.array(ObsEntry),
  sources: z.array(SourceEntry),
  genes: z.strictObject({ bytes: count, sha256 }),
  shards: z.array(ShardEntry),
  build: BuildRecord,
});
export type CorpusManifest = z.infer<typeof CorpusManifest>;

/** @throws DataError where the folder is no corpus, an unfinished one, or of another format version */
export async function readManifest(path: string): Promise<{ manifest: CorpusManifest; text: string }> {
  const file = join(path, MANIFEST_FILE);
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT')
      throw new DataError({
        file: path,
        found: `no ${MANIFEST_FILE}: not a corpus, or its build did not finish`,
        hint: 'make it with scdiva data build, which continues an unfinished one',
        cause,
      });
    throw new DataError({
      file,
      found: cause.code === 'ENOTDIR' ? 'not a corpus folder' : `cannot be read (${cause.code})`,
      hint: 'name the folder that scdiva data build wrote',
      cause,
    });
  });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new DataError({ file, found: 'not JSON', hint: 'build the corpus again', cause });
  }
  const version = (raw as { version?: unknown } | null)?.version;
  if (typeof version === 'number' && version !== FORMAT_VERSION) {
    throw new DataError({
      file,
      key: 'version',
      found: String(version),
      expected: String(FORMAT_VERSION),
      hint: 'build the corpus again with this version of scdiva',
    });
  }
  const parsed = CorpusManifest.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DataError({ file, key: issue?.path.join('.'), found: issue?.message ?? 'not a corpus manifest', hint: 'build the corpus again' });
  }
  return { manifest: parsed.data, text };
}
