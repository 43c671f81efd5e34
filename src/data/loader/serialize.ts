import { DataError } from '../../errors.js';
import type { Rng } from '../../rng.js';
import type { Vocabulary } from '../genes/vocabulary.js';
import type { Preprocessing, ValueScale } from './config.js';
import { observe, type CellValues, type Observation, type RawCell } from './depth.js';
import { Ranker } from './rank.js';

/**
 * Serialisation: a sparse cell becomes its L best-ranked genes, in order, with their log-normalised values.
 *
 *     value_g = ln(1 + T · x_g / N)          counts and CPM, N the library size of the whole source row
 *     value_g = ln(1 + T/t · expm1(x_g))     log1p values of known target sum t; as stored where t is unknown
 *     score_g = value_g · (1.1 - H_g)        'entropy': H_g in (0, 1] is the gene's smoothed population entropy, see corpus/statistics.ts
 *     score_g = value_g                      'expression'
 *     score_g = a random number              'random'
 *
 * Values and scores are float32; genes of equal score come in ascending id. The weight 1.1 - H goes from 0.1 for a gene that all
 * cells express evenly to 1.1 for one that tells cells apart; a table of ones ranks by expression. docs/adr says why this form.
 */
const LARGEST_WEIGHT = 1.1;

export interface SerializerOptions {
  readonly preprocessing: Preprocessing;
  readonly scale: ValueScale;
  /** [V] smoothed normalised entropy of each gene, as corpora and checkpoints carry it. */
  readonly entropy: Float32Array;
}

/** Where a cell is written: at most maxGenes entries from `offset` on. */
export interface SerializedTarget {
  readonly geneIds: Int32Array;
  readonly values: Float32Array;
  /** Same genes, values of the uncorrupted cell; only where depth corruption is on. */
  readonly cleanValues?: Float32Array | undefined;
  readonly offset: number;
}

/** Counts below this are looked up in a table filled once a cell instead of taking a logarithm each. */
const TABLE_SIZE = 1024;

export class Serializer {
  private readonly preprocessing: Preprocessing;
  private readonly scale: ValueScale;
  /** [V] 1.1 - H, or 1 where order does not depend on entropy. */
  private readonly weights: Float32Array;
  private readonly ranker = new Ranker();
  private values = new Float32Array(4096);
  private positions = new Int32Array(4096);
  private readonly table = new Float32Array(TABLE_SIZE);
  private readonly tableCell = new Int32Array(TABLE_SIZE).fill(-1);
  private cellNumber = -1;

  constructor({ preprocessing, scale, entropy }: SerializerOptions) {
    this.preprocessing = preprocessing;
    this.scale = scale;
    const wrong = entropy.findIndex((h) => !(h >= 0 && h <= 1));
    if (wrong >= 0) throw new DataError({ key: `entropy of gene id ${wrong}`, found: String(entropy[wrong]), expected: 'a number from 0 to 1' });
    this.weights = entropy.map((h) => (preprocessing.serialisation === 'entropy' ? LARGEST_WEIGHT - h : 1));
  }

  /**
   * @param observed the cell as the model shall see it; default: as it is
   * @param rng this cell's stream; needed by 'random' serialisation
   * @returns number of genes written: min(genes observed, maxGenes)
   */
  serialize(cell: RawCell, target: SerializedTarget, observed?: Observation, rng?: Rng): number {
    const { targetSum, maxGenes, serialisation } = this.preprocessing;
    const clean = observe(cell, this.scale, targetSum);
    const numObserved = this.logNormalise(observed ?? clean);
    const { values, positions, ranker, weights } = this;
    ranker.reserve(numObserved);
    const { scores } = ranker;
    if (serialisation === 'random') {
      if (!rng) throw new TypeError("'random' serialisation needs a random stream");
      // 2^24 levels are exact in float32.
      for (let i = 0; i < numObserved; i++) scores[i] = rng.uint32() >>> 8;
    } else {
      const { geneIds } = cell;
      for (let i = 0; i < numObserved; i++) scores[i] = values[i]! * weights[geneIds[positions[i]!]!]!;
    }
    const order = ranker.rank(numObserved, maxGenes);
    const { geneIds: targetIds, values: targetValues, cleanValues, offset } = target;
    for (let k = 0; k < order.length; k++) {
      const i = order[k]!;
      targetIds[offset + k] = cell.geneIds[positions[i]!]!;
      targetValues[offset + k] = values[i]!;
    }
    if (cleanValues) {
      for (let k = 0; k < order.length; k++) cleanValues[offset + k] = this.logNormal(cell.values[positions[order[k]!]!]!, clean.linearFactor);
    }
    return order.length;
  }

  /** Fills `values` and `positions` with the genes that are not 0. @returns how many */
  private logNormalise({ values: raw, linearFactor }: Observation): number {
    this.reserve(raw.length);
    const { values, positions } = this;
    return raw instanceof Uint16Array ? this.logNormaliseCounts(raw, linearFactor) : this.compact(raw, linearFactor, values, positions);
  }

  private logNormaliseCounts(raw: Uint16Array, linearFactor: number): number {
    const { values, positions, table, tableCell } = this;
    const cell = ++this.cellNumber;
    let n = 0;
    for (let i = 0; i < raw.length; i++) {
      const count = raw[i]!;
      if (count === 0) continue;
      positions[n] = i;
      if (count >= TABLE_SIZE) {
        values[n++] = this.logNormal(count, linearFactor);
        continue;
      }
      if (tableCell[count] !== cell) {
        tableCell[count] = cell;
        table[count] = this.logNormal(count, linearFactor);
      }
      values[n++] = table[count]!;
    }
    return n;
  }

  private compact(raw: CellValues, linearFactor: number, values: Float32Array, positions: Int32Array): number {
    let n = 0;
    for (let i = 0; i < raw.length; i++) {
      const value = raw[i]!;
      if (value === 0) continue;
      positions[n] = i;
      values[n++] = this.logNormal(value, linearFactor);
    }
    return n;
  }

  private logNormal(value: number, linearFactor: number): number {
    if (this.scale.kind !== 'log1p') return Math.log1p(value * linearFactor);
    return linearFactor === 1 ? value : Math.log1p(Math.expm1(value) * linearFactor);
  }

  private reserve(n: number): void {
    if (n <= this.values.length) return;
    const capacity = Math.max(n, this.values.length * 2);
    this.values = new Float32Array(capacity);
    this.positions = new Int32Array(capacity);
  }
}

/** Entropy table that favours no gene: 1 for every id. */
export function flatEntropy(vocabulary: Vocabulary): Float32Array {
  return new Float32Array(vocabulary.size).fill(1);
}
