import type { RowBlock } from '../readers/reader.js';
import type { ValueScale } from './config.js';
import type { RawCell } from './depth.js';

/**
 * Turns rows of a source matrix into raw cells: columns become vocabulary ids in ascending order, columns of the same gene
 * are added up (as linear expression), columns outside the vocabulary count towards the library size alone.
 */
export class RowTranslator {
  private readonly vocabularyIds: Int32Array;
  private readonly scale: ValueScale;
  private readonly isAscending: boolean;
  private geneIds: Int32Array;
  private values: Float32Array;
  /** Scatter space by vocabulary id, and one bit for each id that is in use. */
  private readonly sums: Float32Array;
  private readonly isUsed: Uint32Array;
  /** Linear expression of the last row's columns that are in the vocabulary: its share of `total` is the coverage. */
  matched = 0;

  /** @param vocabularyIds [numGenes] vocabulary id of each column, -1 = none */
  constructor(vocabularyIds: Int32Array, vocabularySize: number, scale: ValueScale) {
    this.vocabularyIds = vocabularyIds;
    this.scale = scale;
    const matched = vocabularyIds.filter((id) => id >= 0);
    this.isAscending = matched.every((id, i) => i === 0 || id > matched[i - 1]!);
    this.geneIds = new Int32Array(Math.max(1, matched.length));
    this.values = new Float32Array(Math.max(1, matched.length));
    this.sums = new Float32Array(this.isAscending ? 0 : vocabularySize);
    this.isUsed = new Uint32Array(this.isAscending ? 0 : Math.ceil(vocabularySize / 32));
  }

  /**
   * @param block of checked values: none negative, whole numbers among counts
   * @param r row within the block
   * @returns views that the next call overwrites
   */
  translate(block: RowBlock, r: number): RawCell {
    const start = block.indptr[r]!;
    const end = block.indptr[r + 1]!;
    const isLog = this.scale.kind === 'log1p';
    if (this.isAscending && !isLog) return this.select(block, start, end);
    let total = 0;
    let matched = 0;
    let n = 0;
    for (let i = start; i < end; i++) {
      const value = block.values[i]!;
      const linear = isLog ? Math.expm1(value) : value;
      total += linear;
      const id = this.vocabularyIds[block.indices[i]!]!;
      if (id < 0) continue;
      matched += linear;
      if (this.isAscending) {
        this.geneIds[n] = id;
        this.values[n++] = value;
      } else {
        this.scatter(id, value, isLog);
      }
    }
    if (!this.isAscending) n = this.gather();
    this.matched = matched;
    return { geneIds: this.geneIds.subarray(0, n), values: this.values.subarray(0, n), total };
  }

  /** The common case: columns in the order of the vocabulary, no logarithms. */
  private select({ indices, values }: RowBlock, start: number, end: number): RawCell {
    const { vocabularyIds, geneIds, values: kept } = this;
    let total = 0;
    let matched = 0;
    let n = 0;
    for (let i = start; i < end; i++) {
      const value = values[i]!;
      const id = vocabularyIds[indices[i]!]!;
      total += value;
      if (id < 0) continue;
      matched += value;
      geneIds[n] = id;
      kept[n++] = value;
    }
    this.matched = matched;
    return { geneIds: geneIds.subarray(0, n), values: kept.subarray(0, n), total };
  }

  private scatter(id: number, value: number, isLog: boolean): void {
    const bit = 1 << (id & 31);
    const isSecond = (this.isUsed[id >>> 5]! & bit) !== 0;
    this.isUsed[id >>> 5]! |= bit;
    if (!isSecond) this.sums[id] = value;
    else this.sums[id] = isLog ? Math.log1p(Math.expm1(this.sums[id]!) + Math.expm1(value)) : this.sums[id]! + value;
  }

  /** Reads the used ids in ascending order and clears them. */
  private gather(): number {
    let n = 0;
    for (let word = 0; word < this.isUsed.length; word++) {
      let bits = this.isUsed[word]!;
      if (bits === 0) continue;
      this.isUsed[word] = 0;
      while (bits !== 0) {
        const low = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const id = word * 32 + low;
        this.geneIds[n] = id;
        this.values[n++] = this.sums[id]!;
      }
    }
    return n;
  }
}
