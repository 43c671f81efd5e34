import { copyFile, link, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, OutputError } from '../../errors.js';
import { asOutputError, makeFolder, sha256File, writeFileAtomic } from '../../files.js';
import { silentProgress, type Progress } from '../../progress.js';
import { readCodes } from './cell-columns.js';
import { CountLoops, LARGEST_VOCABULARY } from './count-loops.js';
import { checkExpression, finishedSource, noCellLeft, writeManifest } from './finish-corpus.js';
import { encodeGeneTable, readGeneTable } from './gene-table.js';
import { isOurs, removeFiles } from './journal.js';
import { GENES_FILE, SPLITS, type BuildRecord, type CorpusManifest, type ShardEntry } from './manifest.js';
import { readPart, UNREAD_SOURCE, type PartManifest } from './part.js';
import { RowReader } from './row-reader.js';
import { readShardLayout, type ShardLayout } from './shard-layout.js';
import { TRAIN } from './split.js';
import { GeneAccumulator, type GeneSums } from './statistics.js';
import { closeSync, openSync } from 'node:fs';

export interface MergeOptions {
  /** The corpus folder. */
  readonly out: string;
  readonly progress?: Progress | undefined;
}

interface Part extends PartManifest {
  readonly folder: string;
}

/**
 * Joins the parts that ranks have made into the corpus that one process would have made of the same files, to the last byte. Shards are linked
 * where that can be, else copied; each is read once, for its hash and the statistics, which are added up in the order of the shards.
 * @param folders of all parts, in any order
 * @throws DataError for parts that are missing, damaged, of other options, files or versions, or that one process would have built otherwise
 */
export async function mergeCorpus(folders: readonly string[], { out, progress = silentProgress }: MergeOptions): Promise<CorpusManifest> {
  const parts = await readParts(folders);
  const [first] = parts as [Part];
  const records = parts.flatMap((part) => part.records);
  const shards = parts.flatMap(({ manifest }) => manifest.shards);
  const build = commonBuild(parts);
  await prepareFolder(out);
  const { vocabulary } = await readGeneTable(first.folder);
  const total = new GeneAccumulator(vocabulary.size, first.manifest.scale);
  const classes = new ClassCounts(first.manifest);
  const bar = progress.start(
    'Merge parts',
    shards.reduce((sum, { bytes }) => sum + bytes, 0),
    'bytes',
  );
  try {
    let done = 0;
    for (const { folder, manifest } of parts) {
      for (const shard of manifest.shards) {
        const layout = await takeShard(shard, folder, out);
        const splits = codesOf(layout, 'split');
        total.merge(sumsOf(layout, splits, vocabulary.size, first.manifest));
        classes.add(layout, splits);
        bar.update((done += shard.bytes), shard.file);
      }
    }
  } finally {
    bar.stop();
  }
  if (records.some(({ droppedRows }) => droppedRows.length > 0)) classes.refuseSpoilt(out, build);
  const sources = first.manifest.sources.map((source, s) => finishedSource({ ...source, sha256: build.sources[s]!.sha256 }, records, s));
  sources.forEach((source, s) => checkExpression(source, records, s));
  if (shards.length === 0) throw noCellLeft(sources);
  const statistics = total.statistics();
  const genes = await encodeGeneTable(vocabulary, statistics);
  await writeFileAtomic(join(out, GENES_FILE), genes.chunks);
  const sum = (of: (manifest: CorpusManifest) => number): number => parts.reduce((n, { manifest }) => n + of(manifest), 0);
  const merged: CorpusManifest = {
    ...first.manifest,
    numCells: sum(({ numCells }) => numCells),
    numValues: sum(({ numValues }) => numValues),
    splitCells: {
      train: sum(({ splitCells }) => splitCells.train),
      validation: sum(({ splitCells }) => splitCells.validation),
      test: sum(({ splitCells }) => splitCells.test),
    },
    statistics: { ...first.manifest.statistics, numCells: statistics.numCells },
    obs: first.manifest.obs.map((obs, i) => ({ ...obs, numMissing: sum((manifest) => manifest.obs[i]!.numMissing) })),
    sources,
    genes: { bytes: genes.bytes, sha256: await genes.sha256() },
    shards,
    build,
  };
  await writeManifest(out, merged);
  return merged;
}

