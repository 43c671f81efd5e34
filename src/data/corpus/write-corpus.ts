import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, InterruptedError } from '../../errors.js';
import { syncFolder, writeFileAtomic } from '../../files.js';
import { silentProgress, type Progress, type ProgressBar } from '../../progress.js';
import { LOWEST_COVERAGE } from '../genes/mapping.js';
import type { Vocabulary } from '../genes/vocabulary.js';
import { checkValues } from '../inspect/choose-matrix.js';
import { thousands } from '../inspect/value-kind.js';
import type { ValueScale } from '../loader/config.js';
import type { RawCell } from '../loader/depth.js';
import { RowTranslator } from '../loader/row-translator.js';
import type { CellFile, CellMatrix, RowBlock } from '../readers/reader.js';
import { CellFilter, type DropReason } from './cell-filter.js';
import { convertBlock, type Conversion } from './convert-values.js';
import { encodeGeneTable } from './gene-table.js';
import { Journal, JOURNAL_FILE, removeFiles, type Knowledge, type ShardRecord, type SourceTally } from './journal.js';
import { FORMAT_VERSION, GENES_FILE, MANIFEST_FILE, SPLITS, type BuildRecord, type CorpusManifest, type ShardEntry, type SourceEntry } from './manifest.js';
import { dropSmallClasses, refuseSingletons } from './obs-columns.js';
import { RowReader } from './row-reader.js';
import { ShardBuilder } from './shard-builder.js';
import { readShardLayout } from './shard-layout.js';
import { encodeShard, type DictionaryColumn } from './shard-writer.js';
import { assignSplits, isPartEmpty, unrepresentedClass } from './split.js';
import { ENTROPY_PSEUDO_CELLS, GeneAccumulator, STATISTICS_TARGET_SUM } from './statistics.js';

/** One file of a build, opened and judged. */
export interface CorpusSource {
  readonly file: CellFile;
  readonly matrix: CellMatrix;
  readonly sha256: string;
  /** [numGenes] vocabulary id of each column, -1 = none. */
  readonly vocabularyIds: Int32Array;
  readonly numMatched: number;
  readonly numDistinct: number;
  /** [numGenes] 1 for columns that only the gene table knows; absent where there are none. */
  readonly isRenamed?: Uint8Array | undefined;
  /** Of the values in the file. */
  readonly scale: ValueScale;
  /** From there to the corpus's scale; absent where they are the same. */
  readonly conversion?: Conversion | undefined;
}

/** Why a source row is out before it is read: its obs, or an earlier row of the same values. */
export const [NOT_LEFT_OUT, LEFT_OUT_BY_OBS, LEFT_OUT_AS_DUPLICATE] = [0, 1, 2] as const;

export interface CorpusPlan {
  readonly folder: string;
  readonly build: BuildRecord;
  readonly sources: readonly CorpusSource[];
  readonly vocabulary: Vocabulary;
  readonly scale: ValueScale;
  /** Obs fields to keep, over all source rows; the label among them. */
  readonly obs: readonly DictionaryColumn[];
  readonly splitBy: DictionaryColumn | undefined;
  /** [source rows] NOT_LEFT_OUT, LEFT_OUT_BY_OBS or LEFT_OUT_AS_DUPLICATE. */
  readonly leftOut: Uint8Array;
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
  let work: EarlierWork = earlier ?? { knowledge: { valueType: plan.scale.kind === 'counts' ? 'uint16' : 'float32', excludedRows: [] }, records: [] };
  for (;;) {
    const outcome = await new Pass(plan, work).run();
    if ('manifest' in outcome) return outcome.manifest;
    work = { knowledge: outcome.betterKnowledge, records: [] };
  }
}

type Outcome = { readonly manifest: CorpusManifest } | { readonly betterKnowledge: Knowledge };

/** A count over 65,535 among values that were to be stored in 16 bits. */
class CountTooLarge extends Error {}

