import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InterruptedError } from '../../errors.js';
import { sha256File, writeFileAtomic } from '../../files.js';
import { silentProgress, type Progress, type ProgressBar } from '../../progress.js';
import { mitochondrialColumns } from '../genes/mitochondrial.js';
import type { Vocabulary } from '../genes/vocabulary.js';
import type { ValueScale } from '../loader/config.js';
import type { CellFile, CellMatrix, CsrStorage, PackedNames } from '../readers/reader.js';
import { joinNames, packNames } from './cell-names.js';
import type { Conversion } from './convert-values.js';
import { encodeGeneTable } from './gene-table.js';
import { finishedSource, checkExpression, noCellLeft, writeManifest } from './finish-corpus.js';
import { Journal, JOURNAL_FILE, removeFiles, type Knowledge, type ShardRecord } from './journal.js';
import { FORMAT_VERSION, GENES_FILE, SPLITS, type BuildChoices, type BuildRecord, type CorpusManifest, type ShardEntry, type SourceEntry } from './manifest.js';
import { dropSmallClasses, refuseSingletons } from './obs-columns.js';
import { shardsOf, writePart, type Share } from './part.js';
import { RowReader } from './row-reader.js';
import { ThreadCrew, type ShardCrew } from './shard-crew.js';
import { readShardLayout } from './shard-layout.js';
import { ShardMaker, type ShardContext, type ShardRequest, type ShardResult, type SourceDescription } from './shard-maker.js';
import type { DictionaryColumn } from './shard-writer.js';
import { assignSplits, isPartEmpty, unrepresentedClass } from './split.js';
import { ENTROPY_PSEUDO_CELLS, GeneAccumulator, STATISTICS_TARGET_SUM } from './statistics.js';

/** One file of a build, opened and judged. */
export interface CorpusSource {
  readonly file: CellFile;
  readonly matrix: CellMatrix;
  /** [numGenes] vocabulary id of each column, -1 = none. */
  readonly vocabularyIds: Int32Array;
  readonly numMatched: number;
  readonly numDistinct: number;
  /** [numGenes] 1 for columns that only the gene table knows; absent where there are none. */
  readonly isRenamed?: Uint8Array | undefined;
  /** Of the values in the file. */
  readonly scale: ValueScale;
  /** Where the rows lie in the file; absent where only the readers can tell. */
  readonly storage?: CsrStorage | undefined;
  /** What every cell of the file sums to (log1p: after exp(v) - 1), as far as the cells looked at show one total. */
  readonly cellTotal?: number | undefined;
  /** From there to the corpus's scale; absent where they are the same. */
  readonly conversion?: Conversion | undefined;
}

/** Why a source row is out before it is read: its obs, or an earlier row of the same values. */
export const [NOT_LEFT_OUT, LEFT_OUT_BY_OBS, LEFT_OUT_AS_DUPLICATE] = [0, 1, 2] as const;

