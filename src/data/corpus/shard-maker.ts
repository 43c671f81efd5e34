import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { writeFileAtomic } from '../../files.js';
import { checkValues } from '../inspect/choose-matrix.js';
import type { ValueScale } from '../loader/config.js';
import type { RawCell } from '../loader/depth.js';
import { RowTranslator } from '../loader/row-translator.js';
import type { CellFile, CellMatrix, CsrStorage, RowBlock } from '../readers/reader.js';
import { CellFilter, verdict, type CellFilters, type DropReason } from './cell-filter.js';
import { convertBlock, type Conversion } from './convert-values.js';
import { CountLoops, LARGEST_VOCABULARY } from './count-loops.js';
import { FORMAT_VERSION } from './format.js';
import type { Knowledge, ShardRecord, SourceTally } from './journal.js';
import { ShardBuilder, type CollectedCells } from './shard-builder.js';
import { encodeShard } from './shard-writer.js';
import { TRAIN } from './split.js';
import { GeneAccumulator, type GeneSums } from './statistics.js';
import { canReadCounts, StoredCounts } from './stored-counts.js';

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
  readonly cellIds: readonly string[];
  /** [R] 1 for rows that are out before they are read. */
  readonly isLeftOut: Uint8Array;
  /** [R] 0 train, 1 validation, 2 test. */
  readonly splits: Int32Array;
  /** For each obs field: [R] category codes, -1 = missing. */
  readonly codes: readonly Int32Array[];
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

/** A row of a source as it would be stored, and what it had before. */
interface JudgedCell {
  readonly cell: RawCell;
  /** Linear expression in columns of the vocabulary, and in those that only the gene table knows. */
  readonly matched: number;
  readonly renamed: number;
  /** Why it is not stored. */
  readonly reason: DropReason | undefined;
}

/** Some rows of one source. */
interface SourceRows {
  readonly s: number;
  /** Row of the build that they begin with. */
  readonly firstRow: number;
  readonly numRows: number;
  /** @param r from 0. The cell's arrays are overwritten by the next call */
  judge(r: number): JudgedCell;
  /** Adds the cell that was judged last to the statistics. */
  count(r: number, cell: RawCell): void;
}

/** Rows are reported this many at a time. */
const ROWS_REPORTED = 1024;

/**
 * Makes shards: rows of the sources in, files out. What a shard holds is a function of context and request, whoever makes it and
 * whatever was made before. While one shard is written the next is collected; memory is that of two shards and a block.
 */
export class ShardMaker {
  private readonly firstRowOfSource: number[] = [0];
  private readonly slots: { readonly builder: ShardBuilder; free: Promise<void> }[];
  private numAsked = 0;
  private collecting: Promise<unknown> = Promise.resolve();
  private stream: AsyncGenerator<SourceRows> | undefined;
  private streamRow = -1;
  private streamEnd = 0;
  private current: SourceRows | undefined;
  /** Of the training cells of the shard being collected. */
  private readonly statistics: CountLoops | GeneAccumulator;
  private stored: { readonly s: number; readonly counts: StoredCounts } | undefined;
  private numUnreported = 0;

  constructor(private readonly context: ShardContext, private readonly access: SourceAccess) {
    for (const { numCells } of context.sources) this.firstRowOfSource.push(this.firstRowOfSource.at(-1)! + numCells);
    const { shardCells, vocabularySize, valueType, scale } = context;
    this.statistics = valueType === 'uint16' && vocabularySize <= LARGEST_VOCABULARY ? new CountLoops(vocabularySize) : new GeneAccumulator(vocabularySize, scale);
    this.slots = [0, 1].map(() => ({ builder: new ShardBuilder(Math.min(shardCells, this.firstRowOfSource.at(-1)!), vocabularySize, valueType), free: Promise.resolve() }));
  }

  /** Closes the file that rows were read from in place. */
  close(): void {
    this.stored?.counts.close();
    this.stored = undefined;
  }

  /** Shards are made in the order they are asked for. @throws DataError for values that cannot be; OutputError */
  make(request: ShardRequest): Promise<ShardResult> {
    const slot = this.slots[this.numAsked++ % this.slots.length]!;
    const { free } = slot;
    const collected = this.collecting.then(() => free).then(() => this.collect(request, slot.builder));
    const made = collected.then((accounts) => (accounts ? this.write(request, slot.builder.finish(), accounts) : ({ isTooLarge: true } as const)));
    this.collecting = collected.catch(() => {});
    slot.free = made.then(() => {}, () => {});
    return made;
  }

  /** Fills the builder. @returns undefined where a count is too large */
  private async collect({ index, isLeftOut, splits }: ShardRequest, builder: ShardBuilder): Promise<Accounts | undefined> {
    const { shardCells } = this.context;
    const accounts = new Accounts();
    this.statistics.takeSums(); // a shard that was given up half-way leaves some behind
    builder.start();
    const first = index * shardCells;
    const end = first + isLeftOut.length;
    let readersUntil = first;
    for (let row = first; row < end; ) {
      const inPlace = row >= readersUntil ? this.storedRows(row, end) : undefined;
      // Where rows in place are not as they should be, the readers go on to the end of the shard.
      if (!inPlace) readersUntil = this.firstRowOfSource[this.sourceOf(row) + 1]!;
      const rows = inPlace ?? (await this.blockAt(row, end));
      // Reading is synchronous: let the shard before this one go on being written.
      await setImmediate();
      const last = Math.min(end, rows.firstRow + rows.numRows);
      const tally = accounts.tallyOf(rows.s);
      for (; row < last; row++) {
        if (isLeftOut[row - first] === 1) continue;
        const r = row - rows.firstRow;
        const { cell, matched, renamed, reason } = rows.judge(r);
        tally.sumAll += cell.total;
        tally.sumMatched += matched;
        tally.sumRenamed += renamed;
        if (reason) {
          accounts.droppedRows.push(row);
          tally[TALLY_OF[reason]]++;
          continue;
        }
        if (!builder.add(row, cell)) return undefined;
        tally.numCellsKept++;
        if (splits[row - first] === TRAIN) rows.count(r, cell);
      }
    }
    this.report(0, 1);
    accounts.statistics = this.statistics.takeSums();
    return accounts;
  }