/** One pass over the sources, from the first shard that is not there yet. */
class Pass {
  private readonly records: ShardRecord[];
  private readonly firstRowOfSource: number[];
  private readonly numRows: number;
  private readonly obs: readonly DictionaryColumn[];
  private readonly label: DictionaryColumn | undefined;
  private readonly unlabelledClasses: Record<string, number>;
  private readonly splits: Int32Array;
  private readonly statistics: GeneAccumulator;
  private readonly knowledge: Knowledge;
  private writing: Promise<void> = Promise.resolve();

  constructor(private readonly plan: CorpusPlan, { knowledge, records }: EarlierWork) {
    const { build, obs, sources, vocabulary, scale } = plan;
    this.knowledge = knowledge;
    this.records = [...records];
    this.firstRowOfSource = [0];
    for (const { matrix } of sources) this.firstRowOfSource.push(this.firstRowOfSource.at(-1)! + matrix.numCells);
    this.numRows = this.firstRowOfSource.at(-1)!;
    const excluded = new Set(knowledge.excludedRows);
    const isExcluded = (row: number): boolean => plan.leftOut[row] !== NOT_LEFT_OUT || excluded.has(row);
    const whole = obs.find(({ key }) => key === build.label);
    const { label, unlabelledClasses } = whole ? dropSmallClasses(whole, build.minClassCells, isExcluded) : { label: undefined, unlabelledClasses: {} };
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
    const journal = await Journal.create(plan.folder, { build: plan.build, knowledge }, this.records);
    const bar = (plan.progress ?? silentProgress).start('Build corpus', this.numRows, 'cells');
    try {
      await this.writeShards(journal, bar);
    } catch (error) {
      await this.writing.catch(() => {});
      if (error instanceof CountTooLarge) return { betterKnowledge: { ...knowledge, valueType: 'float32' } };
      throw error;
    } finally {
      bar.stop();
      await journal.close();
    }
    return this.knowingBetter() ?? { manifest: await this.finish() };
  }

