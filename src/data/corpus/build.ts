import { resolve } from 'node:path';
import { ConfigError, DataError } from '../../errors.js';
import { makeFolder } from '../../files.js';
import type { Progress } from '../../progress.js';
import { vocabularyFromGenes } from '../genes/build-vocabulary.js';
import type { GeneTable } from '../genes/gene-table.js';
import { checkCoverage, geneMapper, type GeneMapping } from '../genes/mapping.js';
import { withOrthologs, type OrthologTable } from '../genes/orthologs.js';
import type { Vocabulary } from '../genes/vocabulary.js';
import { chooseMatrix, type ChosenMatrix } from '../inspect/choose-matrix.js';
import type { ValueScale } from '../loader/config.js';
import { valueScale } from '../loader/value-scale.js';
import type { CellFile, CellMatrix, CsrStorage, GeneNames } from '../readers/reader.js';
import { CellFilter, ruledOutByObs, type ObsValues } from './cell-filter.js';
import { needsConversion, type ConversionTarget } from './convert-values.js';
import { commonScale, convertedScale, refuseForeignNames, refuseMissing, refuseRepeats } from './build-checks.js';
import { removeUnfinished, sameBuild, sameShare, stateOf } from './build-folder.js';
import { buildThreads } from './build-threads.js';
import { findDuplicates } from './duplicates.js';
import { FilePool } from './file-pool.js';
import { removeFiles } from './journal.js';
import { FORMAT_VERSION, GENES_FILE, type BuildChoices, type BuildRecord, type CorpusManifest } from './manifest.js';
import { joinObs, labelLikeKeys, refuseReserved, refuseUnknownNames } from './obs-columns.js';
import { checkShare, shardsOf, UNREAD_SOURCE, type Share } from './part.js';
import { SourceHashes } from './source-hashes.js';
import { rowsInPlace } from './stored-counts.js';
import type { Fractions } from './split.js';
import { LEFT_OUT_AS_DUPLICATE, NOT_LEFT_OUT, writeCorpus, type CorpusSource } from './write-corpus.js';

