/**
 * A 64-bit fingerprint of a cell's genes and values: two rounds of murmur3's mixing with different constants, side by side.
 * Among 60 million different cells two agree by chance once in ten thousand corpora.
 */
export class CellHash {
  low = 0;
  high = 0;
  private readonly float = new Float32Array(1);
  private readonly bits = new Uint32Array(this.float.buffer);

  start(): void {
    this.low = 0x2545f491;
    this.high = 0x9e3779b9 | 0;
  }

  /** @param gene a number that stands for the same gene in everything that is compared */
  add(gene: number, value: number): void {
    this.float[0] = value;
    const bits = this.bits[0]!;
    this.low = mixed(mixed(this.low, gene, 0xcc9e2d51, 0x1b873593), bits, 0xcc9e2d51, 0x1b873593);
    this.high = mixed(mixed(this.high, gene, 0x239b961b, 0xab0e9789), bits, 0x239b961b, 0xab0e9789);
  }

  finish(): void {
    this.low = avalanche(this.low);
    this.high = avalanche(this.high ^ this.low);
  }
}

function mixed(hash: number, word: number, c1: number, c2: number): number {
  let k = Math.imul(word, c1);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, c2);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function avalanche(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** From fingerprint to the first cell that had it; 12 bytes an entry at a load of at most a half, no object a cell. */
export class HashTable {
  private capacity: number;
  private lows: Int32Array;
  private highs: Int32Array;
  /** Number of the cell plus one; 0 = free. */
  private cells: Int32Array;
  size = 0;

  constructor(expected = 1024) {
    this.capacity = 2 ** Math.max(4, Math.ceil(Math.log2(expected * 2)));
    [this.lows, this.highs, this.cells] = [new Int32Array(this.capacity), new Int32Array(this.capacity), new Int32Array(this.capacity)];
  }

  /** @returns the cell that has this fingerprint already, or -1 after adding this one */
  addIfNew(low: number, high: number, cell: number): number {
    if (this.size * 2 >= this.capacity) this.grow();
    const at = this.find(low, high);
    if (this.cells[at] !== 0) return this.cells[at]! - 1;
    this.put(at, low, high, cell + 1);
    this.size++;
    return -1;
  }

  /** @returns the cell with this fingerprint, or -1 */
  get(low: number, high: number): number {
    return this.cells[this.find(low, high)]! - 1;
  }

  private find(low: number, high: number): number {
    let at = (low ^ high) & (this.capacity - 1);
    while (this.cells[at] !== 0 && (this.lows[at] !== low || this.highs[at] !== high)) at = (at + 1) & (this.capacity - 1);
    return at;
  }

  private put(at: number, low: number, high: number, cell: number): void {
    this.lows[at] = low;
    this.highs[at] = high;
    this.cells[at] = cell;
  }

  private grow(): void {
    const { lows, highs, cells } = this;
    this.capacity *= 2;
    [this.lows, this.highs, this.cells] = [new Int32Array(this.capacity), new Int32Array(this.capacity), new Int32Array(this.capacity)];
    for (let i = 0; i < cells.length; i++) if (cells[i] !== 0) this.put(this.find(lows[i]!, highs[i]!), lows[i]!, highs[i]!, cells[i]!);
  }
}
