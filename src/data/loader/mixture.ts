import { createHash } from 'node:crypto';
import { ConfigError, DataError } from '../../errors.js';
import { openCorpus, type Corpus } from '../corpus/corpus.js';
import { smoothEntropy, type GeneStatistics } from '../corpus/statistics.js';
import type { CorpusChoice } from './config.js';

/** What a training reads: one corpus, or several that look like one. Rows of the second follow those of the first, and so on. */
export interface CellSource extends Pick<
  Corpus,
  'path' | 'fingerprint' | 'vocabulary' | 'scale' | 'entropy' | 'numCells' | 'layouts' | 'obsKeys' | 'labelCodes' | 'splitRows' | 'numGenesPerCell' | 'close'
> {
  /** Of several corpora: the first row of each. */
  readonly firstRows?: readonly number[];
  /** Where corpora have weights: whose rows are shown how often in a training pass. Without, every row counts the same. */
  readonly parts?: readonly CorpusPart[];
}

export interface CorpusPart {
  readonly path: string;
  /** Its rows are firstRow … firstRow + numCells - 1. */
  readonly firstRow: number;
  readonly numCells: number;
  /** Its part of the cells that a training pass shows, 0 … 1; the shares of all add up to 1. */
  readonly share: number;
}

/**
 * Opens one corpus, or several to train on together: the same genes in the same order, the same kind of values. The entropy that ranks
 * genes is that of all training cells together.
 * @throws DataError for corpora that cannot be one; ConfigError where only some have a weight
 */
export async function openCorpora(choice: CorpusChoice): Promise<CellSource> {
  if (typeof choice === 'string') return openCorpus(choice);
  const numWeights = choice.filter(({ weight }) => weight !== undefined).length;
  if (numWeights > 0 && numWeights < choice.length) {
    const bare = choice.find(({ weight }) => weight === undefined)!;
    throw new ConfigError({
      key: 'data.corpus',
      found: `${bare.path} has no weight, others have one`,
      expected: 'a weight for each corpus, or for none: then every cell is shown once a pass',
    });
  }
  const corpora: Corpus[] = [];
  try {
    for (const { path } of choice) corpora.push(await openCorpus(path));
    for (const other of corpora.slice(1)) requireAlike(corpora[0]!, other);
    requireDifferent(corpora);
    return join(corpora, numWeights > 0 ? choice.map(({ weight }) => weight!) : undefined);
  } catch (error) {
    for (const corpus of corpora) corpus.close();
    throw error;
  }
}

function requireAlike(first: Corpus, other: Corpus): void {
  if (other.vocabulary.hash !== first.vocabulary.hash) {
    throw new DataError({
      file: other.path,
      key: 'genes',
      found: `not those of ${first.path}, or in another order`,
      hint: `build it again with --genes ${first.path}`,
    });
  }
  const describe = ({ scale }: Corpus): string => (scale.targetSum === undefined ? scale.kind : `${scale.kind} of cells scaled to ${scale.targetSum}`);
  if (describe(other) !== describe(first)) {
    throw new DataError({
      file: other.path,
      key: 'values',
      found: describe(other),
      expected: `${describe(first)}, as in ${first.path}`,
      hint: 'build both with the same --convert',
    });
  }
}

function requireDifferent(corpora: readonly Corpus[]): void {
  const seen = new Map<string, string>();
  for (const { path, fingerprint } of corpora) {
    const before = seen.get(fingerprint);
    if (before !== undefined) throw new DataError({ file: path, found: `the same corpus as ${before}`, hint: 'name it once, with a larger weight' });
    seen.set(fingerprint, path);
  }
}

function join(corpora: readonly Corpus[], weights: readonly number[] | undefined): CellSource {
  const [first] = corpora as [Corpus];
  const firstRows = corpora.map((_, i) => corpora.slice(0, i).reduce((sum, { numCells }) => sum + numCells, 0));
  const numCells = corpora.reduce((sum, corpus) => sum + corpus.numCells, 0);
  const parts = weights && partsOf(corpora, firstRows, weights);
  const labels = new Map<string, Int32Array>();
  return {
    path: corpora.map(({ path }) => path).join(', '),
    fingerprint: createHash('sha256')
      .update(JSON.stringify(corpora.map(({ fingerprint }, i) => [fingerprint, parts?.[i]!.share ?? null])))
      .digest('hex'),
    vocabulary: first.vocabulary,
    scale: first.scale,
    entropy: smoothEntropy(mergeStatistics(corpora.map(({ statistics }) => statistics))),
    numCells,
    layouts: corpora.flatMap(({ layouts }) => layouts),
    obsKeys: first.obsKeys.filter((key) => corpora.every(({ obsKeys }) => obsKeys.includes(key))),
    labelCodes(key) {
      let codes = labels.get(key);
      if (!codes) labels.set(key, (codes = joinLabels(corpora, key, numCells)));
      return codes;
    },
    splitRows: (split) => concat(corpora.map((corpus, i) => corpus.splitRows(split).map((row) => row + firstRows[i]!))),
    numGenesPerCell: () => concat(corpora.map((corpus) => corpus.numGenesPerCell())),
    close: () => corpora.forEach((corpus) => corpus.close()),
    firstRows,
    ...(parts && { parts }),
  };
}

function partsOf(corpora: readonly Corpus[], firstRows: readonly number[], weights: readonly number[]): CorpusPart[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  return corpora.map(({ path, numCells, manifest }, i) => {
    if (manifest.splitCells.train === 0)
      throw new DataError({ file: path, key: 'train split', found: 'no cell in it', hint: 'leave it out, or build it with a larger share for training' });
    return { path, firstRow: firstRows[i]!, numCells, share: weights[i]! / sum };
  });
}

/** Codes of a label over all corpora: the same name has the same code everywhere. */
function joinLabels(corpora: readonly Corpus[], key: string, numCells: number): Int32Array {
  const codeOf = new Map<string, number>();
  const joined = new Int32Array(numCells);
  let row = 0;
  for (const corpus of corpora) {
    const names = corpus.labelNames(key);
    const here = names.map((name) => {
      if (!codeOf.has(name)) codeOf.set(name, codeOf.size);
      return codeOf.get(name)!;
    });
    for (const code of corpus.labelCodes(key)) joined[row++] = code < 0 ? -1 : here[code]!;
  }
  return joined;
}

/** Statistics of all cells from those of parts: the sums that corpus/statistics.ts is made of can be had back from what it gives. */
function mergeStatistics(parts: readonly GeneStatistics[]): GeneStatistics {
  const size = parts[0]!.mean.length;
  const numCells = parts.reduce((sum, part) => sum + part.numCells, 0);
  const numDetected = new Int32Array(size);
  const mean = new Float64Array(size);
  const rawEntropy = new Float32Array(size).fill(1);
  for (let gene = 0; gene < size; gene++) {
    let sum = 0;
    let sumXLogX = 0;
    for (const part of parts) {
      const partSum = part.mean[gene]! * part.numCells;
      if (partSum <= 0) continue;
      numDetected[gene]! += part.numDetected[gene]!;
      sum += partSum;
      sumXLogX += partSum * (Math.log(partSum) - part.rawEntropy[gene]! * Math.log(part.numCells));
    }
    if (sum <= 0) continue;
    mean[gene] = sum / numCells;
    if (numCells > 1) rawEntropy[gene] = Math.min(1, Math.max(0, (Math.log(sum) - sumXLogX / sum) / Math.log(numCells)));
  }
  return { numCells, numDetected, mean, rawEntropy };
}

function concat(arrays: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}
