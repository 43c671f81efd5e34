import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { writeFileAtomic } from '../../files.js';
import { checkValues } from '../inspect/choose-matrix.js';
import type { ValueScale } from '../loader/config.js';
import { RowTranslator } from '../loader/row-translator.js';
import type { CellFile, CellMatrix, CsrStorage, PackedNames } from '../readers/reader.js';
import { CellFilter, type CellFilters, type DropReason } from './cell-filter.js';
import { pickNames } from './cell-names.js';
import type { Codes } from './codes.js';
import { convertBlock, type Conversion } from './convert-values.js';
import { CountLoops, LARGEST_VOCABULARY } from './count-loops.js';
import { FORMAT_VERSION } from './format.js';
import type { Knowledge, ShardRecord, SourceTally } from './journal.js';
import { ShardBuilder } from './shard-builder.js';
import { encodeShard } from './shard-writer.js';
import { BlockRows, CountRows, type RowMeaning, type SourceRows } from './source-rows.js';
import { TRAIN } from './split.js';
import { GeneAccumulator, type GeneSums } from './statistics.js';
import { rowsInPlace, StoredCounts } from './stored-counts.js';

/** What every shard of a build has in common. Plain data: threads get it. */
export interface ShardContext {
  readonly folder: string;
  readonly shardCells: number;
  readonly filters: CellFilters;
  readonly scale: ValueScale;
  readonly valueType: Knowledge['valueType'];
  readonly vocabularySize: number;
  /** Whether a shard is on the disk, not only with the operating system, before it counts as written. */
  readonly sync: boolean;
  readonly sources: readonly SourceDescription[];
  readonly obs: readonly { readonly key: string; readonly categories: readonly string[] }[];
}

export interface SourceDescription {
  readonly path: string;
  readonly matrix: string;
  readonly numCells: number;
  /** [numGenes] vocabulary id of each column, -1 = none. */
  readonly vocabularyIds: Int32Array;
  /** [numGenes] 1 for columns that only the gene table knows; absent where there are none. */
  readonly isRenamed?: Uint8Array | undefined;
  /** [numGenes] 1 for mitochondrial ones; absent where no filter asks. */
  readonly isMitochondrial?: Uint8Array | undefined;
  /** Where the rows lie in the file; absent where only the readers can tell. */
  readonly storage?: CsrStorage | undefined;
  readonly scale: ValueScale;
  /** What every cell of the file sums to, as far as that is known. */
  readonly cellTotal?: number | undefined;
  readonly conversion?: Conversion | undefined;
}

/** One shard to make. R source rows, from index · shardCells on; arrays are the request's own. */
export interface ShardRequest {
  readonly index: number;
  /** [R] */
  readonly cellIds: PackedNames;
  /** [R] 1 for rows that are out before they are read. */
  readonly isLeftOut: Uint8Array;
  /** [R] 0 train, 1 validation, 2 test. */
  readonly splits: Int8Array;
  /** For each obs field: [R] category codes, -1 = missing. */
  readonly codes: readonly Codes[];
}

/** isTooLarge: a count over 65,535 among values that were to be stored in 16 bits; nothing was written. */
export type ShardResult = { readonly record: ShardRecord; readonly statistics: GeneSums } | { readonly isTooLarge: true };

export interface OpenedSource {
  readonly file: CellFile;
  readonly matrix: CellMatrix;
}

/** What reading rows takes from the sources. */
export interface SourceAccess {
  /** Opens source s, or gives it where it is open. */
  open(s: number): Promise<OpenedSource>;
  /** Whether shards are asked for one after the other, so that reading goes on where the last one ended. */
  readonly isSequential: boolean;
  /** Hears how many rows more were read. */
  onRows(numRows: number): void;
}

/** Rows are reported this many at a time. */
const ROWS_REPORTED = 1024;

/**
 * Makes shards: rows of the sources in, files out. What a shard holds is a function of context and request, whoever makes it and
 * whatever was made before. Memory is that of one shard and a block; the next shard is collected once the operating system has the last one.
 */
export class ShardMaker {
  private readonly firstRowOfSource: number[] = [0];
  private readonly builder: ShardBuilder;
  /** Until the builder may be filled again. */
  private busy: Promise<unknown> = Promise.resolve();
  private stream: AsyncGenerator<SourceRows> | undefined;
  private streamRow = -1;
  private streamEnd = 0;
  private current: SourceRows | undefined;
  /** Of the training cells of the shard being collected. */
  private readonly statistics: CountLoops | GeneAccumulator;
  private stored: { readonly s: number; readonly counts: StoredCounts } | undefined;
  private numUnreported = 0;

