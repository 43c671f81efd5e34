import type { ValueScale } from '../loader/config.js';
import { observe, type RawCell } from '../loader/depth.js';

/**
 * Population statistics of genes, over the training split alone: what a model learns from must not know the held-out cells.
 *
 * Notation: x_cg the log-normalised value of gene g in cell c (the number the model is shown), N cells, n_g of them with
 * x_cg > 0, S_g = Σ_c x_cg, p_cg = x_cg / S_g.
 *
 *     H_g = -Σ_c p_cg ln p_cg = ln S_g - (Σ_c x_cg ln x_cg) / S_g          Shannon entropy over the population, in nats
 *     Ĥ_g = H_g / ln N                                                     0: in one cell only; 1: evenly in all of them
 *     entropy_g = (n_g · Ĥ_g + κ) / (n_g + κ)                              smoothed towards 1, in (0, 1]
 *
 * H from few observations is biased low: a gene seen in one cell by chance has H = 0 and would lead every ranking. κ pseudo-
 * cells of maximal entropy say that a gene counts as a housekeeping gene until cells show otherwise; a gene never seen gets 1.
 */
export const ENTROPY_PSEUDO_CELLS = 100;
/** Target sum of the values these statistics are computed on. */
export const STATISTICS_TARGET_SUM = 10_000;

export interface GeneStatistics {
  /** Cells of the training split. */
  readonly numCells: number;
  /** [V] n_g by vocabulary id; 0 for special ids, as in the arrays below unless they say otherwise. */
  readonly numDetected: Int32Array;
  /** [V] S_g / N, over all cells, zeros included. */
  readonly mean: Float64Array;
  /** [V] Ĥ_g; 1 where the gene was never seen. */
  readonly rawEntropy: Float32Array;
}

/** What cells add up to; pieces add up to the whole. */
export interface GeneSums {
  readonly numCells: number;
  /** [V] */
  readonly numDetected: Int32Array;
  /** [2 V] for each gene Σ x and Σ x ln x, side by side: a cell touches its genes all over the table. */
  readonly sums: Float64Array;
}

/** Sums that any number of cells can be added to, in pieces that are merged later. */
export class GeneAccumulator implements GeneSums {
  numCells = 0;
  readonly numDetected: Int32Array;
  readonly sums: Float64Array;
  private readonly scale: ValueScale;
  private readonly tableX = new Float64Array(TABLE_SIZE);
  private readonly tableXLogX = new Float64Array(TABLE_SIZE);
  private readonly tableCell = new Int32Array(TABLE_SIZE);

  constructor(vocabularySize: number, scale: ValueScale) {
    this.scale = scale;
    this.numDetected = new Int32Array(vocabularySize);
    this.sums = new Float64Array(2 * vocabularySize);
  }

  add(cell: RawCell): void {
    const { values, linearFactor } = observe(cell, this.scale, STATISTICS_TARGET_SUM);
    const { geneIds } = cell;
    const { numDetected, sums, tableX, tableXLogX, tableCell } = this;
    const cellNumber = ++this.numCells;
    const isCounts = values instanceof Uint16Array;
    for (let i = 0; i < geneIds.length; i++) {
      const raw = values[i]!;
      const gene = geneIds[i]!;
      numDetected[gene]!++;
      // A cell holds few distinct counts: one pair of logarithms each.
      if (isCounts && raw < TABLE_SIZE) {
        if (tableCell[raw] !== cellNumber) {
          tableCell[raw] = cellNumber;
          const x = this.logNormal(raw, linearFactor);
          tableX[raw] = x;
          tableXLogX[raw] = x * Math.log(x);
        }
        sums[2 * gene]! += tableX[raw]!;
        sums[2 * gene + 1]! += tableXLogX[raw]!;
      } else {
        const x = this.logNormal(raw, linearFactor);
        sums[2 * gene]! += x;
        sums[2 * gene + 1]! += x * Math.log(x);
      }
    }
  }

  /** The sums of the cells added since this was last asked. */
  takeSums(): GeneSums {
    const taken = { numCells: this.numCells, numDetected: this.numDetected.slice(), sums: this.sums.slice() };
    this.numCells = 0;
    this.numDetected.fill(0);
    this.sums.fill(0);
    this.tableCell.fill(0);
    return taken;
  }

  /** Adds what another accumulator has seen. */
  merge(other: GeneSums): void {
    this.numCells += other.numCells;
    for (let g = 0; g < this.numDetected.length; g++) this.numDetected[g]! += other.numDetected[g]!;
    for (let i = 0; i < this.sums.length; i++) this.sums[i]! += other.sums[i]!;
  }

  statistics(): GeneStatistics {
    const { numCells } = this;
    const maxEntropy = Math.log(numCells);
    const rawEntropy = new Float32Array(this.numDetected.length).fill(1);
    const mean = new Float64Array(this.numDetected.length);
    for (let g = 0; g < mean.length; g++) {
      const sum = this.sums[2 * g]!;
      if (sum <= 0) continue;
      mean[g] = sum / numCells;
      // Rounding can leave the border of [0, 1] by an ulp. One cell in all: every distribution over it is even.
      if (numCells > 1) rawEntropy[g] = Math.min(1, Math.max(0, (Math.log(sum) - this.sums[2 * g + 1]! / sum) / maxEntropy));
    }
    return { numCells, numDetected: this.numDetected.slice(), mean, rawEntropy };
  }

  private logNormal(raw: number, linearFactor: number): number {
    if (this.scale.kind !== 'log1p') return Math.log1p(raw * linearFactor);
    return linearFactor === 1 ? raw : Math.log1p(Math.expm1(raw) * linearFactor);
  }
}

const TABLE_SIZE = 1024;

/** entropy_g of the formula above, by vocabulary id. */
export function smoothEntropy(
  { numDetected, rawEntropy }: Pick<GeneStatistics, 'numDetected' | 'rawEntropy'>,
  pseudoCells = ENTROPY_PSEUDO_CELLS,
): Float32Array {
  return rawEntropy.map((h, g) => (numDetected[g]! * h + pseudoCells) / (numDetected[g]! + pseudoCells));
}