/** In the order of their ranks, all of them. */
async function readParts(folders: readonly string[]): Promise<Part[]> {
  const parts: Part[] = [];
  for (const folder of folders) {
    const part = await readPart(folder);
    const before = parts.find(({ share }) => share.rank === part.share.rank);
    if (before)
      throw new DataError({ file: folder, found: `part ${part.share.rank}, as is ${before.folder}`, expected: 'each part once', hint: 'leave one out' });
    parts.push({ ...part, folder });
  }
  const [first] = parts;
  if (!first) throw new DataError({ key: 'parts', found: 'none', expected: 'the folders that data build --rank made' });
  for (const { share, folder } of parts) {
    if (share.world !== first.share.world)
      throw new DataError({
        file: folder,
        found: `a part of ${share.world}`,
        expected: `of ${first.share.world}, as ${first.folder}`,
        hint: 'merge parts of one build',
      });
  }
  const missing = Array.from({ length: first.share.world }, (_, rank) => rank).filter((rank) => !parts.some(({ share }) => share.rank === rank));
  if (missing.length > 0)
    throw new DataError({
      file: first.folder,
      found: `${parts.length} of ${first.share.world} parts: no part ${missing.join(', ')}`,
      expected: 'all of them',
      hint: `build what is missing with --rank ${missing[0]} --world ${first.share.world}, and name its folder, too`,
    });
  return parts.sort((a, b) => a.share.rank - b.share.rank);
}

/** @throws DataError for the first part that was built otherwise */
function commonBuild(parts: readonly Part[]): BuildRecord {
  const [first] = parts as [Part];
  const sources = first.manifest.build.sources.map((source, s) => ({
    ...source,
    sha256: parts.map(({ manifest }) => manifest.build.sources[s]?.sha256).find((hash) => hash !== undefined && hash !== UNREAD_SOURCE) ?? UNREAD_SOURCE,
  }));
  const build: BuildRecord = { ...first.manifest.build, sources };
  for (const { folder, manifest } of parts) {
    for (const key of Object.keys(build) as (keyof BuildRecord)[]) {
      const its =
        key === 'sources'
          ? manifest.build.sources.map((source, s) => (source.sha256 === UNREAD_SOURCE ? { ...source, sha256: sources[s]?.sha256 } : source))
          : manifest.build[key];
      if (JSON.stringify(its) === JSON.stringify(build[key])) continue;
      throw new DataError({
        file: folder,
        key,
        found: key === 'sources' ? 'built of other files' : JSON.stringify(its),
        expected: key === 'sources' ? `those of ${first.folder}` : `${JSON.stringify(build[key])}, as in ${first.folder}`,
        hint: 'build all parts of the same files with the same options',
      });
    }
    if (manifest.valueType !== first.manifest.valueType) {
      const narrow = parts.filter((part) => part.manifest.valueType === 'uint16').map(({ share }) => share.rank);
      throw new DataError({
        file: folder,
        key: 'valueType',
        found: manifest.valueType,
        expected: `${first.manifest.valueType}, as in ${first.folder}`,
        hint: `some counts are over 65,535: build part ${narrow.join(', ')} again with --value-type float32`,
      });
    }
  }
  const repeated = sources.findIndex(
    ({ sha256 }, s) => !build.dropDuplicates && sha256 !== UNREAD_SOURCE && sources.findIndex((other) => other.sha256 === sha256) < s,
  );
  if (repeated >= 0)
    throw new DataError({
      file: first.manifest.sources[repeated]!.file,
      found: 'the same file as another source',
      expected: 'each file once',
      hint: 'build the parts again without it',
    });
  return build;
}

