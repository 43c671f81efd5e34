import type { Rng } from '../../rng.js';
import type { SparseMatrix } from '../baselines/sparse-matrix.js';
import { meanOfNumbers } from '../correlation.js';
import { firstNeighbours, MAX_EXACT_CELLS, nearestNeighbours } from '../neighbours.js';
import type { Points } from '../points.js';
import { connectivities } from './cell-graph.js';
import { graphConnectivity } from './graph-connectivity.js';
import { countCodes, numKindsPresent } from './labels.js';
import { bestLeiden } from './leiden.js';
import { clisi, ilisi } from './lisi.js';
import { batchesInNeighbourhoods, groupsOfPoints } from './parts.js';
import { inThread } from './part-in-thread.js';
import { pcrComparison } from './pcr.js';

/** Neighbours that each part of the table uses, the cell itself counted, as scib-metrics' benchmark. */
const NUM_GRAPH_NEIGHBOURS = 15;
const NUM_KBET_NEIGHBOURS = 50;
const NUM_LISI_NEIGHBOURS = 90;
/** Silhouettes compare all pairs: beyond the limit of exact neighbours they are taken over so many cells, drawn at random. */
const NUM_SILHOUETTE_CELLS = 10_000;
/** Threads that share the labels of kBET, the longest part beside the search for neighbours. */
const NUM_MIXING_THREADS = 2;
/** From so many cells on, what does not wait for one another runs in threads beside: to start them pays. */
const MIN_CELLS_FOR_THREADS = 10_000;

export interface IntegrationData {
  /** The embedding to judge. */
  readonly embedding: Points;
  /** Code of each cell's label and sequencing batch, from 0, none missing. */
  readonly labels: ArrayLike<number>;
  readonly techBatches: ArrayLike<number>;
  /** What the embedding was made from, for the comparison of principal components; without it that score is absent. */
  readonly before?: Points | SparseMatrix;
  readonly rng: Rng;
  /** Whether parts run in threads of their own; the scores are the same. Default: from 10,000 cells on. */
  readonly usesThreads?: boolean;
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
export async function integrationScores({
  embedding,
  labels,
  techBatches,
  before,
  rng,
  usesThreads,
  onPart = () => {},
}: IntegrationData): Promise<IntegrationScores> {
  const n = embedding.numRows;
  if (n < NUM_GRAPH_NEIGHBOURS) throw new RangeError(`${n} cells; integration scores need at least ${NUM_GRAPH_NEIGHBOURS}`);
  const numLabels = numKindsPresent(countCodes(labels, n));
  const numBatches = numKindsPresent(countCodes(techBatches, n));
  const isExact = n <= MAX_EXACT_CELLS;
  const isThreaded = usesThreads ?? n >= MIN_CELLS_FOR_THREADS;
  const codes = { labels: Int32Array.from(labels), techBatches: Int32Array.from(techBatches) };

  // Clusters and silhouettes wait for no neighbours.
  const groupsTask = { ...codes, embedding, numSilhouetteCells: isExact ? null : NUM_SILHOUETTE_CELLS, rngKey: rng.key };
  const groupsInThread = isThreaded ? inThread('groups', groupsTask) : undefined;
  groupsInThread?.catch(() => {}); // reported where it is awaited

  onPart('neighbours');
  const lisiNeighbours = await nearestNeighbours(embedding, Math.min(n, NUM_LISI_NEIGHBOURS));
  const graphNeighbours = firstNeighbours(lisiNeighbours, NUM_GRAPH_NEIGHBOURS);
  const kbetNeighbours = firstNeighbours(lisiNeighbours, Math.min(n, NUM_KBET_NEIGHBOURS));
  const mixingTask = (part: number, numParts: number) => ({ ...codes, neighbours: kbetNeighbours, rngKey: rng.key, part, numParts });
  const mixingInThreads = isThreaded
    ? Promise.all(Array.from({ length: NUM_MIXING_THREADS }, (_, part) => inThread('mixing', mixingTask(part, NUM_MIXING_THREADS))))
    : undefined;
  mixingInThreads?.catch(() => {});

  onPart('clusters');
  const leiden = bestLeiden(connectivities(graphNeighbours), labels, rng.fork('leiden'));

  onPart('silhouettes');
  const groups = await (groupsInThread ?? groupsOfPoints(groupsTask));

  onPart('mixing of batches');
  const connectivity = graphConnectivity(graphNeighbours, labels);
  const scoresOfLisi = { clisi: numLabels > 1 ? clisi(lisiNeighbours, labels) : NaN, ilisi: numBatches > 1 ? ilisi(lisiNeighbours, techBatches) : NaN };
  const kbet = meanOfNumbers((await (mixingInThreads ?? Promise.all([batchesInNeighbourhoods(mixingTask(0, 1))]))).flat());
  const avgBio = (leiden.nmi + leiden.ari + groups.aswLabel) / 3;
  const avgBatch = (groups.aswBatch + connectivity) / 2;
  return {
    nmi: leiden.nmi,
    ari: leiden.ari,
    leidenResolution: leiden.resolution,
    nmiKmeans: groups.nmi,
    ariKmeans: groups.ari,
    aswLabel: groups.aswLabel,
    clisi: scoresOfLisi.clisi,
    aswBatch: groups.aswBatch,
    graphConnectivity: connectivity,
    kbet: numBatches > 1 ? kbet : NaN,
    ilisi: scoresOfLisi.ilisi,
    ...(before && { pcrComparison: pcrComparison(before, embedding, techBatches) }),
    avgBio,
    avgBatch,
    scibTotal: 0.6 * avgBio + 0.4 * avgBatch,
    numSilhouetteCells: groups.numSilhouetteCells,
    neighbourSearch: isExact ? 'exact' : 'approximate',
  };
}