export interface CorpusPlan {
  readonly folder: string;
  readonly build: BuildChoices;
  /** The same with the hashes of the sources, which are read while the work goes on. */
  readonly record: Promise<BuildRecord>;
  readonly sources: readonly CorpusSource[];
  readonly vocabulary: Vocabulary;
  readonly scale: ValueScale;
  /** Obs fields to keep, over all source rows; the label among them. */
  readonly obs: readonly DictionaryColumn[];
  readonly splitBy: DictionaryColumn | undefined;
  /** [source rows] NOT_LEFT_OUT, LEFT_OUT_BY_OBS or LEFT_OUT_AS_DUPLICATE. */
  readonly leftOut: Uint8Array;
  /** Threads that make shards; 0: this one does. */
  readonly numThreads: number;
  readonly sync: boolean;
  /** Which share of the shards to make, where several processes make them. */
  readonly share?: Share | undefined;
  /** Type of the stored values to begin with; default: 16 bits for counts. */
  readonly valueType?: Knowledge['valueType'] | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What an earlier, interrupted run of the same build left. */
export interface EarlierWork {
  readonly knowledge: Knowledge;
  readonly records: readonly ShardRecord[];
}

/**
 * Writes shards, gene table and manifest. The sources are read once: that every count fits into 16 bits and that every cell
 * has genes is assumed, and only where that turns out wrong and matters does a second pass start, knowing better.
 */
export async function writeCorpus(plan: CorpusPlan, earlier: EarlierWork | undefined): Promise<CorpusManifest> {
  let work: EarlierWork = earlier ?? {
    knowledge: { valueType: plan.valueType ?? (plan.scale.kind === 'counts' ? 'uint16' : 'float32'), excludedRows: [] },
    records: [],
  };
  for (;;) {
    const outcome = await new Pass(plan, work).run();
    if ('manifest' in outcome) return outcome.manifest;
    work = { knowledge: outcome.betterKnowledge, records: [] };
  }
}

type Outcome = { readonly manifest: CorpusManifest } | { readonly betterKnowledge: Knowledge };

/** One pass over the sources, from the first shard that is not there yet. */
class Pass {
  private readonly records: ShardRecord[];
  private readonly firstRowOfSource: number[];
  private readonly numRows: number;
  /** Shards [firstShard, endShard) are this process's; records[0] is of the first. */
  private readonly firstShard: number;
  private readonly endShard: number;
  private readonly obs: readonly DictionaryColumn[];
  private readonly label: DictionaryColumn | undefined;
  private readonly unlabelledClasses: Record<string, number>;
  private readonly splits: Int8Array;
  private readonly statistics: GeneAccumulator;
  private readonly knowledge: Knowledge;
  /** Appends to the journal, in order; begins once the sources are hashed. */
  private journalling: Promise<void> = Promise.resolve();

  constructor(
    private readonly plan: CorpusPlan,
    { knowledge, records }: EarlierWork,
  ) {
    const { build, obs, sources, vocabulary, scale } = plan;
    this.knowledge = knowledge;
    this.records = [...records];
    this.firstRowOfSource = [0];
    for (const { matrix } of sources) this.firstRowOfSource.push(this.firstRowOfSource.at(-1)! + matrix.numCells);
    this.numRows = this.firstRowOfSource.at(-1)!;
    const numShards = Math.ceil(this.numRows / build.shardCells);
    [this.firstShard, this.endShard] = plan.share ? shardsOf(plan.share, numShards) : [0, numShards];
    const excluded = new Set(knowledge.excludedRows);
    const isExcluded = (row: number): boolean => plan.leftOut[row] !== NOT_LEFT_OUT || excluded.has(row);
    const whole = obs.find(({ key }) => key === build.label);
    const { label, unlabelledClasses } = whole
      ? dropSmallClasses(whole, build.minClassCells, isExcluded, build.unlabelled)
      : { label: undefined, unlabelledClasses: {} };
    if (label) refuseSingletons(label, isExcluded, sources[0]!.file.path);
    this.label = label;
    this.unlabelledClasses = unlabelledClasses;
    const someLeftOut = plan.leftOut.some((fate) => fate !== NOT_LEFT_OUT);
    this.obs = obs.map((column) => (column === whole ? label! : someLeftOut ? dropSmallClasses(column, 1, isExcluded).label : column));
    this.splits = assignSplits({ numRows: this.numRows, isExcluded, fractions: build.fractions, seed: build.seed, label, by: plan.splitBy });
    this.statistics = new GeneAccumulator(vocabulary.size, scale);
  }