  private report(numRows: number, atLeast = ROWS_REPORTED): void {
    this.numUnreported += numRows;
    if (this.numUnreported < atLeast) return;
    this.access.onRows(this.numUnreported);
    this.numUnreported = 0;
  }

  private sourceOf(row: number): number {
    return this.firstRowOfSource.findLastIndex((first) => first <= row);
  }

  /** Rows from `row` on, read past the readers; undefined where they must be asked. */
  private storedRows(row: number, end: number): SourceRows | undefined {
    const s = this.sourceOf(row);
    const { statistics: loops, context: { filters, sources } } = this;
    const { storage, conversion, scale, vocabularyIds, isMitochondrial, isRenamed } = sources[s]!;
    if (!(loops instanceof CountLoops) || !storage || conversion || scale.kind !== 'counts' || !canReadCounts(storage)) return undefined;
    if (this.stored?.s !== s) {
      this.close();
      this.stored = { s, counts: new StoredCounts(storage, { vocabularyIds, isMitochondrial, isRenamed }, loops) };
    }
    const offset = this.firstRowOfSource[s]!;
    const numRows = this.stored.counts.read(row - offset, Math.min(end, this.firstRowOfSource[s + 1]!) - offset);
    if (numRows === 0) return undefined;
    this.report(numRows);
    return {
      s,
      firstRow: row,
      numRows,
      judge: (r) => {
        const cell = loops.row(r);
        return { cell, matched: cell.matched, renamed: cell.renamed, reason: verdict(filters, cell.geneIds.length, cell.total, cell.mitochondrial) };
      },
      count: (r) => loops.addRow(r),
    };
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
    this.report(this.current.numRows);
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
      const translator = new RowTranslator(source.vocabularyIds, vocabularySize, scale);
      const filter = new CellFilter(filters, source.scale, file, matrix);
      for await (const read of matrix.rowBlocks({ start: from, end: to })) {
        checkValues(read, { valueKind: source.scale.kind, ...(source.cellTotal !== undefined && { cellTotal: source.cellTotal }) }, file, matrix);
        const block = source.conversion ? convertBlock(read, source.conversion) : read;
        const { isRenamed } = source;
        yield {
          s,
          firstRow: offset + read.firstRow,
          numRows: read.numRows,
          judge: (r) => {
            const cell = translator.translate(block, r);
            return { cell, matched: translator.matched, renamed: isRenamed ? sumOfColumns(block, r, isRenamed, scale) : 0, reason: filter.judge(read, r, cell.geneIds.length) };
          },
          count: (_, cell) => this.statistics.add(cell),
        };
      }
    }
  }

  private async write({ index, cellIds, splits, codes }: ShardRequest, cells: CollectedCells, { droppedRows, tallies, statistics }: Accounts): Promise<ShardResult> {
    const { folder, obs, shardCells, sync } = this.context;
    const { rows, ...columns } = cells;
    const record = { droppedRows, tallies: Object.fromEntries(tallies) };
    if (rows.length === 0) return { record: { shard: null, ...record }, statistics: statistics! };
    const local = rows.map((row) => row - index * shardCells);
    const pick = (of: Int32Array): Int32Array => local.map((row) => of[row]!);
    const split = pick(splits);
    const encoded = await encodeShard(
      { ...columns, cellIds: Array.from(local, (row) => cellIds[row]!), split, obs: obs.map((column, i) => ({ ...column, codes: pick(codes[i]!) })) },
      new Map([['scdiva.corpus', String(FORMAT_VERSION)]]),
    );
    const file = shardName(index);
    await writeFileAtomic(join(folder, file), encoded.chunks, { sync });
    return { record: { shard: { file, numCells: rows.length, numValues: columns.geneIds.length, bytes: encoded.bytes, sha256: encoded.sha256 }, ...record }, statistics: statistics! };
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
    const tally: SourceTally = { numCellsKept: 0, numCellsWithoutGenes: 0, numCellsBelowMinGenes: 0, numCellsBelowMinCounts: 0, numCellsAboveMaxMito: 0, sumAll: 0, sumMatched: 0, sumRenamed: 0 };
    this.tallies.set(key, tally);
    return tally;
  }
}

const TALLY_OF = { withoutGenes: 'numCellsWithoutGenes', belowMinGenes: 'numCellsBelowMinGenes', belowMinCounts: 'numCellsBelowMinCounts', aboveMaxMito: 'numCellsAboveMaxMito' } as const satisfies Record<DropReason, keyof SourceTally>;

/** Linear expression of a row in the columns that are marked. */
function sumOfColumns(block: RowBlock, row: number, isMarked: Uint8Array, { kind }: ValueScale): number {
  let sum = 0;
  for (let i = block.indptr[row]!; i < block.indptr[row + 1]!; i++) {
    if (isMarked[block.indices[i]!] === 1) sum += kind === 'log1p' ? Math.expm1(block.values[i]!) : block.values[i]!;
  }
  return sum;
}
