import { DataError } from '../../errors.js';
import { mitochondrialColumns } from '../genes/mitochondrial.js';
import type { ValueScale } from '../loader/config.js';
import type { CellFile, CellMatrix, RowBlock } from '../readers/reader.js';
import type { DictionaryColumn } from './shard-writer.js';

/** What a cell must have to enter a corpus. */
export interface CellFilters {
  /** Fewer genes of the vocabulary: dropped. A cell without any is always dropped. */
  readonly minGenes: number;
  /** A smaller library size: dropped. 0 asks nothing. */
  readonly minCounts: number;
  /** A larger share of mitochondrial expression: dropped. 1 asks nothing. */
  readonly maxMitoShare: number;
}

/** Why a cell that was read is not in the corpus: the first of these that holds. */
export type DropReason = 'withoutGenes' | 'belowMinGenes' | 'belowMinCounts' | 'aboveMaxMito';

/** Judges the cells of one matrix by their values. */
export class CellFilter {
  private readonly isMitochondrial: Uint8Array | undefined;
  private readonly readsRow: boolean;

  /** @throws DataError for a filter that the file's values or gene names cannot answer */
  constructor(
    private readonly filters: CellFilters,
    private readonly scale: ValueScale,
    file: CellFile,
    matrix: CellMatrix,
  ) {
    if (filters.minCounts > 0 && scale.kind !== 'counts') {
      throw new DataError({
        file: file.path,
        key: matrix.key,
        found: `${scale.kind}, which no longer tells how many counts a cell had`,
        expected: 'counts, to filter with --min-counts',
        hint: 'choose a --matrix of counts or leave --min-counts out',
      });
    }
    if (filters.maxMitoShare < 1) {
      this.isMitochondrial = mitochondrialColumns(matrix.genes);
      if (!this.isMitochondrial)
        throw new DataError({
          file: file.path,
          key: 'genes',
          found: 'no mitochondrial gene (MT-… or its Ensembl id)',
          expected: 'some, to filter with --max-mito',
          hint: 'leave --max-mito out, or build without this file',
        });
    }
    this.readsRow = filters.minCounts > 0 || filters.maxMitoShare < 1;
  }

  /**
   * @param block the values as the file holds them, before any conversion
   * @param numGenes genes of the vocabulary in the cell
   */
  judge(block: RowBlock, row: number, numGenes: number): DropReason | undefined {
    if (!this.readsRow) return verdict(this.filters, numGenes, 0, 0);
    const isLog = this.scale.kind === 'log1p';
    let [total, mitochondrial] = [0, 0];
    for (let i = block.indptr[row]!; i < block.indptr[row + 1]!; i++) {
      const linear = isLog ? Math.expm1(block.values[i]!) : block.values[i]!;
      total += linear;
      if (this.isMitochondrial && this.isMitochondrial[block.indices[i]!] === 1) mitochondrial += linear;
    }
    return verdict(this.filters, numGenes, total, mitochondrial);
  }
}

/** @param total of the row, and how much of it is mitochondrial; 0 where no filter asks */
export function verdict({ minGenes, minCounts, maxMitoShare }: CellFilters, numGenes: number, total: number, mitochondrial: number): DropReason | undefined {
  if (numGenes === 0) return 'withoutGenes';
  if (numGenes < minGenes) return 'belowMinGenes';
  if (total < minCounts) return 'belowMinCounts';
  return mitochondrial > maxMitoShare * total ? 'aboveMaxMito' : undefined;
}

/** Values of obs fields whose cells are kept, or dropped: `{ cell_type: ['B', 'T'] }`. */
export type ObsValues = Readonly<Record<string, readonly string[]>>;

/**
 * Rows that obs alone rules out: not among the values to keep of every field named (a cell without a value is not), or among
 * those to drop of any.
 * @param columns the fields that `keep` and `drop` name, over all rows
 * @returns [numRows] 1 = ruled out
 * @throws DataError for a value that no cell has, naming those there are
 */
export function ruledOutByObs(numRows: number, columns: readonly DictionaryColumn[], keep: ObsValues, drop: ObsValues): Uint8Array {
  const isRuledOut = new Uint8Array(numRows);
  const apply = (wanted: ObsValues, flag: string, isOut: (isNamed: boolean) => boolean): void => {
    for (const [key, values] of Object.entries(wanted)) {
      const { categories, codes } = columns.find((column) => column.key === key)!;
      const unknown = values.find((value) => !categories.includes(value));
      if (unknown !== undefined) throw new DataError({ key: `${flag} ${key}`, found: `'${unknown}', which no cell has`, expected: `of ${listed(categories)}` });
      const isNamed = categories.map((category) => values.includes(category));
      codes.forEach((code: number, row: number) => {
        if (isOut(code >= 0 && isNamed[code]!)) isRuledOut[row] = 1;
      });
    }
  };
  apply(keep, '--keep', (isNamed) => !isNamed);
  apply(drop, '--drop', (isNamed) => isNamed);
  return isRuledOut;
}

function listed(categories: readonly string[]): string {
  return `${categories.slice(0, 12).join(', ')}${categories.length > 12 ? `, … (${categories.length} in all)` : ''}`;
}
