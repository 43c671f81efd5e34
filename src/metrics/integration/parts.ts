import { Rng } from '../../rng.js';
import type { Neighbours } from '../neighbours.js';
import { takePoints, type Points } from '../points.js';
import { connectivities } from './cell-graph.js';
import { clusteringAgreement, type Agreement } from './clustering-agreement.js';
import { kbetRates } from './kbet.js';
import { kMeans } from './kmeans.js';
import { countCodes, numKindsPresent } from './labels.js';
import { aswBatch, aswLabel } from './silhouette.js';

/** Parts of the integration scores that need nothing of one another, each from plain data: a thread may compute them. */

interface Codes {
  readonly labels: Int32Array;
  readonly techBatches: Int32Array;
  /** Of the stream that all parts fork from. */
  readonly rngKey: readonly [number, number];
}

export interface GroupsTask extends Codes {
  readonly embedding: Points;
  /** Silhouettes over so many cells, drawn at random; null = over all. */
  readonly numSilhouetteCells: number | null;
}

/** k-means against the labels, and silhouettes of labels and batches. */
export interface Groups extends Agreement {
  readonly aswLabel: number;
  readonly aswBatch: number;
  readonly numSilhouetteCells: number;
}

export function groupsOfPoints({ embedding, labels, techBatches, numSilhouetteCells, rngKey }: GroupsTask): Groups {
  const rng = Rng.fromKey(rngKey);
  const n = embedding.numRows;
  const numLabels = numKindsPresent(countCodes(labels, n));
  const agreement = clusteringAgreement(labels, kMeans(embedding, numLabels, rng.fork('kmeans')).clusters);
  const sample = numSilhouetteCells === null ? undefined : rng.fork('silhouette').permutation(n).subarray(0, numSilhouetteCells).sort();
  const points = sample ? takePoints(embedding, sample) : embedding;
  const take = (codes: Int32Array): Int32Array => (sample ? Int32Array.from(sample, (cell) => codes[cell]!) : codes);
  return {
    ...agreement,
    aswLabel: numLabels > 1 ? aswLabel(points, take(labels)) : NaN,
    aswBatch: numKindsPresent(countCodes(techBatches, n)) > 1 ? aswBatch(points, take(labels), take(techBatches)) : NaN,
    numSilhouetteCells: points.numRows,
  };
}

export interface MixingTask extends Codes {
  readonly neighbours: Neighbours;
  /** Every label whose code is `part` more than a multiple of `numParts`: several threads share the labels. */
  readonly part: number;
  readonly numParts: number;
}

/** kBET of some labels: the rate of each that can be tested. */
export function batchesInNeighbourhoods({ neighbours, labels, techBatches, rngKey, part, numParts }: MixingTask): Promise<number[]> {
  return kbetRates(connectivities(neighbours), techBatches, labels, Rng.fromKey(rngKey).fork('kbet'), {}, (label) => label % numParts === part);
}

/** What a thread can be asked for, by name. */
export interface Parts {
  groups: { task: GroupsTask; result: Groups };
  mixing: { task: MixingTask; result: number[] };
}
