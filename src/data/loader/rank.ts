/**
 * Orders genes by score, best first, without a comparison sort: the bits of a float32 >= 0, read as an integer, grow with it.
 * Their range within the cell is cut into 2^18 levels, sorted by two passes of a stable radix sort, and neighbours that share
 * a level are put right by a pass of insertion, so that the order is that of the full float32 scores.
 */
const DIGIT_BITS = 9;
const NUM_BUCKETS = 1 << DIGIT_BITS;
const LOW_DIGIT = NUM_BUCKETS - 1;

export class Ranker {
  /** Fill scores[0 … n) (finite, >= 0) before calling `rank(n)`. */
  scores!: Float32Array;
  private bits!: Uint32Array;
  private levels!: Int32Array;
  private order!: Int32Array;
  private scratch!: Int32Array;
  private readonly low = new Int32Array(NUM_BUCKETS);
  private readonly high = new Int32Array(NUM_BUCKETS);

  constructor(capacity = 4096) {
    this.allocate(capacity);
  }

  /** Makes room for n scores; what `scores` held before is lost. */
  reserve(n: number): void {
    if (n > this.scores.length) this.allocate(n * 2);
  }

  private allocate(capacity: number): void {
    this.scores = new Float32Array(capacity);
    this.bits = new Uint32Array(this.scores.buffer);
    this.levels = new Int32Array(capacity);
    this.order = new Int32Array(capacity);
    this.scratch = new Int32Array(capacity);
  }

  /**
   * @param numWanted the rest is not ordered, which saves work
   * @returns the first `numWanted` of the indices 0 … n-1 by descending score, equal scores by ascending index; valid until the next call
   */
  rank(n: number, numWanted = n): Int32Array {
    const { levels, low, high, order, scratch } = this;
    const numCandidates = this.collectCandidates(n, numWanted);
    let start = 0;
    for (let bucket = 0; bucket < NUM_BUCKETS; bucket++) {
      const size = low[bucket]!;
      low[bucket] = start;
      start += size;
    }
    // `order` holds the candidates by index; by low digit into `scratch`, then by high digit back.
    for (let i = 0; i < numCandidates; i++) {
      const index = order[i]!;
      scratch[low[levels[index]! & LOW_DIGIT]!++] = index;
    }
    for (let i = 0; i < numCandidates; i++) {
      const index = scratch[i]!;
      order[high[levels[index]! >>> DIGIT_BITS]!++] = index;
    }
    this.settleNeighbours(numCandidates);
    return order.subarray(0, Math.min(n, numWanted));
  }

  /** Levels (0 = best), the candidates in `order`, and bucket sizes: `low` as counts, `high` as offsets. */
  private collectCandidates(n: number, numWanted: number): number {
    const { bits, levels, low, high, order } = this;
    let least = 0xffffffff;
    let most = 0;
    for (let i = 0; i < n; i++) {
      const value = bits[i]!;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    const shift = Math.max(0, 32 - Math.clz32(n > 0 ? most - least : 0) - 2 * DIGIT_BITS);
    low.fill(0);
    high.fill(0);
    for (let i = 0; i < n; i++) {
      const level = (most - bits[i]!) >>> shift;
      levels[i] = level;
      high[level >>> DIGIT_BITS]!++;
    }
    // The bucket in which the last wanted gene lies, and all better ones.
    let numCandidates = 0;
    let worst = 0;
    for (let bucket = 0; bucket < NUM_BUCKETS && (bucket === 0 || numCandidates < numWanted); bucket++) {
      const size = high[bucket]!;
      high[bucket] = numCandidates;
      numCandidates += size;
      worst = bucket;
    }
    let k = 0;
    for (let i = 0; i < n; i++) {
      const level = levels[i]!;
      if (level >>> DIGIT_BITS > worst) continue;
      low[level & LOW_DIGIT]!++;
      order[k++] = i;
    }
    return numCandidates;
  }

  private settleNeighbours(n: number): void {
    const { bits, order } = this;
    for (let i = 1; i < n; i++) {
      const index = order[i]!;
      const value = bits[index]!;
      let at = i;
      while (at > 0 && bits[order[at - 1]!]! < value) {
        order[at] = order[at - 1]!;
        at--;
      }
      order[at] = index;
    }
  }
}