/** Ready for shards: what an interrupted merge left is removed. @throws OutputError for a folder with other things in it */
async function prepareFolder(out: string): Promise<void> {
  await makeFolder(out);
  const foreign = (await readdir(out)).find((name) => !isOurs(name));
  if (foreign !== undefined)
    throw new OutputError({ file: out, found: `holds other files (${foreign})`, expected: 'a new or empty folder', hint: 'choose another --out' });
  await removeFiles(out, []);
}

async function takeShard({ file, bytes, sha256 }: ShardEntry, folder: string, out: string): Promise<ShardLayout> {
  const [from, to] = [join(folder, file), join(out, file)];
  const found = await sha256File(from).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError({
      file: from,
      found: cause.code === 'ENOENT' ? 'no such file' : `cannot be read (${cause.code})`,
      expected: `a shard of ${bytes} bytes`,
      hint: 'build this part again',
      cause,
    });
  });
  if (found !== sha256)
    throw new DataError({
      file: from,
      found: `content changed: sha256 ${found.slice(0, 12)}…`,
      expected: `${sha256.slice(0, 12)}…`,
      hint: 'build this part again',
    });
  await link(from, to)
    .catch(() => copyFile(from, to)) // another disk, or one without links
    .catch(async (error: unknown) => {
      await rm(to, { force: true });
      throw asOutputError(to, error);
    });
  return readShardLayout(to);
}

function codesOf(layout: ShardLayout, key: string): Int32Array {
  const fd = openSync(layout.file, 'r');
  try {
    return readCodes(fd, layout, key);
  } finally {
    closeSync(fd);
  }
}

function sumsOf(layout: ShardLayout, splits: Int32Array, vocabularySize: number, { valueType, scale }: CorpusManifest): GeneSums {
  const statistics =
    valueType === 'uint16' && vocabularySize <= LARGEST_VOCABULARY ? new CountLoops(vocabularySize) : new GeneAccumulator(vocabularySize, scale);
  const reader = new RowReader([layout]);
  try {
    for (let row = 0; row < layout.numCells; row++) if (splits[row] === TRAIN) statistics.add(reader.read(row));
  } finally {
    reader.close();
  }
  return statistics.takeSums();
}

/** Cells of each class of the label in each split, to see whether cells that were dropped have spoilt what was promised of the split. */
class ClassCounts {
  private readonly label: { readonly key: string; readonly categories: readonly string[] } | undefined;
  /** [classes + 1][3]; the last: all cells. */
  private readonly cells: number[][];

  constructor({ obs, build }: CorpusManifest) {
    this.label = obs.find(({ key }) => key === build.label);
    this.cells = Array.from({ length: (this.label?.categories.length ?? 0) + 1 }, () => SPLITS.map(() => 0));
  }

  add(layout: ShardLayout, splits: Int32Array): void {
    const codes = this.label && codesOf(layout, this.label.key);
    splits.forEach((split, row) => {
      this.cells.at(-1)![split]!++;
      if (codes && codes[row]! >= 0) this.cells[codes[row]!]![split]!++;
    });
  }

  /** One process would start a second pass that deals the cells anew, knowing which are left. */
  refuseSpoilt(out: string, { fractions, minClassCells }: BuildRecord): void {
    const active = fractions.flatMap((share, split) => (share > 0 ? [split] : []));
    const size = (parts: readonly number[]): number => parts.reduce((a, b) => a + b, 0);
    const lacksPart = (parts: readonly number[]): boolean => size(parts) >= active.length && active.some((split) => parts[split] === 0);
    const spoilt = this.label
      ? this.cells.slice(0, -1).findIndex((parts) => size(parts) < Math.max(2, minClassCells) || lacksPart(parts))
      : lacksPart(this.cells.at(-1)!)
        ? 0
        : -1;
    if (spoilt < 0) return;
    const what = this.label ? `class '${this.label.categories[spoilt]}' with too few` : 'a part of the split without';
    throw new DataError({
      file: out,
      found: `cells that were dropped for their values leave ${what} cells`,
      expected: 'cells dealt without them, which takes a second pass over all files',
      hint: 'build this corpus in one process, or drop those cells by obs with --keep or --drop',
    });
  }
}
