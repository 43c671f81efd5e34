import type { CellMatrix, RowBlock } from '../readers/reader.js';
import { MixtureCollector, type RowGroup } from './mixture.js';

/** Figures of the rows of a matrix that were looked at: all of them, or a sample. Zeros that are not stored count as zeros. */
export interface MatrixStatistics {
  readonly numRows: number;
  readonly numNonZero: number;
  /** Sum of the finite values. */
  readonly sum: number;
  /** Smallest and largest finite value other than zero; 0 when there is none. */
  readonly min: number;
  readonly max: number;
  readonly numNonInteger: number;
  readonly numNegative: number;
  readonly numNonFinite: number;
  readonly numEmptyCells: number;
  /** Rows of the first few of them. */
  readonly emptyCells: readonly number[];
  /** Totals of the cells that have any. */
  readonly rowSums: Spread;
  /** The same after exp(v) - 1 and after 2^v - 1 of each value; undefined once a value was too large for a logarithm. */
  readonly expRowSums: Spread | undefined;
  readonly exp2RowSums: Spread | undefined;
  /** Rows that cannot be of one make; undefined for a matrix of one piece. */
  readonly mixture: readonly RowGroup[] | undefined;
  /** [numGenes] */
  readonly geneSums: Float64Array;
}

export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** Standard deviation over mean. */
  readonly variation: number;
}

/** No expression is e^30 times another one: a larger value is no logarithm. */
const LARGEST_LOGARITHM = 30;
const EMPTY_CELLS_NAMED = 3;

/** Collects statistics block by block. */
export class StatisticsCollector {
  private numRows = 0;
  private numNonZero = 0;
  private sum = 0;
  private min = Infinity;
  private max = -Infinity;
  private numNonInteger = 0;
  private numNegative = 0;
  private numNonFinite = 0;
  private numEmptyCells = 0;
  private readonly emptyCells: number[] = [];
  private readonly rowSums = new SpreadCollector();
  private readonly expRowSums = new SpreadCollector();
  private readonly exp2RowSums = new SpreadCollector();
  private readonly mixture = new MixtureCollector();
  private readonly geneSums: Float64Array;

  constructor(numGenes: number) {
    this.geneSums = new Float64Array(numGenes);
  }

  add({ firstRow, numRows, indptr, indices, values }: RowBlock): void {
    this.numRows += numRows;
    this.numNonZero += values.length;
    for (let row = 0; row < numRows; row++) {
      let [rowSum, expSum, exp2Sum] = [0, 0, 0];
      let [numNonInteger, numNegative, largest] = [0, 0, -Infinity];
      for (let i = indptr[row]!; i < indptr[row + 1]!; i++) {
        const value = values[i]!;
        if (!Number.isFinite(value)) {
          this.numNonFinite++;
          continue;
        }
        if (value < this.min) this.min = value;
        if (value > largest) largest = value;
        if (value < 0) numNegative++;
        if (!Number.isInteger(value)) numNonInteger++;
        rowSum += value;
        this.geneSums[indices[i]!]! += value;
      }
      if (largest > this.max) this.max = largest;
      this.numNegative += numNegative;
      this.numNonInteger += numNonInteger;
      // Logarithms are fractions: whole numbers are spared the exponentials.
      const canBeLog = numNonInteger > 0 && numNegative === 0 && largest <= LARGEST_LOGARITHM;
      if (canBeLog) {
        for (let i = indptr[row]!; i < indptr[row + 1]!; i++) {
          const value = values[i]!;
          if (!Number.isFinite(value)) continue;
          expSum += Math.expm1(value);
          exp2Sum += 2 ** value - 1;
        }
      }
      this.mixture.add(
        numNegative > 0 ? 'negative' : numNonInteger > 0 ? 'fractions' : 'whole',
        indptr[row + 1]! - indptr[row]!,
        rowSum,
        canBeLog ? expSum : undefined,
      );
      this.sum += rowSum;
      if (indptr[row] === indptr[row + 1]) {
        if (this.numEmptyCells++ < EMPTY_CELLS_NAMED) this.emptyCells.push(firstRow + row);
        continue;
      }
      this.rowSums.add(rowSum);
      if (!canBeLog) continue;
      this.expRowSums.add(expSum);
      this.exp2RowSums.add(exp2Sum);
    }
  }

  result(): MatrixStatistics {
    const canBeLogarithm = this.max <= LARGEST_LOGARITHM && this.numNegative === 0 && this.expRowSums.count > 0;
    return {
      numRows: this.numRows,
      numNonZero: this.numNonZero,
      sum: this.sum,
      min: Number.isFinite(this.min) ? this.min : 0,
      max: Number.isFinite(this.max) ? this.max : 0,
      numNonInteger: this.numNonInteger,
      numNegative: this.numNegative,
      numNonFinite: this.numNonFinite,
      numEmptyCells: this.numEmptyCells,
      emptyCells: this.emptyCells,
      rowSums: this.rowSums.spread(),
      expRowSums: canBeLogarithm ? this.expRowSums.spread() : undefined,
      exp2RowSums: canBeLogarithm ? this.exp2RowSums.spread() : undefined,
      mixture: this.mixture.result(),
      geneSums: this.geneSums,
    };
  }
}

/** Mean and spread in one pass (Welford). */
class SpreadCollector {
  count = 0;
  private mean = 0;
  private squares = 0;
  private min = Infinity;
  private max = -Infinity;

  add(value: number): void {
    this.count++;
    const distance = value - this.mean;
    this.mean += distance / this.count;
    this.squares += distance * (value - this.mean);
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  spread(): Spread {
    if (this.count === 0) return { mean: 0, min: 0, max: 0, variation: 0 };
    const deviation = Math.sqrt(this.squares / this.count);
    return { mean: this.mean, min: this.min, max: this.max, variation: this.mean === 0 ? 0 : deviation / Math.abs(this.mean) };
  }
}

/** A sample reads at most this many cells of a matrix, from several places. */
const SAMPLE_ROWS = 2048;
const SAMPLE_PLACES = 8;

/** Statistics of all cells up to SAMPLE_ROWS of them, else of a sample from evenly spread places. */
export async function sampleStatistics(matrix: CellMatrix): Promise<MatrixStatistics> {
  const collector = new StatisticsCollector(matrix.numGenes);
  // Every place of a column-compressed matrix costs a pass over the whole file.
  const numPlaces = matrix.numCells <= SAMPLE_ROWS || matrix.encoding === 'csc' ? 1 : SAMPLE_PLACES;
  const rowsPerPlace = Math.min(matrix.numCells, SAMPLE_ROWS / numPlaces);
  for (let place = 0; place < numPlaces; place++) {
    const start = numPlaces === 1 ? 0 : Math.round((place * (matrix.numCells - rowsPerPlace)) / (numPlaces - 1));
    for await (const block of matrix.rowBlocks({ start, end: start + rowsPerPlace, allowNonFinite: true })) collector.add(block);
  }
  return collector.result();
}

/** Statistics of every cell. @param onRows hears how many cells are done */
export async function fullStatistics(matrix: CellMatrix, onRows: (done: number) => void = () => {}): Promise<MatrixStatistics> {
  const collector = new StatisticsCollector(matrix.numGenes);
  for await (const block of matrix.rowBlocks({ allowNonFinite: true })) {
    collector.add(block);
    onRows(block.firstRow + block.numRows);
  }
  return collector.result();
}
