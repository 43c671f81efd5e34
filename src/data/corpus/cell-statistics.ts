import type { CellColumns } from './cell-columns.js';
import { SPLITS } from './format.js';

/** Quantiles over cells. */
export interface Quantiles {
  readonly min: number;
  readonly q25: number;
  readonly median: number;
  readonly q75: number;
  readonly max: number;
}

export interface Histogram {
  /** [bins + 1] */
  readonly edges: readonly number[];
  /** [bins] cells from one edge up to the next. */
  readonly counts: readonly number[];
}

/** Bins of half a percent: library sizes span five powers of ten. */
const BINS_PER_LOG = 200;
const NUM_BINS_SHOWN = 40;

/**
 * Statistics of cells that are collected shard by shard in one pass and added up in any order: genes and library size a
 * cell, and how many cells of each class are in each split. Memory grows with the classes and not with the cells.
 */
export class CellStatistics {
  numCells = 0;
  private numGenesCounts: number[] = [];
  /** Library sizes by bin of their logarithm. */
  private totals = new Map<number, number>();
  private minTotal = Infinity;
  private maxTotal = -Infinity;
  /** By obs field: [classes × 3] cells of each class in each split; the last class is "missing". */
  private readonly cellsOfClass: ReadonlyMap<string, Float64Array>;

  /** @param fields obs fields with their number of categories */
  constructor(private readonly fields: readonly { readonly key: string; readonly numCategories: number }[]) {
    this.cellsOfClass = new Map(fields.map(({ key, numCategories }) => [key, new Float64Array((numCategories + 1) * SPLITS.length)]));
  }

  add(columns: CellColumns): void {
    this.numCells += columns.numCells;
    for (const numGenes of columns.numGenes) this.numGenesCounts[numGenes] = (this.numGenesCounts[numGenes] ?? 0) + 1;
    for (const total of columns.total) {
      const bin = Math.floor(Math.log(total) * BINS_PER_LOG);
      this.totals.set(bin, (this.totals.get(bin) ?? 0) + 1);
      if (total < this.minTotal) this.minTotal = total;
      if (total > this.maxTotal) this.maxTotal = total;
    }
    const splits = columns.codes('split');
    for (const { key, numCategories } of this.fields) {
      const cells = this.cellsOfClass.get(key)!;
      const codes = columns.codes(key);
      for (let i = 0; i < codes.length; i++) cells[(codes[i]! < 0 ? numCategories : codes[i]!) * SPLITS.length + splits[i]!]!++;
    }
  }

  /** Adds what another collector of the same fields has seen. */
  merge(other: CellStatistics): void {
    this.numCells += other.numCells;
    other.numGenesCounts.forEach((count, numGenes) => (this.numGenesCounts[numGenes] = (this.numGenesCounts[numGenes] ?? 0) + count));
    for (const [bin, count] of other.totals) this.totals.set(bin, (this.totals.get(bin) ?? 0) + count);
    this.minTotal = Math.min(this.minTotal, other.minTotal);
    this.maxTotal = Math.max(this.maxTotal, other.maxTotal);
    for (const [key, cells] of other.cellsOfClass) cells.forEach((count, i) => (this.cellsOfClass.get(key)![i]! += count));
  }

  /** Exact. */
  genesPerCell(): { quantiles: Quantiles; histogram: Histogram } {
    const sorted: [number, number][] = [];
    this.numGenesCounts.forEach((count, numGenes) => sorted.push([numGenes, count]));
    const quantiles = this.quantiles(sorted);
    const width = Math.max(1, Math.ceil((quantiles.max + 1 - quantiles.min) / NUM_BINS_SHOWN));
    const numBins = Math.ceil((quantiles.max + 1 - quantiles.min) / width);
    return {
      quantiles,
      histogram: histogram(
        sorted,
        Array.from({ length: numBins + 1 }, (_, i) => quantiles.min + i * width),
      ),
    };
  }

  /** Quartiles to half a percent; smallest and largest are exact. */
  librarySize(): { quantiles: Quantiles; histogram: Histogram } {
    const sorted = [...this.totals].sort(([a], [b]) => a - b).map(([bin, count]): [number, number] => [Math.exp((bin + 0.5) / BINS_PER_LOG), count]);
    const within = (value: number): number => Math.min(this.maxTotal, Math.max(this.minTotal, value));
    const { q25, median, q75 } = this.quantiles(sorted);
    const [low, high] = [Math.log(this.minTotal), Math.log(this.maxTotal * (1 + 1e-6))];
    const numBins = Math.max(1, Math.min(NUM_BINS_SHOWN, Math.round((high - low) * BINS_PER_LOG)));
    const edges = Array.from({ length: numBins + 1 }, (_, i) => Math.exp(low + ((high - low) * i) / numBins));
    return {
      quantiles: { min: this.minTotal, q25: within(q25), median: within(median), q75: within(q75), max: this.maxTotal },
      histogram: histogram(
        sorted.map(([value, count]) => [within(value), count]),
        edges,
      ),
    };
  }

  /** Cells of each class in each split, and of those without a class. */
  classes(key: string): { classes: readonly (readonly number[])[]; missing: readonly number[] } {
    const cells = this.cellsOfClass.get(key)!;
    const rows = Array.from({ length: cells.length / SPLITS.length }, (_, i) => [...cells.subarray(i * SPLITS.length, (i + 1) * SPLITS.length)]);
    return { classes: rows.slice(0, -1), missing: rows.at(-1)! };
  }

  /** Nearest rank. @param sorted values with their number of cells, ascending */
  private quantiles(sorted: readonly (readonly [value: number, count: number])[]): Quantiles {
    const at = (share: number): number => {
      let left = Math.min(this.numCells - 1, Math.floor(share * this.numCells));
      for (const [value, count] of sorted) {
        if (left < count) return value;
        left -= count;
      }
      return NaN;
    };
    return { min: at(0), q25: at(0.25), median: at(0.5), q75: at(0.75), max: at(1) };
  }
}

function histogram(sorted: readonly (readonly [value: number, count: number])[], edges: readonly number[]): Histogram {
  const counts = new Array<number>(edges.length - 1).fill(0);
  let bin = 0;
  for (const [value, count] of sorted) {
    while (bin < counts.length - 1 && value >= edges[bin + 1]!) bin++;
    counts[bin]! += count;
  }
  return { edges, counts };
}
