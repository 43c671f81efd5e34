import { readdir, rm } from 'node:fs/promises';
import { ConfigError, DataError, OutputError } from '../../errors.js';
import { asOutputError, makeFolder, sha256File } from '../../files.js';
import type { Progress } from '../../progress.js';
import { vocabularyFromGenes } from '../genes/build-vocabulary.js';
import { checkCoverage, mapGenes } from '../genes/mapping.js';
import type { Vocabulary } from '../genes/vocabulary.js';
import { chooseMatrix, type ChosenMatrix } from '../inspect/choose-matrix.js';
import type { ValueScale } from '../loader/config.js';
import { valueScale } from '../loader/value-scale.js';
import { openCellFile } from '../readers/open.js';
import type { CellFile } from '../readers/reader.js';
import { isOurs, readJournal, removeFiles } from './journal.js';
import { FORMAT_VERSION, MANIFEST_FILE, readManifest, type BuildRecord, type CorpusManifest } from './manifest.js';
import { joinObs, labelLikeKeys } from './obs-columns.js';
import type { Fractions } from './split.js';
import { writeCorpus, type CorpusSource } from './write-corpus.js';

export interface BuildOptions {
  /** The corpus folder. */
  readonly out: string;
  /** X, raw/X or layers/<name> in every file; default: the matrix that `scdiva data inspect` names. */
  readonly matrix?: string | undefined;
  /** What the user says the values are, where they cannot be told from the numbers. */
  readonly valueKind?: ValueScale['kind'] | undefined;
  /** Default: the genes of the files themselves. */
  readonly vocabulary?: Vocabulary | undefined;
  /** Obs fields to keep; default: all that look like labels. The label is always kept. */
  readonly obsKeys?: readonly string[] | undefined;
  /** Obs field the split is stratified by. */
  readonly label?: string | undefined;
  /** Smaller classes lose their label; default 1: none does. */
  readonly minClassCells?: number | undefined;
  /** Default 0.8, 0.1, 0.1. */
  readonly fractions?: Fractions | undefined;
  /** Obs field whose groups are not torn apart, or that says train, validation, test. */
  readonly splitBy?: string | undefined;
  readonly seed?: number | undefined;
  /** Cells with fewer genes of the vocabulary are dropped; default 1. */
  readonly minGenes?: number | undefined;
  /** Source rows a shard; default 8,192. */
  readonly shardCells?: number | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a corpus folder from files of cells. Continues an interrupted build of the same files and options, returns at once
 * when that corpus is already there, and leaves nothing behind when the input turns out to be wrong.
 * @throws DataError for files, genes, values or labels that cannot be used, and for a folder that holds another corpus;
 *   OutputError where the folder cannot be written; InterruptedError after `signal`
 */
export async function buildCorpus(files: readonly string[], options: BuildOptions): Promise<CorpusManifest> {
  if (files.length === 0) throw new ConfigError({ key: 'files', found: 'none', expected: 'at least one .h5ad or .h5' });
  const opened: CellFile[] = [];
  try {
    for (const path of files) opened.push(await openCellFile(path));
    return await buildFrom(opened, options);
  } finally {
    for (const file of opened) file.close();
  }
}

/** As buildCorpus, from open files; the caller closes them. */
export async function buildFrom(files: readonly CellFile[], options: BuildOptions): Promise<CorpusManifest> {
  const { out } = options;
  const existing = await stateOf(out);
  const chosen: ChosenMatrix[] = [];
  for (const file of files) chosen.push(await chooseMatrix(file, { ...(options.matrix !== undefined && { matrix: options.matrix }), ...(options.valueKind !== undefined && { valueKind: options.valueKind }) }));
  const scale = commonScale(files, chosen);
  const matrices = files.map((file, i) => file.matrix(chosen[i]!.key));
  const vocabulary = options.vocabulary ?? vocabularyFromGenes(matrices.map(({ genes }) => genes));
  const mappings = matrices.map(({ genes }, i) => {
    const mapping = mapGenes(genes, vocabulary);
    checkCoverage(mapping, genes, vocabulary, files[i]!.path);
    return mapping;
  });
  const obsKeys = [...new Set([...(options.obsKeys ?? labelLikeKeys(files)), ...(options.label === undefined ? [] : [options.label])])];
  const obs = obsKeys.map((key) => joinObs(files, key, options.obsKeys?.includes(key) === true || key === options.label));
  const splitBy = options.splitBy === undefined ? undefined : joinObs(files, options.splitBy, true);
  const hashes = await Promise.all(files.map(({ path }) => sha256File(path)));
  const sources = files.map((file, i): CorpusSource => ({ file, matrix: matrices[i]!, sha256: hashes[i]!, ...mappings[i]! }));
  const build: BuildRecord = {
    version: FORMAT_VERSION,
    sources: sources.map(({ sha256, matrix }) => ({ sha256, matrix: matrix.key })),
    vocabularyHash: vocabulary.hash,
    obsKeys,
    label: options.label ?? null,
    minClassCells: options.minClassCells ?? 1,
    fractions: normalised(options.fractions ?? [0.8, 0.1, 0.1]),
    splitBy: options.splitBy ?? null,
    seed: options.seed ?? 0,
    minGenes: options.minGenes ?? 1,
    shardCells: options.shardCells ?? 8192,
  };
  if (existing.kind === 'finished') return sameBuild(out, existing.manifest.build, build, existing.manifest);
  const earlier = existing.kind === 'unfinished' ? sameBuild(out, existing.header.build, build, { knowledge: existing.header.knowledge, records: existing.records }) : undefined;
  await makeFolder(out);
  try {
    return await writeCorpus({ folder: out, build, sources, vocabulary, scale, obs, splitBy, progress: options.progress, signal: options.signal }, earlier);
  } catch (error) {
    // Wrong input: there is nothing to continue. After an interruption or a full disk there is.
    if (error instanceof DataError) await removeUnfinished(out);
    throw error;
  }
}

type FolderState =
  | { readonly kind: 'free' }
  | { readonly kind: 'finished'; readonly manifest: CorpusManifest }
  | ({ readonly kind: 'unfinished' } & NonNullable<Awaited<ReturnType<typeof readJournal>>>);

/** @throws OutputError for a folder with other things in it: a corpus does not mix with them */
async function stateOf(out: string): Promise<FolderState> {
  const names = await readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw asOutputError(out, error);
  });
  if (names.includes(MANIFEST_FILE)) return { kind: 'finished', manifest: (await readManifest(out)).manifest };
  const journal = await readJournal(out);
  if (journal) return { kind: 'unfinished', ...journal };
  const foreign = names.find((name) => !isOurs(name));
  if (foreign !== undefined) throw new OutputError({ file: out, found: `holds other files (${foreign})`, expected: 'a new or empty folder', hint: 'choose another --out' });
  return { kind: 'free' };
}

