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

/** [V] what a gene's value is multiplied with to rank it; 1 throughout but for 'entropy'. @throws DataError for an entropy that is none */
export function rankingWeights({ serialisation }: Pick<Preprocessing, 'serialisation'>, entropy: Float32Array): Float32Array {
  const wrong = entropy.findIndex((h) => !(h >= 0 && h <= 1));
  if (wrong >= 0) throw new DataError({ key: `entropy of gene id ${wrong}`, found: String(entropy[wrong]), expected: 'a number from 0 to 1' });
  return entropy.map((h) => (serialisation === 'entropy' ? LARGEST_WEIGHT - h : 1));
}

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

export class Serializer {
  private readonly preprocessing: Preprocessing;
  private readonly scale: ValueScale;
  private readonly ranker: Ranker;

  constructor({ preprocessing, scale, entropy }: SerializerOptions) {
    this.preprocessing = preprocessing;
    this.scale = scale;
    this.ranker = new Ranker(rankingWeights(preprocessing, entropy));
  }

  /**
   * @param observed the cell as the model shall see it; default: as it is
   * @param rng this cell's stream; needed by 'random' serialisation
   * @returns number of genes written: min(genes observed, maxGenes)
   * @throws RangeError for a gene id outside the entropy table
   */
  serialize(cell: RawCell, target: SerializedTarget, observed?: Observation, rng?: Rng): number {
    const { targetSum, maxGenes, serialisation } = this.preprocessing;
    const { ranker, scale } = this;
    const clean = observe(cell, scale, targetSum);
    const { values, linearFactor } = observed ?? clean;
    ranker.load(cell.geneIds);
    if (serialisation !== 'random' && !target.cleanValues && isCounts(values, scale)) {
      const n = ranker.writeCounts(values, linearFactor, target.geneIds, target.values, target.offset, maxGenes);
      if (n !== undefined) return n;
    }
    const numObserved = serialisation === 'random' ? this.scoreAtRandom(values, linearFactor, rng) : this.score(values, linearFactor);
    // Genes that dropped out have value and score 0 and come last: they are never among the first numObserved.
    const numWanted = Math.min(maxGenes, numObserved);
    ranker.rank(numWanted);
    const n = ranker.writeTo(target.geneIds, target.values, target.offset, numWanted);
    const { cleanValues, offset } = target;
    if (cleanValues) {
      const order = ranker.ranked(n);
      for (let k = 0; k < n; k++) cleanValues[offset + k] = logNormal(cell.values[order[k]!]!, clean.linearFactor, scale);
    }
    return n;
  }

  /** @returns how many genes are expressed */
  private score(raw: CellValues, linearFactor: number): number {
    if (isCounts(raw, this.scale)) return this.ranker.scoreCounts(raw, linearFactor);
    const numObserved = this.normalise(raw, linearFactor);
    this.ranker.score();
    return numObserved;
  }

  private scoreAtRandom(raw: CellValues, linearFactor: number, rng: Rng | undefined): number {
    if (!rng) throw new TypeError("'random' serialisation needs a random stream");
    const numObserved = this.normalise(raw, linearFactor);
    const { values, scores } = this.ranker;
    // 2^24 levels are exact in float32.
    for (let i = 0; i < raw.length; i++) scores[i] = values[i] === 0 ? 0 : 1 + (rng.uint32() >>> 8);
    return numObserved;
  }

  /** @returns how many values are not 0 */
  private normalise(raw: CellValues, linearFactor: number): number {
    const { ranker } = this;
    if (isCounts(raw, this.scale)) return ranker.normaliseCounts(raw, linearFactor);
    const { values } = ranker;
    let numZeros = 0;
    for (let i = 0; i < raw.length; i++) {
      const value = raw[i]!;
      if (value === 0) numZeros++;
      values[i] = logNormal(value, linearFactor, this.scale);
    }
    return raw.length - numZeros;
  }
}

/** The value that the model is shown of a stored one. @param linearFactor what the cell's linear expression is multiplied with */
export function logNormal(value: number, linearFactor: number, { kind }: Pick<ValueScale, 'kind'>): number {
  if (kind !== 'log1p') return Math.log1p(value * linearFactor);
  return linearFactor === 1 ? value : Math.log1p(Math.expm1(value) * linearFactor);
}

/** Whether these are small integers that the logarithm is still to be taken of. */
function isCounts(values: CellValues, scale: ValueScale): values is Uint16Array {
  return values instanceof Uint16Array && scale.kind !== 'log1p';
}

/** Entropy table that favours no gene: 1 for every id. */
export function flatEntropy(vocabulary: Vocabulary): Float32Array {
  return new Float32Array(vocabulary.size).fill(1);
}
