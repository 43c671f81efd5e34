import { wasmLoops, type Address } from '../wasm.js';
import type { GeneIds } from './depth.js';

/** wasm/ranking.ts, compiled. Addresses are bytes in `memory`. */
interface Loops {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly weights: Address;
  readonly geneIds: Address;
  readonly counts: Address;
  readonly values: Address;
  readonly scores: Address;
  readonly order: Address;
  readonly rankedIds: Address;
  readonly rankedValues: Address;
  readonly largestId: Address;
  reserve(numWeights: number, n: number): void;
  normaliseCounts(n: number, factor: number): number;
  scoreCountsNarrow(n: number, factor: number): number;
  scoreNarrow(n: number): void;
  scoreWide(n: number, numWeights: number): void;
  rank(n: number, numWanted: number): void;
  gatherNarrow(n: number): void;
  gatherWide(n: number): void;
  gatherOrder(n: number): void;
  rankCountsNarrow(n: number, factor: number): number;
}

const instantiate = wasmLoops<Loops>(new URL('./ranking.wasm', import.meta.url), { log1p: Math.log1p });

/** Genes a cell can have, far beyond any vocabulary: what asks for more is damaged. */
const LARGEST_CELL = (1 << 20) - 1;

/**
 * One cell at a time in the memory of the WebAssembly loops: its genes go in with `load`, get values and scores, are ranked,
 * and come out best first. What a step gives stays until the next cell. docs/benchmarks.md says what the loops save over JavaScript's.
 */
export class Ranker {
  /** [n] log-normalised values: `normaliseCounts` fills them, or the caller. */
  values!: Float32Array;
  /** [n] finite, >= 0: `score` fills them, or the caller. */
  scores!: Float32Array;
  private readonly loops = instantiate();
  private readonly weights: Float32Array;
  private capacity = 0;
  private counts!: Uint16Array;
  private narrowIds!: Uint16Array;
  private wideIds!: Int32Array;
  private order!: Int32Array;
  private rankedIds!: Int32Array;
  private rankedValues!: Float32Array;
  private n = 0;
  private isNarrow = true;
  private readonly isUnweighted: boolean;

  /** @param weights [V] what a gene's value is multiplied with */
  constructor(weights: Float32Array, capacity = 4096) {
    this.weights = weights;
    this.isUnweighted = weights.every((weight) => weight === 1);
    this.allocate(capacity);
  }

  /** Starts the next cell. */
  load(geneIds: GeneIds): void {
    this.n = geneIds.length;
    if (this.n > this.capacity) this.allocate(Math.min(LARGEST_CELL, this.n * 2));
    this.isNarrow = geneIds instanceof Uint16Array;
    if (geneIds instanceof Uint16Array) this.narrowIds.set(geneIds);
    else this.wideIds.set(geneIds);
  }

  /** values = ln(1 + count · factor). @returns how many counts are not 0 */
  normaliseCounts(counts: Uint16Array, factor: number): number {
    this.counts.set(counts);
    return this.loops.normaliseCounts(this.n, factor);
  }

  /** values, then scores. @returns how many counts are not 0 @throws RangeError for an id that has no weight */
  scoreCounts(counts: Uint16Array, factor: number): number {
    if (!this.isNarrow) {
      const numObserved = this.normaliseCounts(counts, factor);
      this.score();
      return numObserved;
    }
    this.counts.set(counts);
    const numObserved = this.loops.scoreCountsNarrow(this.n, factor);
    this.checkIds();
    return numObserved;
  }

  /** scores = values · weights. @throws RangeError for an id that has no weight */
  score(): void {
    if (this.isNarrow) this.loops.scoreNarrow(this.n);
    else this.loops.scoreWide(this.n, this.weights.length);
    this.checkIds();
  }

  private checkIds(): void {
    const largest = this.loops.largestId.value >>> 0;
    if (this.n > 0 && largest >= this.weights.length) throw new RangeError(`gene id ${largest} in a vocabulary of ${this.weights.length}`);
  }

  /** Orders the first `numWanted` of the cell's genes by descending score, equal ones in the order they came. */
  rank(numWanted: number): void {
    this.loops.rank(this.n, Math.min(this.n, numWanted));
  }

  /**
   * The shortest way for counts that rank by themselves, as no gene weighs more than another: what `scoreCounts`, `rank` and `writeTo`
   * give, without values, scores and order beside it. @returns how many genes were written; undefined where the cell is not of that kind
   */
  writeCounts(counts: Uint16Array, factor: number, geneIds: Int32Array, values: Float32Array, offset: number, most: number): number | undefined {
    if (!this.isUnweighted || !this.isNarrow) return undefined;
    this.counts.set(counts);
    const numObserved = this.loops.rankCountsNarrow(this.n, factor);
    if (numObserved < 0) return undefined;
    this.checkIds();
    return this.copyTo(geneIds, values, offset, Math.min(most, numObserved));
  }

  /** Copies the first `numWanted` ranked genes to `offset`. @returns how many */
  writeTo(geneIds: Int32Array, values: Float32Array, offset: number, numWanted: number): number {
    const n = Math.min(this.n, numWanted);
    if (this.isNarrow) this.loops.gatherNarrow(n);
    else this.loops.gatherWide(n);
    return this.copyTo(geneIds, values, offset, n);
  }

  private copyTo(geneIds: Int32Array, values: Float32Array, offset: number, n: number): number {
    geneIds.set(this.rankedIds.subarray(0, n), offset);
    values.set(this.rankedValues.subarray(0, n), offset);
    return n;
  }

  /** Indices of the first `numWanted` ranked genes; a view. */
  ranked(numWanted: number): Int32Array {
    const n = Math.min(this.n, numWanted);
    this.loops.gatherOrder(n);
    return this.order.subarray(0, n);
  }

  private allocate(capacity: number): void {
    if (capacity < this.n) throw new RangeError(`${this.n} genes in a cell, at most ${LARGEST_CELL}`);
    const { loops, weights } = this;
    loops.reserve(weights.length, capacity);
    this.capacity = capacity;
    const { buffer } = loops.memory;
    new Float32Array(buffer, loops.weights.value, weights.length).set(weights);
    this.counts = new Uint16Array(buffer, loops.counts.value, capacity);
    this.narrowIds = new Uint16Array(buffer, loops.geneIds.value, capacity);
    this.wideIds = new Int32Array(buffer, loops.geneIds.value, capacity);
    this.values = new Float32Array(buffer, loops.values.value, capacity);
    this.scores = new Float32Array(buffer, loops.scores.value, capacity);
    this.order = new Int32Array(buffer, loops.order.value, capacity);
    this.rankedIds = new Int32Array(buffer, loops.rankedIds.value, capacity);
    this.rankedValues = new Float32Array(buffer, loops.rankedValues.value, capacity);
  }
}