async function removeUnfinished(out: string): Promise<void> {
  await removeFiles(out, []);
  if ((await readdir(out)).length === 0) await rm(out, { recursive: true });
}

/** @returns `value` where both builds are the same @throws DataError naming what differs */
function sameBuild<T>(out: string, there: BuildRecord, asked: BuildRecord, value: T): T {
  const differing = (Object.keys(asked) as (keyof BuildRecord)[]).filter((key) => JSON.stringify(there[key]) !== JSON.stringify(asked[key]));
  if (differing.length === 0) return value;
  const [key] = differing;
  const show = (record: BuildRecord): string => (key === 'sources' || key === 'vocabularyHash' ? 'another' : JSON.stringify(record[key!]));
  throw new DataError({ file: out, key: differing.join(', '), found: `a corpus built with ${key} ${show(there)}`, expected: key === 'sources' || key === 'vocabularyHash' ? 'the same' : show(asked), hint: 'choose another --out or delete the folder' });
}

/** @throws DataError where the files hold different kinds of values */
function commonScale(files: readonly CellFile[], chosen: readonly ChosenMatrix[]): ValueScale {
  const [first] = chosen;
  const kind = first!.valueKind;
  const other = chosen.findIndex(({ valueKind }) => valueKind !== kind);
  if (other >= 0) {
    throw new DataError({ file: files[other]!.path, key: chosen[other]!.key, found: chosen[other]!.valueKind, expected: `${kind}, as in ${files[0]!.path}`, hint: 'choose --matrix so that all files hold the same kind of values, or build two corpora' });
  }
  const targets = chosen.map((matrix) => valueScale(matrix).targetSum);
  const known = targets.findIndex((target) => target !== undefined);
  const different = targets.findIndex((target) => target !== undefined && target !== targets[known]);
  if (different >= 0) {
    throw new DataError({ file: files[different]!.path, key: chosen[different]!.key, found: `log1p of cells scaled to ${targets[different]}`, expected: `${targets[known]}, as in ${files[known]!.path}`, hint: 'build from counts, or build two corpora' });
  }
  // Where one file does not tell its target sum, the values of all are taken as they are.
  return targets.includes(undefined) ? { kind } : { kind, targetSum: targets[0]! };
}

/** @throws ConfigError for shares that are negative or do not sum to 1 */
function normalised(fractions: Fractions): [number, number, number] {
  const [train, validation, test] = fractions;
  const isValid = fractions.every((share) => share >= 0 && share <= 1) && Math.abs(train + validation + test - 1) < 1e-6 && train > 0;
  if (!isValid) throw new ConfigError({ key: '--split', found: fractions.join('/'), expected: 'shares of train, validation and test that sum to 1, such as 0.8/0.1/0.1' });
  return [train, validation, test];
}
