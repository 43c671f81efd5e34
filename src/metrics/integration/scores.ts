import type { Rng } from '../../rng.js';
import type { SparseMatrix } from '../baselines/sparse-matrix.js';
import { firstNeighbours, MAX_EXACT_CELLS, nearestNeighbours } from '../neighbours.js';
import { takePoints, type Points } from '../points.js';
import { connectivities } from './cell-graph.js';
import { clusteringAgreement } from './clustering-agreement.js';
import { graphConnectivity } from './graph-connectivity.js';
import { kbetPerLabel } from './kbet.js';
import { kMeans } from './kmeans.js';
import { countCodes, numKindsPresent } from './labels.js';
import { bestLeiden } from './leiden.js';
import { clisi, ilisi } from './lisi.js';
import { pcrComparison } from './pcr.js';
import { aswBatch, aswLabel } from './silhouette.js';

/** Neighbours that each part of the table uses, the cell itself counted, as scib-metrics' benchmark. */
const NUM_GRAPH_NEIGHBOURS = 15;
const NUM_KBET_NEIGHBOURS = 50;
const NUM_LISI_NEIGHBOURS = 90;
/** Silhouettes compare all pairs: beyond the limit of exact neighbours they are taken over so many cells, drawn at random. */
const NUM_SILHOUETTE_CELLS = 10_000;

export interface IntegrationData {
  /** The embedding to judge. */
  readonly embedding: Points;
  /** Code of each cell's label and sequencing batch, from 0, none missing. */
  readonly labels: ArrayLike<number>;
  readonly techBatches: ArrayLike<number>;
  /** What the embedding was made from, for the comparison of principal components; without it that score is absent. */
  readonly before?: Points | SparseMatrix;
  readonly rng: Rng;
  /** Told before each part, for a progress line. */
  readonly onPart?: (part: string) => void;
}

/** All 0 … 1 (ari from -0.5), higher is better; NaN where a score is not defined (one label, one batch). */
export interface IntegrationScores {
  /** Best of Leiden at resolutions 0.2 … 2.0. */
  readonly nmi: number;
  readonly ari: number;
  readonly leidenResolution: number;
  /** k-means with as many clusters as labels. */
  readonly nmiKmeans: number;
  readonly ariKmeans: number;
  readonly aswLabel: number;
  readonly clisi: number;
  readonly aswBatch: number;
  readonly graphConnectivity: number;
  readonly kbet: number;
  readonly ilisi: number;
  readonly pcrComparison?: number;
  /** Mean of nmi, ari, aswLabel. */
  readonly avgBio: number;
  /** Mean of aswBatch, graphConnectivity. */
  readonly avgBatch: number;
  /** 0.6 avgBio + 0.4 avgBatch. */
  readonly scibTotal: number;
  /** Cells the silhouettes were taken over. */
  readonly numSilhouetteCells: number;
  readonly neighbourSearch: 'exact' | 'approximate';
}

/** Every integration score of one embedding. @throws RangeError for fewer than 15 cells or codes that do not fit */
export async function integrationScores({ embedding, labels, techBatches, before, rng, onPart = () => {} }: IntegrationData): Promise<IntegrationScores> {
  const n = embedding.numRows;
  if (n < NUM_GRAPH_NEIGHBOURS) throw new RangeError(`${n} cells; integration scores need at least ${NUM_GRAPH_NEIGHBOURS}`);
  const numLabels = numKindsPresent(countCodes(labels, n));
  const numBatches = numKindsPresent(countCodes(techBatches, n));
  const isExact = n <= MAX_EXACT_CELLS;

  onPart('neighbours');
  const lisiNeighbours = await nearestNeighbours(embedding, Math.min(n, NUM_LISI_NEIGHBOURS));
  const graphNeighbours = firstNeighbours(lisiNeighbours, NUM_GRAPH_NEIGHBOURS);

  onPart('clusters');
  const leiden = bestLeiden(connectivities(graphNeighbours), labels, rng.fork('leiden'));
  const kmeans = clusteringAgreement(labels, kMeans(embedding, numLabels, rng.fork('kmeans')).clusters);

  onPart('silhouettes');
  const sample = isExact ? undefined : rng.fork('silhouette').permutation(n).subarray(0, NUM_SILHOUETTE_CELLS).sort();
  const points = sample ? takePoints(embedding, sample) : embedding;
  const take = (codes: ArrayLike<number>): ArrayLike<number> => (sample ? Int32Array.from(sample, (cell) => codes[cell]!) : codes);
  const widthOfLabels = numLabels > 1 ? aswLabel(points, take(labels)) : NaN;
  const widthOfBatches = numBatches > 1 ? aswBatch(points, take(labels), take(techBatches)) : NaN;

  onPart('mixing of batches');
  const connectivity = graphConnectivity(graphNeighbours, labels);
  const kbet = await kbetPerLabel(connectivities(firstNeighbours(lisiNeighbours, Math.min(n, NUM_KBET_NEIGHBOURS))), techBatches, labels, rng.fork('kbet'));
  const avgBio = (leiden.nmi + leiden.ari + widthOfLabels) / 3;
  const avgBatch = (widthOfBatches + connectivity) / 2;
  return {
    nmi: leiden.nmi,
    ari: leiden.ari,
    leidenResolution: leiden.resolution,
    nmiKmeans: kmeans.nmi,
    ariKmeans: kmeans.ari,
    aswLabel: widthOfLabels,
    clisi: numLabels > 1 ? clisi(lisiNeighbours, labels) : NaN,
    aswBatch: widthOfBatches,
    graphConnectivity: connectivity,
    kbet: numBatches > 1 ? kbet : NaN,
    ilisi: numBatches > 1 ? ilisi(lisiNeighbours, techBatches) : NaN,
    ...(before && { pcrComparison: pcrComparison(before, embedding, techBatches) }),
    avgBio,
    avgBatch,
    scibTotal: 0.6 * avgBio + 0.4 * avgBatch,
    numSilhouetteCells: points.numRows,
    neighbourSearch: isExact ? 'exact' : 'approximate',
  };
}