  async run(): Promise<Outcome> {
    const { plan, knowledge } = this;
    await this.keepCompleteShards();
    const kept = [...this.records];
    const opening = plan.record.then((build) => Journal.create(plan.folder, { build, share: plan.share ?? null, knowledge }, kept));
    this.journalling = opening.then(() => {});
    this.journalling.catch(() => {}); // reported where it is awaited
    const bar = (plan.progress ?? silentProgress).start('Build corpus', this.endRow - this.firstRow, 'cells');
    let isTooLarge: boolean;
    try {
      isTooLarge = await this.writeShards(opening, bar);
    } finally {
      bar.stop();
      // What was made is written down whatever ended the work.
      await this.journalling.catch(() => {});
      await opening.then(
        (journal) => journal.close(),
        () => {},
      );
    }
    await this.journalling;
    if (isTooLarge) return { betterKnowledge: { ...knowledge, valueType: 'float32' } };
    if (plan.share) return { manifest: await this.finishPart(await plan.record, plan.share) };
    return this.knowingBetter() ?? { manifest: await this.finish(await plan.record) };
  }

  /** Source rows of this process's shards. */
  private get firstRow(): number {
    return Math.min(this.numRows, this.firstShard * this.plan.build.shardCells);
  }

  private get endRow(): number {
    return Math.min(this.numRows, this.endShard * this.plan.build.shardCells);
  }

  /** Keeps the shards that are whole, from the first on, and adds their cells to the statistics. */
  private async keepCompleteShards(): Promise<void> {
    let complete = 0;
    for (const { shard } of this.records) {
      if (shard) {
        const file = join(this.plan.folder, shard.file);
        const size = await stat(file).then(
          (found) => found.size,
          () => -1,
        );
        if (size !== shard.bytes || (await sha256File(file)) !== shard.sha256) break;
        const reader = new RowReader([readShardLayout(file)]);
        this.addStatistics(shard.numCells, this.keptRows(this.firstShard + complete, this.records[complete]!), (i) => reader.read(i));
        reader.close();
      }
      complete++;
    }
    this.records.length = complete;
    await removeFiles(this.plan.folder, [JOURNAL_FILE, ...this.records.flatMap(({ shard }) => shard?.file ?? [])]);
  }

  /** Source rows of the cells of a finished shard. */
  private keptRows(index: number, { droppedRows }: ShardRecord): Int32Array {
    const dropped = new Set(droppedRows);
    const { shardCells } = this.plan.build;
    const first = index * shardCells;
    return Int32Array.from({ length: Math.min(shardCells, this.numRows - first) }, (_, i) => first + i).filter(
      (row) => this.plan.leftOut[row] === NOT_LEFT_OUT && !dropped.has(row),
    );
  }

  private addStatistics(numCells: number, rows: Int32Array, read: (i: number) => Parameters<GeneAccumulator['add']>[0]): void {
    const ofShard = new GeneAccumulator(this.plan.vocabulary.size, this.plan.scale);
    for (let i = 0; i < numCells; i++) if (SPLITS[this.splits[rows[i]!]!] === 'train') ofShard.add(read(i));
    this.statistics.merge(ofShard);
  }

  /** Has the missing shards made, several at a time, and takes them in order. @returns whether a count was too large for its type */
  private async writeShards(opening: Promise<Journal>, bar: ProgressBar): Promise<boolean> {
    const { build, signal, folder } = this.plan;
    const { firstShard, endShard } = this;
    const numShards = endShard - firstShard;
    let numRead = this.records.length * build.shardCells;
    const written = (): string => `${Math.round(this.records.reduce((sum, { shard }) => sum + (shard?.bytes ?? 0), 0) / 1e6)} MB written`;
    bar.update(numRead, written());
    const crew = await this.crew(numShards - this.records.length, (numRows) => bar.update((numRead += numRows), written()));
    const underWay: Promise<ShardResult>[] = [];
    try {
      for (let next = firstShard + this.records.length; this.records.length < numShards;) {
        for (; next < endShard && underWay.length < crew.width; next++) {
          const made = crew.make(this.request(next));
          made.catch(() => {}); // reported where it is awaited
          underWay.push(made);
        }
        const result = await underWay.shift()!;
        if ('isTooLarge' in result) return true;
        this.statistics.merge(result.statistics);
        this.records.push(result.record);
        this.journalling = this.journalling.then(async () => (await opening).append(result.record));
        this.journalling.catch(() => {}); // reported where it is awaited
        if (signal?.aborted && this.records.length < numShards) {
          throw new InterruptedError({
            file: folder,
            found: `interrupted after ${this.records.length * build.shardCells} of ${this.endRow - this.firstRow} cells`,
            hint: 'the same command continues from there',
          });
        }
      }
      return false;
    } finally {
      await crew.close();
      await Promise.allSettled(underWay);
    }
  }

