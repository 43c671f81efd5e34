/**
 * The project's one source of randomness: Threefry-2x32 with 20 rounds (Salmon et al., "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC 2011), a counter-based generator: the n-th draw of a stream is a function of (key, n), nothing else.
 *
 * Streams are named. `rng.fork('step/120/mask')` derives a new key from the parent's key and the name and leaves the parent
 * untouched, so a resumed run draws what the unbroken one would have drawn, and a draw added to one stream moves no other.
 */
export class Rng {
  private readonly key0: number;
  private readonly key1: number;
  private counter: number;
  private readonly block = new Uint32Array(2);
  private blockIndex = -1;

  private constructor(key0: number, key1: number, counter = 0) {
    this.key0 = key0 >>> 0;
    this.key1 = key1 >>> 0;
    this.counter = counter;
  }

  /** @param seed integer in [0, 2^53). */
  static fromSeed(seed: number): Rng {
    if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`seed must be an integer in [0, 2^53), found ${seed}`);
    return new Rng(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0).fork('root');
  }

  /** What a thread needs to draw as this stream's forks do; how much this stream has drawn is not in it. */
  get key(): readonly [number, number] {
    return [this.key0, this.key1];
  }

  static fromKey([key0, key1]: readonly [number, number]): Rng {
    return new Rng(key0, key1);
  }

  /** Independent stream of that name; the same name gives the same stream, however much this one has drawn. */
  fork(name: string): Rng {
    const out = new Uint32Array(2);
    let k0 = this.key0;
    let k1 = this.key1;
    const bytes = new TextEncoder().encode(name);
    // Absorb the name eight bytes at a time; the length in the last block keeps 'a' and 'a\0' apart.
    for (let i = 0; i <= bytes.length; i += 8) {
      let lo = 0;
      let hi = 0;
      for (let j = 0; j < 4; j++) {
        lo |= (bytes[i + j] ?? 0) << (8 * j);
        hi |= (bytes[i + 4 + j] ?? 0) << (8 * j);
      }
      threefry2x32(k0, k1, lo, hi, out);
      k0 = out[0]!;
      k1 = out[1]! ^ (i + 8 > bytes.length ? bytes.length + 1 : 0);
    }
    threefry2x32(k0, k1, 0x5ca1ab1e, 0x0ddba11, out);
    return new Rng(out[0]!, out[1]!);
  }

  /** Next 32 random bits as an integer in [0, 2^32). */
  uint32(): number {
    const index = Math.floor(this.counter / 2);
    if (index !== this.blockIndex) {
      threefry2x32(this.key0, this.key1, index >>> 0, Math.floor(index / 2 ** 32) >>> 0, this.block);
      this.blockIndex = index;
    }
    return this.block[this.counter++ % 2]!;
  }

  /** Uniform in [0, 1) with 53 random bits. */
  uniform(): number {
    const hi = this.uint32() >>> 5;
    const lo = this.uint32() >>> 6;
    return (hi * 67108864 + lo) / 9007199254740992;
  }

  /** Uniform integer in [0, n), without modulo bias. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) throw new RangeError(`n must be an integer in [1, 2^32], found ${n}`);
    const limit = 2 ** 32 - (2 ** 32 % n);
    let draw = this.uint32();
    while (draw >= limit) draw = this.uint32();
    return draw % n;
  }

  /** Standard normal (Box-Muller, one of the pair: the draw count stays a function of the call count). */
  normal(): number {
    const u = 1 - this.uniform();
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Number of successes in n trials of probability p, trial by trial: exact, and counts in single cells are small. */
  binomial(n: number, p: number): number {
    if (p <= 0 || n <= 0) return 0;
    if (p >= 1) return n;
    let successes = 0;
    for (let i = 0; i < n; i++) if (this.uniform() < p) successes++;
    return successes;
  }

  /** Fisher-Yates, in place; returns its argument. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    const a = items as unknown as unknown[];
    for (let i = a.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [a[i], a[j]] = [a[j], a[i]];
    }
    return items;
  }

  /** Random order of 0 … n-1. */
  permutation(n: number): Int32Array {
    return this.shuffle(Int32Array.from({ length: n }, (_, i) => i));
  }

  /** Two int32, the form in which TensorFlow's stateless ops take a seed. */
  seedPair(): [number, number] {
    return [this.uint32() | 0, this.uint32() | 0];
  }
}

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;

/** One Threefry-2x32-20 block: key (k0, k1), counter (c0, c1) → out[0], out[1]. */
export function threefry2x32(k0: number, k1: number, c0: number, c1: number, out: Uint32Array): void {
  const ks0 = k0 | 0;
  const ks1 = k1 | 0;
  const ks = [ks0, ks1, 0x1bd11bda ^ ks0 ^ ks1];
  let x0 = (c0 + ks0) | 0;
  let x1 = (c1 + ks1) | 0;
  for (let round = 0; round < 20; round++) {
    const r = ROTATIONS[round % 8]!;
    x0 = (x0 + x1) | 0;
    x1 = ((x1 << r) | (x1 >>> (32 - r))) ^ x0;
    if (round % 4 === 3) {
      const s = (round + 1) / 4;
      x0 = (x0 + ks[s % 3]!) | 0;
      x1 = (x1 + ks[(s + 1) % 3]! + s) | 0;
    }
  }
  out[0] = x0;
  out[1] = x1;
}
