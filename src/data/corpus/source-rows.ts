import type { ValueScale } from '../loader/config.js';
import type { RawCell } from '../loader/depth.js';
import type { RowTranslator } from '../loader/row-translator.js';
import type { RowBlock } from '../readers/reader.js';
import { verdict, type CellFilter, type CellFilters, type DropReason } from './cell-filter.js';
import type { CountLoops } from './count-loops.js';
import type { ShardBuilder } from './shard-builder.js';
import type { GeneAccumulator } from './statistics.js';

/** What is to be known of a row before it is stored. */
export interface JudgedRow {
  /** Library size: the sum over the whole row. */
  readonly total: number;
  /** Linear expression in columns of the vocabulary, and in those that only the gene table knows. */
  readonly matched: number;
  readonly renamed: number;
  /** Why it is not stored. */
  readonly reason: DropReason | undefined;
}

/** Some rows of one source on their way into a shard: each is judged and then kept or not, one after the other. */
export interface SourceRows {
  readonly s: number;
  /** Row of the build that they begin with. */
  readonly firstRow: number;
  readonly numRows: number;
  /** @param r from 0 */
  judge(r: number): JudgedRow;
  /** Stores the row that was judged last. @returns false where a count does not fit into its type */
  keep(r: number, isForStatistics: boolean): boolean;
  /** What was kept is in the shard once this was called. */
  flush(): void;
}

interface Place {
  readonly s: number;
  readonly firstRow: number;
  readonly numRows: number;
}

/** Rows that lie in the loops' memory, translated: those kept side by side are copied in one go. */
export class CountRows implements SourceRows {
  readonly s: number;
  readonly firstRow: number;
  readonly numRows: number;
  /** Kept, and not yet copied. */
  private runStart = 0;
  private runEnd = 0;

  constructor(
    { s, firstRow, numRows }: Place,
    private readonly loops: CountLoops,
    private readonly builder: ShardBuilder,
    private readonly filters: CellFilters,
  ) {
    this.s = s;
    this.firstRow = firstRow;
    this.numRows = numRows;
  }

  judge(r: number): JudgedRow {
    const { numGenes, totals, matched, renamed, mitochondrial } = this.loops;
    return { total: totals[r]!, matched: matched[r]!, renamed: renamed[r]!, reason: verdict(this.filters, numGenes[r]!, totals[r]!, mitochondrial[r]!) };
  }

  keep(r: number, isForStatistics: boolean): boolean {
    if (r !== this.runEnd) {
      this.flush();
      this.runStart = r;
    }
    this.runEnd = r + 1;
    this.builder.addCell(this.firstRow + r, this.loops.numGenes[r]!, this.loops.totals[r]!);
    if (isForStatistics) this.loops.addRow(r);
    return true;
  }

  flush(): void {
    if (this.runEnd > this.runStart) this.builder.addValues(...this.loops.entries(this.runStart, this.runEnd));
    this.runStart = this.runEnd;
  }
}

/** How rows that a reader gave become cells. */
export interface RowMeaning {
  readonly translator: RowTranslator;
  readonly filter: CellFilter;
  readonly scale: ValueScale;
  /** [numGenes] 1 for columns that only the gene table knows. */
  readonly isRenamed?: Uint8Array | undefined;
}

/** Rows that a reader gave. */
export class BlockRows implements SourceRows {
  readonly s: number;
  readonly firstRow: number;
  readonly numRows: number;
  private cell: RawCell | undefined;

  /** @param read as in the file @param block the same on the scale of the corpus */
  constructor(
    { s, firstRow, numRows }: Place,
    private readonly read: RowBlock,
    private readonly block: RowBlock,
    private readonly meaning: RowMeaning,
    private readonly builder: ShardBuilder,
    private readonly statistics: CountLoops | GeneAccumulator,
  ) {
    this.s = s;
    this.firstRow = firstRow;
    this.numRows = numRows;
  }

  judge(r: number): JudgedRow {
    const { translator, filter, scale, isRenamed } = this.meaning;
    const cell = translator.translate(this.block, r);
    this.cell = cell;
    return {
      total: cell.total,
      matched: translator.matched,
      renamed: isRenamed ? sumOfColumns(this.block, r, isRenamed, scale) : 0,
      reason: filter.judge(this.read, r, cell.geneIds.length),
    };
  }

  keep(r: number, isForStatistics: boolean): boolean {
    if (!this.builder.add(this.firstRow + r, this.cell!)) return false;
    if (isForStatistics) this.statistics.add(this.cell!);
    return true;
  }

  flush(): void {
    // Each row was copied as it was kept.
  }
}

/** Linear expression of a row in the columns that are marked. */
function sumOfColumns(block: RowBlock, row: number, isMarked: Uint8Array, { kind }: ValueScale): number {
  let sum = 0;
  for (let i = block.indptr[row]!; i < block.indptr[row + 1]!; i++) {
    if (isMarked[block.indices[i]!] === 1) sum += kind === 'log1p' ? Math.expm1(block.values[i]!) : block.values[i]!;
  }
  return sum;
}