export interface BuildOptions {
  /** The corpus folder. */
  readonly out: string;
  /** X, raw/X or layers/<name> in every file; default: the matrix that `scdiva data inspect` names. */
  readonly matrix?: string | undefined;
  /** What the user says the values are, where they cannot be told from the numbers. */
  readonly valueKind?: ValueScale['kind'] | undefined;
  /** Default: the genes of the files themselves. */
  readonly vocabulary?: Vocabulary | undefined;
  /** Every name a gene goes by: joins files of symbols, outdated symbols and Ensembl ids. */
  readonly geneTable?: GeneTable | undefined;
  /** Human orthologs of another species: files of its cells become files of human genes. */
  readonly orthologs?: OrthologTable | undefined;
  /** Brings the values of every file to this kind; default: files must hold one kind, which is kept as it is. */
  readonly convert?: ConversionTarget | undefined;
  /** Obs fields to keep; default: all that look like labels. The label is always kept. */
  readonly obsKeys?: readonly string[] | undefined;
  /** Obs field the split is stratified by. */
  readonly label?: string | undefined;
  /** Smaller classes lose their label; default 1: none does. */
  readonly minClassCells?: number | undefined;
  /** Classes of the label that are none: `unknown`, `Unassigned`. Their cells are kept without a label. */
  readonly unlabelled?: readonly string[] | undefined;
  /** Default 0.8, 0.1, 0.1. */
  readonly fractions?: Fractions | undefined;
  /** Obs field whose groups are not torn apart, or that says train, validation, test. */
  readonly splitBy?: string | undefined;
  readonly seed?: number | undefined;
  /** Cells with fewer genes of the vocabulary are dropped; default 1. */
  readonly minGenes?: number | undefined;
  /** Cells with a smaller library size are dropped; needs counts. */
  readonly minCounts?: number | undefined;
  /** Cells with a larger share of mitochondrial expression are dropped; default 1: none is. */
  readonly maxMitoShare?: number | undefined;
  /** Only cells with one of these values in each of these obs fields. */
  readonly keep?: ObsValues | undefined;
  /** No cell with any of these values. */
  readonly drop?: ObsValues | undefined;
  /** Of cells with the same values only the first is kept, in the order of the files. Reads the files twice. */
  readonly dropDuplicates?: boolean | undefined;
  /** Source rows a shard; default 8,192. */
  readonly shardCells?: number | undefined;
  /** Threads that read and write, 0: this one does. Default: one for each processor, none for a small build. The bytes written are the same. */
  readonly numWorkers?: number | undefined;
  /** Bytes the build may hold, about: takes threads away until it fits. Default: no limit but what the threads need. */
  readonly memoryBytes?: number | undefined;
  /** Makes only one share of the shards, in a folder that mergeCorpus joins with those of the other ranks. */
  readonly share?: Share | undefined;
  /** float32: counts are stored as floats from the start, for parts of a corpus that holds counts over 65,535 elsewhere. */
  readonly valueType?: 'float32' | undefined;
  /** Default true: the corpus is on the disk when the build ends. false leaves flushing to the operating system. */
  readonly sync?: boolean | undefined;
  /** Hears what became of the genes of each file, before any cell is read. */
  readonly onGenes?: ((found: FileGenes) => void) | undefined;
  /** Hears what is to be said about each file: what of it was left out, what in it is unlike the rest. */
  readonly onNotes?: ((file: string, notes: readonly string[]) => void) | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The genes of one file and what they are in the corpus. */
export interface FileGenes {
  readonly file: string;
  readonly genes: GeneNames;
  readonly mapping: GeneMapping;
  readonly vocabulary: Vocabulary;
}

/**
 * Makes a corpus folder from files of cells. Continues an interrupted build of the same files and options, returns at once
 * when that corpus is already there, and leaves nothing behind when the input turns out to be wrong.
 * @throws DataError for files, genes, values or labels that cannot be used, and for a folder that holds another corpus;
 *   OutputError where the folder cannot be written; InterruptedError after `signal`
 */
export async function buildCorpus(files: readonly string[], options: BuildOptions): Promise<CorpusManifest> {
  if (files.length === 0) throw new ConfigError({ key: 'files', found: 'none', expected: 'at least one file of cells' });
  const { obsKeys, label, splitBy, keep = {}, drop = {} } = options;
  const asked = [...(obsKeys ?? []), label, splitBy, ...Object.keys(keep), ...Object.keys(drop)].filter((key) => key !== undefined);
  const pool = new FilePool();
  const hashes = new SourceHashes();
  try {
    // A process that makes a share of the shards reads some of the files alone: which, their tables of contents tell.
    if (!options.share) for (const path of files) void hashes.of(path);
    const judged: JudgedFile[] = [];
    for (const path of files) judged.push(await judgeFile(await pool.open(path, { keys: new Set(asked), labels: obsKeys === undefined }), options));
    return await buildFromJudged(judged, options, hashes, () => pool.rest());
  } finally {
    await hashes.close();
    await pool.close();
  }
}

/** As buildCorpus, from open files; the caller closes them. */
export async function buildFrom(files: readonly CellFile[], options: BuildOptions): Promise<CorpusManifest> {
  const hashes = new SourceHashes();
  try {
    const judged: JudgedFile[] = [];
    for (const file of files) judged.push(await judgeFile(file, options));
    return await buildFromJudged(judged, options, hashes);
  } finally {
    await hashes.close();
  }
}

/** A file and which of its matrices is read. */
interface JudgedFile {
  readonly file: CellFile;
  readonly chosen: ChosenMatrix;
  readonly matrix: CellMatrix;
  readonly storage: CsrStorage | undefined;
}

/** Looks at all that has to be read of a file before its rows: it may be closed afterwards. @throws DataError as chooseMatrix */
async function judgeFile(given: CellFile, { orthologs, matrix: asked, valueKind }: BuildOptions): Promise<JudgedFile> {
  const file = orthologs ? withOrthologs(given, orthologs) : given;
  const chosen = await chooseMatrix(file, { ...(asked !== undefined && { matrix: asked }), ...(valueKind !== undefined && { valueKind }) });
  const matrix = file.matrix(chosen.key);
  return { file, chosen, matrix, storage: await matrix.storedRows?.() };
}

/** @param rest called once no row is read here any more: by other threads, or by no reader */
async function buildFromJudged(
  judged: readonly JudgedFile[],
  options: BuildOptions,
  hashes: SourceHashes,
  rest?: () => Promise<void>,
): Promise<CorpusManifest> {
  const { out } = options;
  const files = judged.map(({ file }) => file);
  const chosen = judged.map((each) => each.chosen);
  const matrices = judged.map(({ matrix }) => matrix);
  const existing = await stateOf(out);
  const share = options.share && checkShare(options.share);
  refuseRepeats(
    files.map(({ path }) => resolve(path)),
    files,
  );
  const fileScales = chosen.map(valueScale);
  const scale = options.convert === undefined ? commonScale(files, chosen, fileScales) : convertedScale(files, chosen, fileScales, options.convert);
  const { geneTable } = options;
  const vocabulary =
    options.vocabulary ??
    vocabularyFromGenes(
      matrices.map(({ genes }) => genes),
      geneTable,
    );
  const map = geneMapper(vocabulary, geneTable);
  const mappings = matrices.map(({ genes }, i) => {
    const mapping = map(genes);
    checkCoverage(mapping, genes, vocabulary, files[i]!.path);
    options.onGenes?.({ file: files[i]!.path, genes, mapping, vocabulary });
    return mapping;
  });
  if (!options.vocabulary)
    refuseForeignNames(
      files,
      matrices.map(({ genes }) => genes),
      mappings,
      geneTable,
    );
  const obsKeys = [...new Set([...(options.obsKeys ?? labelLikeKeys(files)), ...(options.label === undefined ? [] : [options.label])])];
  obsKeys.forEach(refuseReserved);
  const obs = obsKeys.map((key) => joinObs(files, key, options.obsKeys?.includes(key) === true || key === options.label));
  refuseUnknownNames(
    options.unlabelled ?? [],
    obs.find(({ key }) => key === options.label),
  );
  const splitBy = options.splitBy === undefined ? undefined : joinObs(files, options.splitBy, true);
  const { keep = {}, drop = {} } = options;
  const filterKeys = [...new Set([...Object.keys(keep), ...Object.keys(drop)])];
  const numRows = matrices.reduce((n, { numCells }) => n + numCells, 0);
  const leftOut = ruledOutByObs(
    numRows,
    filterKeys.map((key) => joinObs(files, key, true)),
    keep,
    drop,
  );
  if (splitBy) refuseMissing(splitBy, files, leftOut);
  const sources = files.map((file, i): CorpusSource => {
    const from = fileScales[i]!;
    return {
      file,
      matrix: matrices[i]!,
      storage: judged[i]!.storage,
      ...mappings[i]!,
      scale: from,
      cellTotal: chosen[i]!.cellTotal,
      ...(options.convert !== undefined && needsConversion(from, scale, chosen[i]!.cellTotal) && { conversion: { from, to: scale } }),
    };
  });
  const build: BuildChoices = {
    version: FORMAT_VERSION,
    scale,
    vocabularyHash: vocabulary.hash,
    geneTableHash: geneTable?.hash ?? null,
    orthologsHash: options.orthologs?.hash ?? null,
    obsKeys,
    label: options.label ?? null,
    minClassCells: options.minClassCells ?? 1,
    unlabelled: [...(options.unlabelled ?? [])],
    fractions: normalised(options.fractions ?? [0.8, 0.1, 0.1]),
    splitBy: options.splitBy ?? null,
    seed: options.seed ?? 0,
    minGenes: options.minGenes ?? 1,
    minCounts: options.minCounts ?? 0,
    maxMitoShare: options.maxMitoShare ?? 1,
    keep: copied(keep),
    drop: copied(drop),
    dropDuplicates: options.dropDuplicates ?? false,
    shardCells: options.shardCells ?? 8192,
  };
  for (const { scale: from, file, matrix } of sources) new CellFilter(build, from, file, matrix); // refuses what it cannot answer before anything is read
  // A new build does not wait for the hashes.
  const isRead = sourcesRead(
    matrices.map(({ numCells }) => numCells),
    build.shardCells,
    share,
  );
  const record = Promise.all(files.map(({ path }, i) => (isRead[i] ? hashes.of(path) : UNREAD_SOURCE))).then((hashes): BuildRecord => {
    if (!build.dropDuplicates)
      refuseRepeats(
        hashes.map((hash, i) => (isRead[i] ? hash : files[i]!.path)),
        files,
      );
    return { ...build, sources: sources.map(({ matrix, scale: from }, i) => ({ sha256: hashes[i]!, matrix: matrix.key, scale: from })) };
  });
  record.catch(() => {}); // reported where it is awaited
  if (existing.kind !== 'free') sameShare(out, existing.share, share);
  if (existing.kind === 'finished') {
    const manifest = sameBuild(out, existing.manifest.build, await record, existing.manifest);
    // A build that was killed right after it wrote the manifest left its journal.
    await removeFiles(out, [GENES_FILE, ...manifest.shards.map(({ file }) => file)]);
    return manifest;
  }
  const earlier =
    existing.kind === 'unfinished'
      ? sameBuild(out, existing.header.build, await record, { knowledge: existing.header.knowledge, records: existing.records })
      : undefined;
  if (build.dropDuplicates) {
    const duplicates = await findDuplicates(sources, vocabulary, {
      isLeftOut: (row) => leftOut[row] !== NOT_LEFT_OUT,
      progress: options.progress,
      signal: options.signal,
    });
    for (const row of duplicates) leftOut[row] = LEFT_OUT_AS_DUPLICATE;
  }
  for (const { path, notes } of files) if (notes.length > 0) options.onNotes?.(path, notes);
  const isInPlace = sources.every((source) => rowsInPlace(source) !== undefined);
  const numThreads = await buildThreads(matrices, {
    vocabularySize: vocabulary.size,
    shardCells: build.shardCells,
    asked: options.numWorkers,
    memoryBytes: options.memoryBytes,
    isInPlace,
  });
  if (numThreads > 0 || isInPlace) await rest?.();
  await makeFolder(out);
  try {
    return await writeCorpus(
      {
        folder: out,
        build,
        record,
        numThreads,
        sync: options.sync ?? true,
        share,
        valueType: options.valueType,
        sources,
        vocabulary,
        scale,
        obs,
        splitBy,
        leftOut,
        progress: options.progress,
        signal: options.signal,
      },
      earlier,
    );
  } catch (error) {
    // Wrong input: there is nothing to continue. After an interruption or a full disk there is.
    if (error instanceof DataError) await removeUnfinished(out);
    throw error;
  }
}

/** Which files rows of this process's shards are from. */
function sourcesRead(numCells: readonly number[], shardCells: number, share: Share | undefined): boolean[] {
  const numRows = numCells.reduce((a, b) => a + b, 0);
  const [first, end] = share ? shardsOf(share, Math.ceil(numRows / shardCells)) : [0, Infinity];
  let row = 0;
  return numCells.map((n) => (row += n) > first * shardCells && row - n < end * shardCells);
}

function copied(values: ObsValues): Record<string, string[]> {
  return Object.fromEntries(Object.entries(values).map(([key, wanted]) => [key, [...wanted]]));
}

/** @throws ConfigError for shares that are negative or do not sum to 1 */
function normalised(fractions: Fractions): [number, number, number] {
  const [train, validation, test] = fractions;
  const isValid = fractions.every((share) => share >= 0 && share <= 1) && Math.abs(train + validation + test - 1) < 1e-6 && train > 0;
  if (!isValid)
    throw new ConfigError({ key: '--split', found: fractions.join('/'), expected: 'shares of train, validation and test that sum to 1, such as 0.8/0.1/0.1' });
  return [train, validation, test];
}