  private async crew(numShards: number, onRows: (numRows: number) => void): Promise<ShardCrew> {
    const { plan, knowledge } = this;
    const context: ShardContext = {
      folder: plan.folder,
      shardCells: plan.build.shardCells,
      filters: plan.build,
      scale: plan.scale,
      valueType: knowledge.valueType,
      vocabularySize: plan.vocabulary.size,
      sync: plan.sync,
      sources: plan.sources.map((source) => describeSource(source, plan.build)),
      obs: this.obs.map(({ key, categories }) => ({ key, categories })),
    };
    const numThreads = Math.min(plan.numThreads, numShards);
    if (numThreads > 0) return new ThreadCrew(context, numThreads, onRows);
    const maker = new ShardMaker(context, { open: async (s) => plan.sources[s]!, isSequential: true, onRows });
    return { width: 2, make: (request) => maker.make(request), close: async () => maker.close() };
  }

  private request(index: number): ShardRequest {
    const { build, leftOut, sources } = this.plan;
    const first = index * build.shardCells;
    const end = Math.min(this.numRows, first + build.shardCells);
    const names: PackedNames[] = [];
    sources.forEach(({ file }, s) => {
      const offset = this.firstRowOfSource[s]!;
      const [from, to] = [Math.max(0, first - offset), Math.min(file.numCells, end - offset)];
      if (from < to) names.push(file.packedCellIds?.(from, to) ?? packNames(file.cellIds.slice(from, to)));
    });
    return {
      index,
      cellIds: joinNames(names),
      isLeftOut: leftOut.slice(first, end).map((fate) => (fate === NOT_LEFT_OUT ? 0 : 1)),
      splits: this.splits.slice(first, end),
      codes: this.obs.map(({ codes }) => codes.slice(first, end)),
    };
  }

  /** Whether the cells that were dropped on the way spoil what was promised of the split. */
  private knowingBetter(): Outcome | undefined {
    const { plan, label, splits, knowledge } = this;
    const droppedRows = this.records.flatMap((record) => record.droppedRows);
    if (droppedRows.length === knowledge.excludedRows.length) return undefined;
    const dropped = new Set(droppedRows);
    const isDropped = (row: number): boolean => plan.leftOut[row] !== NOT_LEFT_OUT || dropped.has(row);
    const isSpoilt = label
      ? dropSmallClasses(label, Math.max(2, plan.build.minClassCells), isDropped).label.categories.length < label.categories.length ||
        unrepresentedClass(label, splits, isDropped, plan.build.fractions) !== undefined
      : isPartEmpty(splits, isDropped, plan.build.fractions);
    return isSpoilt ? { betterKnowledge: { ...knowledge, excludedRows: droppedRows } } : undefined;
  }

  private async finish(build: BuildRecord): Promise<CorpusManifest> {
    const manifest = await this.manifest(build);
    manifest.sources.forEach((source, s) => checkExpression(source, this.records, s));
    if (manifest.shards.length === 0) throw noCellLeft(manifest.sources);
    await writeManifest(this.plan.folder, manifest);
    return manifest;
  }

  /** What `scdiva data merge` needs of this process's share. */
  private async finishPart(build: BuildRecord, share: Share): Promise<CorpusManifest> {
    const manifest = await this.manifest(build);
    await writePart(this.plan.folder, {
      share,
      numShards: Math.ceil(this.numRows / build.shardCells),
      firstShard: this.firstShard,
      endShard: this.endShard,
      manifest,
      records: this.records,
    });
    return manifest;
  }

