/**
 * Orders genes by score, best first, without a comparison: a least-significant-digit radix sort of the score's float32 bits.
 * For scores >= 0 the bits read as an unsigned integer grow with the score, so complementing them sorts descending; the sort
 * is stable, so equal scores keep the order they came in.
 */
const DIGIT_BITS = 11;
const NUM_BUCKETS = 1 << DIGIT_BITS;
const DIGIT = NUM_BUCKETS - 1;

export class Ranker {
  /** Fill scores[0 … n) (finite, >= 0) before calling `rank(n)`. */
  scores: Float32Array;
  private keys: Uint32Array;
  private keysOther: Uint32Array;
  private order: Int32Array;
  private orderOther: Int32Array;
  private readonly low = new Int32Array(NUM_BUCKETS);
  private readonly middle = new Int32Array(NUM_BUCKETS);
  private readonly high = new Int32Array(NUM_BUCKETS);

  constructor(capacity = 4096) {
    this.scores = new Float32Array(capacity);
    this.keys = new Uint32Array(capacity);
    this.keysOther = new Uint32Array(capacity);
    this.order = new Int32Array(capacity);
    this.orderOther = new Int32Array(capacity);
  }

  /** Makes room for n scores; what `scores` held before is lost. */
  reserve(n: number): void {
    if (n <= this.scores.length) return;
    const capacity = Math.max(n, this.scores.length * 2);
    this.scores = new Float32Array(capacity);
    this.keys = new Uint32Array(capacity);
    this.keysOther = new Uint32Array(capacity);
    this.order = new Int32Array(capacity);
    this.orderOther = new Int32Array(capacity);
  }

  /** @returns the indices 0 … n-1 by descending score, equal scores by ascending index; valid until the next call */
  rank(n: number): Int32Array {
    const { low, middle, high, keys } = this;
    const bits = new Uint32Array(this.scores.buffer, 0, n);
    low.fill(0);
    middle.fill(0);
    high.fill(0);
    for (let i = 0; i < n; i++) {
      const key = ~bits[i]! >>> 0;
      keys[i] = key;
      low[key & DIGIT]!++;
      middle[(key >>> DIGIT_BITS) & DIGIT]!++;
      high[key >>> (2 * DIGIT_BITS)]!++;
      this.order[i] = i;
    }
    this.pass(n, low, 0);
    this.pass(n, middle, DIGIT_BITS);
    this.pass(n, high, 2 * DIGIT_BITS);
    return this.order;
  }

  private pass(n: number, histogram: Int32Array, shift: number): void {
    const { keys, keysOther, order, orderOther } = this;
    // All in one bucket: nothing would move. Small counts have few distinct bit patterns, so this happens.
    if (n === 0 || histogram[(keys[0]! >>> shift) & DIGIT] === n) return;
    let start = 0;
    for (let bucket = 0; bucket < NUM_BUCKETS; bucket++) {
      const size = histogram[bucket]!;
      histogram[bucket] = start;
      start += size;
    }
    for (let i = 0; i < n; i++) {
      const key = keys[i]!;
      const to = histogram[(key >>> shift) & DIGIT]!++;
      keysOther[to] = key;
      orderOther[to] = order[i]!;
    }
    this.keys = keysOther;
    this.keysOther = keys;
    this.order = orderOther;
    this.orderOther = order;
  }
}