  constructor(
    private readonly context: ShardContext,
    private readonly access: SourceAccess,
  ) {
    for (const { numCells } of context.sources) this.firstRowOfSource.push(this.firstRowOfSource.at(-1)! + numCells);
    const { shardCells, vocabularySize, valueType, scale } = context;
    this.statistics =
      valueType === 'uint16' && vocabularySize <= LARGEST_VOCABULARY ? new CountLoops(vocabularySize) : new GeneAccumulator(vocabularySize, scale);
    this.builder = new ShardBuilder(Math.min(shardCells, this.firstRowOfSource.at(-1)!), vocabularySize, valueType);
  }

  /** Closes the file that rows were read from in place. */
  close(): void {
    this.stored?.counts.close();
    this.stored = undefined;
  }

  /** Shards are made in the order they are asked for. @throws DataError for values that cannot be; OutputError */
  make(request: ShardRequest): Promise<ShardResult> {
    return new Promise((resolve, reject) => {
      this.busy = this.busy
        .then(async () => {
          const accounts = await this.collect(request);
          if (!accounts) return resolve({ isTooLarge: true });
          await new Promise<void>((written) => {
            this.write(request, accounts, written).then(resolve, reject).finally(written);
          });
        })
        .catch(reject);
    });
  }

  /** Fills the builder. @returns undefined where a count is too large */
  private async collect({ index, isLeftOut, splits }: ShardRequest): Promise<Accounts | undefined> {
    const { shardCells } = this.context;
    const accounts = new Accounts();
    this.statistics.takeSums(); // a shard that was given up half-way leaves some behind
    this.builder.start();
    const first = index * shardCells;
    const end = first + isLeftOut.length;
    let readersUntil = first;
    for (let row = first; row < end;) {
      const inPlace = row >= readersUntil ? this.storedRows(row, end) : undefined;
      // Where rows in place are not as they should be, the readers go on to the end of the shard.
      if (!inPlace) readersUntil = this.firstRowOfSource[this.sourceOf(row) + 1]!;
      const rows = inPlace ?? (await this.blockAt(row, end));
      const last = Math.min(end, rows.firstRow + rows.numRows);
      const tally = accounts.tallyOf(rows.s);
      for (; row < last; row++) {
        if (isLeftOut[row - first] === 1) continue;
        const { total, matched, renamed, reason } = rows.judge(row - rows.firstRow);
        tally.sumAll += total;
        tally.sumMatched += matched;
        tally.sumRenamed += renamed;
        if (reason) {
          accounts.droppedRows.push(row);
          tally[TALLY_OF[reason]]++;
          continue;
        }
        if (!rows.keep(row - rows.firstRow, splits[row - first] === TRAIN)) return undefined;
        tally.numCellsKept++;
      }
      rows.flush();
      // Reading is synchronous: let the shard before this one come to rest on the disk.
      if (this.report()) await setImmediate();
    }
    this.report(1);
    accounts.statistics = this.statistics.takeSums();
    return accounts;
  }

  /** @returns whether there was so much to report */
  private report(atLeast = ROWS_REPORTED): boolean {
    if (this.numUnreported < atLeast) return false;
    this.access.onRows(this.numUnreported);
    this.numUnreported = 0;
    return true;
  }

  private sourceOf(row: number): number {
    return this.firstRowOfSource.findLastIndex((first) => first <= row);
  }

  /** Rows from `row` on, read past the readers; undefined where they must be asked. */
  private storedRows(row: number, end: number): SourceRows | undefined {
    const s = this.sourceOf(row);
    const {
      statistics: loops,
      context: { filters, sources },
    } = this;
    const { vocabularyIds, isMitochondrial, isRenamed } = sources[s]!;
    const storage = rowsInPlace(sources[s]!);
    if (!(loops instanceof CountLoops) || !storage) return undefined;
    if (this.stored?.s !== s) {
      this.close();
      this.stored = { s, counts: new StoredCounts(storage, { vocabularyIds, isMitochondrial, isRenamed }, loops) };
    }
    const offset = this.firstRowOfSource[s]!;
    const numRows = this.stored.counts.read(row - offset, Math.min(end, this.firstRowOfSource[s + 1]!) - offset);
    if (numRows === 0) return undefined;
    this.numUnreported += numRows;
    return new CountRows({ s, firstRow: row, numRows }, loops, this.builder, filters);
  }