  private async manifest(build: BuildRecord): Promise<CorpusManifest> {
    const { folder, vocabulary, scale } = this.plan;
    const shards = this.records.flatMap(({ shard }) => shard ?? []);
    const sources = this.plan.sources.map((source, s) => this.sourceEntry(source, build.sources[s]!.sha256, s));
    const sum = (of: (shard: ShardEntry) => number): number => shards.reduce((total, shard) => total + of(shard), 0);
    const dropped = new Set(this.records.flatMap(({ droppedRows }) => droppedRows));
    const isInCorpus = (row: number): boolean => row >= this.firstRow && row < this.endRow && this.plan.leftOut[row] === NOT_LEFT_OUT && !dropped.has(row);
    const splitCells = { train: 0, validation: 0, test: 0 };
    this.splits.forEach((split, row) => void (isInCorpus(row) && splitCells[SPLITS[split]!]++));
    const statistics = this.statistics.statistics();
    const genes = await encodeGeneTable(vocabulary, statistics);
    await writeFileAtomic(join(folder, GENES_FILE), genes.chunks);
    return {
      format: 'scdiva-corpus',
      version: FORMAT_VERSION,
      numCells: sum(({ numCells }) => numCells),
      numGenes: vocabulary.genes.length,
      numValues: sum(({ numValues }) => numValues),
      vocabularyHash: vocabulary.hash,
      scale,
      valueType: this.knowledge.valueType,
      splitCells,
      unlabelledClasses: this.unlabelledClasses,
      statistics: { split: 'train', numCells: statistics.numCells, targetSum: STATISTICS_TARGET_SUM, pseudoCells: ENTROPY_PSEUDO_CELLS },
      obs: this.obs.map(({ key, categories, codes }) => ({
        key,
        categories: [...categories],
        numMissing: numWhere(codes, (code, row) => code < 0 && isInCorpus(row)),
      })),
      sources,
      genes: { bytes: genes.bytes, sha256: await genes.sha256() },
      shards,
      build,
    };
  }

  private sourceEntry({ file, matrix, numMatched, numDistinct, isRenamed, scale }: CorpusSource, sha256: string, s: number): SourceEntry {
    const leftOut = this.plan.leftOut.subarray(this.firstRowOfSource[s]!, this.firstRowOfSource[s + 1]!);
    const filtered = { numCellsFilteredByObs: countOf(leftOut, LEFT_OUT_BY_OBS), numCellsDuplicate: countOf(leftOut, LEFT_OUT_AS_DUPLICATE) };
    const genes = {
      numGenes: matrix.numGenes,
      numGenesMatched: numMatched,
      numGenesMerged: numMatched - numDistinct,
      numGenesRenamed: isRenamed ? countOf(isRenamed, 1) : 0,
    };
    return finishedSource({ file: file.path, sha256, matrix: matrix.key, scale, numCells: matrix.numCells, ...filtered, ...genes }, this.records, s);
  }
}

function describeSource(
  { file, matrix, vocabularyIds, isRenamed, storage, scale, cellTotal, conversion }: CorpusSource,
  { maxMitoShare }: BuildChoices,
): SourceDescription {
  const isMitochondrial = maxMitoShare < 1 ? mitochondrialColumns(matrix.genes) : undefined;
  return { path: file.path, matrix: matrix.key, numCells: matrix.numCells, vocabularyIds, isRenamed, isMitochondrial, storage, scale, cellTotal, conversion };
}

function countOf(values: Uint8Array, wanted: number): number {
  return numWhere(values, (value) => value === wanted);
}

function numWhere(values: ArrayLike<number>, isMeant: (value: number, i: number) => boolean): number {
  let n = 0;
  for (let i = 0; i < values.length; i++) if (isMeant(values[i]!, i)) n++;
  return n;
}