  /** Keeps the shards that are whole, from the first on, and adds their cells to the statistics. */
  private async keepCompleteShards(): Promise<void> {
    let complete = 0;
    for (const { shard } of this.records) {
      if (shard) {
        const file = join(this.plan.folder, shard.file);
        const size = await stat(file).then((found) => found.size, () => -1);
        if (size !== shard.bytes) break;
        const reader = new RowReader([readShardLayout(file)]);
        this.addStatistics(shard.numCells, this.keptRows(complete, this.records[complete]!), (i) => reader.read(i));
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
    return Int32Array.from({ length: Math.min(shardCells, this.numRows - first) }, (_, i) => first + i).filter((row) => this.plan.leftOut[row] === NOT_LEFT_OUT && !dropped.has(row));
  }

  private addStatistics(numCells: number, rows: Int32Array, read: (i: number) => Parameters<GeneAccumulator['add']>[0]): void {
    const ofShard = new GeneAccumulator(this.plan.vocabulary.size, this.plan.scale);
    for (let i = 0; i < numCells; i++) if (SPLITS[this.splits[rows[i]!]!] === 'train') ofShard.add(read(i));
    this.statistics.merge(ofShard);
  }

  private async writeShards(journal: Journal, bar: ProgressBar): Promise<void> {
    const { sources, vocabulary, scale, build, leftOut, signal } = this.plan;
    const firstRow = this.records.length * build.shardCells;
    let open = new OpenShard(build.shardCells, vocabulary.size, this.knowledge.valueType, 0);
    bar.update(firstRow);
    for (const [s, { file, matrix, vocabularyIds, scale: sourceScale, conversion, isRenamed }] of sources.entries()) {
      const offset = this.firstRowOfSource[s]!;
      const start = Math.max(0, firstRow - offset);
      if (start >= matrix.numCells) continue;
      const translator = new RowTranslator(vocabularyIds, vocabulary.size, scale);
      const filter = new CellFilter(build, sourceScale, file, matrix);
      for await (const read of matrix.rowBlocks({ start })) {
        checkValues(read, { valueKind: sourceScale.kind }, file, matrix);
        const block = conversion ? convertBlock(read, conversion) : read;
        for (let r = 0; r < block.numRows; r++) {
          const row = offset + block.firstRow + r;
          if (leftOut[row] === NOT_LEFT_OUT) {
            const cell = translator.translate(block, r);
            const sumRenamed = isRenamed ? sumOfColumns(block, r, isRenamed, scale) : 0;
            open.add(s, row, cell, { sumMatched: translator.matched, sumRenamed }, filter.judge(read, r, cell.geneIds.length));
          }
          if ((row + 1) % build.shardCells !== 0 && row + 1 < this.numRows) continue;
          const full = open;
          open = new OpenShard(build.shardCells, vocabulary.size, this.knowledge.valueType, full.numValues);
          // The next shard is collected while this one is written.
          await this.writing;
          if (signal?.aborted) throw new InterruptedError({ file: this.plan.folder, found: `interrupted after ${row + 1 - build.shardCells} of ${this.numRows} cells`, hint: 'the same command continues from there' });
          this.writing = this.writeShard(full, journal);
          this.writing.catch(() => {}); // reported where it is awaited
        }
        bar.update(offset + block.firstRow + block.numRows, file.path);
      }
    }
    await this.writing;
  }

  private async writeShard(open: OpenShard, journal: Journal): Promise<void> {
    const { folder, sources } = this.plan;
    const { rows, ...columns } = open.builder.finish();
    const index = this.records.length;
    let shard: ShardEntry | null = null;
    if (rows.length > 0) {
      this.addStatistics(rows.length, rows, (i) => {
        const [start, end] = [columns.indptr[i]!, columns.indptr[i + 1]!];
        return { geneIds: columns.geneIds.subarray(start, end), values: columns.values.subarray(start, end), total: columns.total[i]! };
      });
      const cellIds = Array.from(rows, (row) => {
        const s = this.firstRowOfSource.findLastIndex((first) => first <= row);
        return sources[s]!.file.cellIds[row - this.firstRowOfSource[s]!]!;
      });
      const pick = (codes: Int32Array): Int32Array => rows.map((row) => codes[row]!);
      const encoded = await encodeShard({ ...columns, cellIds, split: pick(this.splits), obs: this.obs.map((column) => ({ ...column, codes: pick(column.codes) })) }, new Map([['scdiva.corpus', String(FORMAT_VERSION)]]));
      const file = `shard-${String(index).padStart(5, '0')}.arrow`;
      await writeFileAtomic(join(folder, file), encoded.chunks);
      shard = { file, numCells: rows.length, numValues: columns.geneIds.length, bytes: encoded.bytes, sha256: encoded.sha256 };
    }
    const record: ShardRecord = { shard, droppedRows: open.droppedRows, tallies: Object.fromEntries(open.tallies) };
    await journal.append(record);
    this.records.push(record);
  }

  /** Whether the cells that were dropped on the way spoil what was promised of the split. */
  private knowingBetter(): Outcome | undefined {
    const { plan, label, splits, knowledge } = this;
    const droppedRows = this.records.flatMap((record) => record.droppedRows);
    if (droppedRows.length === knowledge.excludedRows.length) return undefined;
    const dropped = new Set(droppedRows);
    const isDropped = (row: number): boolean => plan.leftOut[row] !== NOT_LEFT_OUT || dropped.has(row);
    const isSpoilt = label
      ? dropSmallClasses(label, Math.max(2, plan.build.minClassCells), isDropped).label.categories.length < label.categories.length || unrepresentedClass(label, splits, isDropped, plan.build.fractions) !== undefined
      : isPartEmpty(splits, isDropped, plan.build.fractions);
    return isSpoilt ? { betterKnowledge: { ...knowledge, excludedRows: droppedRows } } : undefined;
  }

  private async finish(): Promise<CorpusManifest> {
    const { folder, vocabulary, build, scale } = this.plan;
    const shards = this.records.flatMap(({ shard }) => shard ?? []);
    const sources = this.plan.sources.map((source, s) => this.sourceEntry(source, s));
    const sum = (of: (shard: ShardEntry) => number): number => shards.reduce((total, shard) => total + of(shard), 0);
    const dropped = new Set(this.records.flatMap(({ droppedRows }) => droppedRows));
    const isInCorpus = (row: number): boolean => this.plan.leftOut[row] === NOT_LEFT_OUT && !dropped.has(row);
    if (shards.length === 0) throw noCellLeft(sources);
    const splitCells = { train: 0, validation: 0, test: 0 };
    this.splits.forEach((split, row) => void (isInCorpus(row) && splitCells[SPLITS[split]!]++));
    const statistics = this.statistics.statistics();
    const genes = await encodeGeneTable(vocabulary, statistics);
    await writeFileAtomic(join(folder, GENES_FILE), genes.chunks);
    const manifest: CorpusManifest = {
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
      obs: this.obs.map(({ key, categories, codes }) => ({ key, categories: [...categories], numMissing: codes.reduce((n, code, row) => n + (code < 0 && isInCorpus(row) ? 1 : 0), 0) })),
      sources,
      genes: { bytes: genes.bytes, sha256: genes.sha256 },
      shards,
      build,
    };
    // The manifest is written last: its presence says that the corpus is whole.
    await writeFileAtomic(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 1)}\n`);
    await rm(join(folder, JOURNAL_FILE), { force: true });
    await syncFolder(folder);
    return manifest;
  }

  /** @throws DataError where the vocabulary sees next to nothing of the expression in a file */
  private sourceEntry({ file, matrix, sha256, numMatched, numDistinct, isRenamed, scale }: CorpusSource, s: number): SourceEntry {
    const tallies = this.records.flatMap(({ tallies }) => tallies[s] ?? []);
    const sum = (key: keyof SourceTally): number => tallies.reduce((total, tally) => total + tally[key], 0);
    const leftOut = this.plan.leftOut.subarray(this.firstRowOfSource[s]!, this.firstRowOfSource[s + 1]!);
    const shareOf = (part: number): number => (sum('sumAll') > 0 ? Math.min(1, Math.max(0, part / sum('sumAll'))) : 0);
    const expressionCoverage = shareOf(sum('sumMatched'));
    if (expressionCoverage < LOWEST_COVERAGE && sum('sumAll') > 0) {
      throw new DataError({ file: file.path, key: 'genes', found: `${(100 * expressionCoverage).toFixed(1)} % of the expression is of genes in the vocabulary`, expected: `at least ${100 * LOWEST_COVERAGE} %`, hint: 'use a vocabulary made for these data' });
    }
    return {
      file: file.path,
      sha256,
      matrix: matrix.key,
      scale,
      numCells: matrix.numCells,
      numCellsKept: sum('numCellsKept'),
      numCellsFilteredByObs: countOf(leftOut, LEFT_OUT_BY_OBS),
      numCellsDuplicate: countOf(leftOut, LEFT_OUT_AS_DUPLICATE),
      numCellsWithoutGenes: sum('numCellsWithoutGenes'),
      numCellsBelowMinGenes: sum('numCellsBelowMinGenes'),
      numCellsBelowMinCounts: sum('numCellsBelowMinCounts'),
      numCellsAboveMaxMito: sum('numCellsAboveMaxMito'),
      numGenes: matrix.numGenes,
      numGenesMatched: numMatched,
      numGenesMerged: numMatched - numDistinct,
      numGenesRenamed: isRenamed ? countOf(isRenamed, 1) : 0,
      expressionCoverage,
      expressionCoverageAsNamed: isRenamed ? shareOf(sum('sumMatched') - sum('sumRenamed')) : expressionCoverage,
    };
  }
}

function countOf(values: Uint8Array, wanted: number): number {
  return values.reduce((n, value) => n + (value === wanted ? 1 : 0), 0);
}

/** Linear expression of a row in the columns that are marked. */
function sumOfColumns(block: RowBlock, row: number, isMarked: Uint8Array, { kind }: ValueScale): number {
  let sum = 0;
  for (let i = block.indptr[row]!; i < block.indptr[row + 1]!; i++) {
    if (isMarked[block.indices[i]!] === 1) sum += kind === 'log1p' ? Math.expm1(block.values[i]!) : block.values[i]!;
  }
  return sum;
}

/** Says which filter took most of the cells: that one is the mistake. */
function noCellLeft(sources: readonly SourceEntry[]): DataError {
  const reasons = [
    ['numCellsWithoutGenes', 'have no gene of the vocabulary', 'choose another --matrix or vocabulary'],
    ['numCellsBelowMinGenes', 'have fewer genes than --min-genes', 'lower --min-genes'],
    ['numCellsBelowMinCounts', 'have a smaller library than --min-counts', 'lower --min-counts'],
    ['numCellsAboveMaxMito', 'have a larger mitochondrial share than --max-mito', 'raise --max-mito'],
    ['numCellsFilteredByObs', 'are ruled out by --keep and --drop', 'keep more'],
  ] as const;
  const total = (key: (typeof reasons)[number][0]): number => sources.reduce((n, source) => n + source[key], 0);
  const [key, words, hint] = reasons.reduce((most, next) => (total(next[0]) > total(most[0]) ? next : most));
  return new DataError({ file: sources[0]!.file, found: `no cell is left: ${thousands(total(key))} of ${thousands(sources.reduce((n, { numCells }) => n + numCells, 0))} ${words}`, hint });
}

/** The shard being collected, with its share of the accounts. */
class OpenShard {
  readonly builder: ShardBuilder;
  readonly droppedRows: number[] = [];
  readonly tallies = new Map<string, SourceTally>();
  numValues = 0;

  constructor(maxCells: number, vocabularySize: number, valueType: Knowledge['valueType'], capacityValues: number) {
    this.builder = new ShardBuilder(maxCells, vocabularySize, valueType, Math.max(1 << 16, Math.ceil(capacityValues * 1.1)));
  }

  /** @param reason why the cell is dropped; undefined: it is kept */
  add(source: number, row: number, cell: RawCell, sums: Pick<SourceTally, 'sumMatched' | 'sumRenamed'>, reason: DropReason | undefined): void {
    const tally = this.tallyOf(source);
    tally.sumAll += cell.total;
    tally.sumMatched += sums.sumMatched;
    tally.sumRenamed += sums.sumRenamed;
    if (reason) {
      this.droppedRows.push(row);
      tally[TALLY_OF[reason]]++;
      return;
    }
    if (!this.builder.add(row, cell)) throw new CountTooLarge();
    this.numValues += cell.geneIds.length;
    tally.numCellsKept++;
  }

  private tallyOf(source: number): SourceTally {
    const key = String(source);
    const found = this.tallies.get(key);
    if (found) return found;
    const tally: SourceTally = { numCellsKept: 0, numCellsWithoutGenes: 0, numCellsBelowMinGenes: 0, numCellsBelowMinCounts: 0, numCellsAboveMaxMito: 0, sumAll: 0, sumMatched: 0, sumRenamed: 0 };
    this.tallies.set(key, tally);
    return tally;
  }
}

const TALLY_OF = { withoutGenes: 'numCellsWithoutGenes', belowMinGenes: 'numCellsBelowMinGenes', belowMinCounts: 'numCellsBelowMinCounts', aboveMaxMito: 'numCellsAboveMaxMito' } as const satisfies Record<DropReason, keyof SourceTally>;