  private async blockAt(row: number, end: number): Promise<SourceRows> {
    const { current } = this;
    if (current && row >= current.firstRow && row < current.firstRow + current.numRows) return current;
    if (!this.stream || this.streamRow !== row || this.streamEnd <= row) {
      await this.stream?.return(undefined);
      this.streamEnd = this.access.isSequential ? this.firstRowOfSource.at(-1)! : end;
      this.stream = this.blocks(row, this.streamEnd);
    }
    const next = await this.stream.next();
    if (next.done) throw new Error(`row ${row}: the sources ended`);
    this.current = next.value;
    this.streamRow = this.current.firstRow + this.current.numRows;
    this.numUnreported += this.current.numRows;
    return this.current;
  }

  /** Rows [first, end) of the sources, one after the other, checked. */
  private async *blocks(first: number, end: number): AsyncGenerator<SourceRows> {
    const { sources, vocabularySize, scale, filters } = this.context;
    for (const [s, source] of sources.entries()) {
      const offset = this.firstRowOfSource[s]!;
      const [from, to] = [Math.max(0, first - offset), Math.min(source.numCells, end - offset)];
      if (from >= to) continue;
      const { file, matrix } = await this.access.open(s);
      const { isRenamed } = source;
      const meaning: RowMeaning = {
        translator: new RowTranslator(source.vocabularyIds, vocabularySize, scale),
        filter: new CellFilter(filters, source.scale, file, matrix),
        scale,
        isRenamed,
      };
      for await (const read of matrix.rowBlocks({ start: from, end: to })) {
        checkValues(read, { valueKind: source.scale.kind, ...(source.cellTotal !== undefined && { cellTotal: source.cellTotal }) }, file, matrix);
        const block = source.conversion ? convertBlock(read, source.conversion) : read;
        yield new BlockRows({ s, firstRow: offset + read.firstRow, numRows: read.numRows }, read, block, meaning, this.builder, this.statistics);
      }
    }
  }

  /** @param written is called once the builder may be filled again: flushing to the disk goes on beside */
  private async write(
    { index, cellIds, splits, codes }: ShardRequest,
    { droppedRows, tallies, statistics }: Accounts,
    written: () => void,
  ): Promise<ShardResult> {
    const { folder, obs, shardCells, sync } = this.context;
    const { rows, ...columns } = this.builder.finish();
    const numCells = rows.length;
    const record = { droppedRows, tallies: Object.fromEntries(tallies) };
    if (numCells === 0) return { record: { shard: null, ...record }, statistics: statistics! };
    const local = rows.map((row) => row - index * shardCells);
    const isKept = new Uint8Array(splits.length);
    for (const row of local) isKept[row] = 1;
    const pick = <T extends Codes>(of: T): T => of.filter((_: number, row: number) => isKept[row] === 1) as T;
    const { chunks, bytes, sha256 } = await encodeShard(
      { ...columns, cellIds: pickNames(cellIds, local), split: pick(splits), obs: obs.map((column, i) => ({ ...column, codes: pick(codes[i]!) })) },
      new Map([['scdiva.corpus', String(FORMAT_VERSION)]]),
    );
    const numValues = columns.geneIds.length;
    const file = shardName(index);
    const hashing = sha256();
    const writing = writeFileAtomic(join(folder, file), chunks, { sync, onWritten: () => void hashing.then(written) });
    const [hash] = await Promise.all([hashing, writing]);
    return { record: { shard: { file, numCells, numValues, bytes, sha256: hash }, ...record }, statistics: statistics! };
  }
}

function shardName(index: number): string {
  return `shard-${String(index).padStart(5, '0')}.arrow`;
}

/** What became of the rows of one shard. */
class Accounts {
  readonly droppedRows: number[] = [];
  readonly tallies = new Map<string, SourceTally>();
  /** Of the training cells. */
  statistics: GeneSums | undefined;

  tallyOf(source: number): SourceTally {
    const key = String(source);
    const found = this.tallies.get(key);
    if (found) return found;
    const tally: SourceTally = {
      numCellsKept: 0,
      numCellsWithoutGenes: 0,
      numCellsBelowMinGenes: 0,
      numCellsBelowMinCounts: 0,
      numCellsAboveMaxMito: 0,
      sumAll: 0,
      sumMatched: 0,
      sumRenamed: 0,
    };
    this.tallies.set(key, tally);
    return tally;
  }
}

const TALLY_OF = {
  withoutGenes: 'numCellsWithoutGenes',
  belowMinGenes: 'numCellsBelowMinGenes',
  belowMinCounts: 'numCellsBelowMinCounts',
  aboveMaxMito: 'numCellsAboveMaxMito',
} as const satisfies Record<DropReason, keyof SourceTally>;
