// R regulators, G genes

/** Sums over cells for every pair (regulator, gene): memory does not grow with the cells. */
export class PairSums {
  private readonly sums: Float64Array;
  private readonly counts: Int32Array;

  constructor(
    readonly numRegulators: number,
    readonly numGenes: number,
  ) {
    this.sums = new Float64Array(numRegulators * numGenes);
    this.counts = new Int32Array(numRegulators * numGenes);
  }

  add(regulator: number, gene: number, value: number): void {
    const at = regulator * this.numGenes + gene;
    this.sums[at]! += value;
    this.counts[at]!++;
  }

  /** [R, G] means over the cells in which the pair was seen; 0 where those are fewer than `minCells`. */
  means(minCells = 1): Float64Array {
    return this.sums.map((sum, at) => (this.counts[at]! >= Math.max(1, minCells) ? sum / this.counts[at]! : 0));
  }

  /** [R, G] cells in which the pair was seen. */
  get numCells(): Int32Array {
    return this.counts;
  }
}

/** Expected attention of a rank asking for a rank, over all cells: ranks in bins that widen, for what the last ranks do changes slowly. */
export class PositionExpectation {
  private readonly sums: Float64Array;
  private readonly counts: Float64Array;
  private readonly binOf: Int32Array;
  private readonly numBins: number;

  /** @param seqLen L, ranks 0 … L - 1 */
  constructor(seqLen: number, numBins = 64) {
    // Single ranks at first, then bins of growing width: bin ~ numBins · log(1 + rank) / log(1 + L), never wider apart than ranks.
    const scale = numBins / Math.log1p(seqLen);
    let bin = -1;
    let last = -1;
    this.binOf = Int32Array.from({ length: seqLen }, (_, rank) => {
      const wanted = Math.floor(scale * Math.log1p(rank));
      if (wanted !== last) bin++;
      last = wanted;
      return bin;
    });
    this.numBins = bin + 1;
    this.sums = new Float64Array(this.numBins ** 2);
    this.counts = new Float64Array(this.numBins ** 2);
  }

  add(asking: number, asked: number, value: number): void {
    const at = this.binOf[asking]! * this.numBins + this.binOf[asked]!;
    this.sums[at]! += value;
    this.counts[at]!++;
  }

  /** Mean of what was added between these ranks' bins; 0 where nothing was. */
  at(asking: number, asked: number): number {
    const at = this.binOf[asking]! * this.numBins + this.binOf[asked]!;
    return this.counts[at]! > 0 ? this.sums[at]! / this.counts[at]! : 0;
  }
}
