import { LeidenAlgorithm, Network } from 'networkanalysis-ts';
import type { Rng } from '../../rng.js';
import type { CellGraph } from './cell-graph.js';
import { clusteringAgreement, type Agreement } from './clustering-agreement.js';

type LibraryRandom = Parameters<LeidenAlgorithm['initializeBasedOnRandom']>[0];

/** As igraph's community_leiden, which scanpy and scib-metrics call. */
const NUM_ITERATIONS = 2;
const RANDOMNESS = 0.01;

/** Starts a resolution, the one of best modularity kept: one start alone scatters by several hundredths of NMI on real cells. */
const NUM_STARTS = 4;
/** Graphs of more cells get one start: they scatter less and take minutes. */
const MAX_CELLS_FOR_STARTS = 20_000;

/** The graph as the library holds it: made once for any number of resolutions. */
export interface LeidenNetwork {
  readonly network: Network;
  readonly totalWeight: number;
}

/** @param graph symmetric, without loops */
export function leidenNetwork(graph: CellGraph): LeidenNetwork {
  const network = new Network({
    nNodes: graph.numCells,
    setNodeWeightsToTotalEdgeWeights: true,
    firstNeighborIndices: Array.from(graph.indptr),
    neighbors: Array.from(graph.indices),
    edgeWeights: Array.from(graph.weights),
    checkIntegrity: false,
  });
  return { network, totalWeight: network.getTotalEdgeWeight() };
}

/**
 * Leiden clusters (Traag et al. 2019, the authors' own library) for modularity at a resolution: the library's quality function, with degrees as
 * node weights and the resolution divided by twice the total weight.
 * @returns the cluster of every cell, from 0
 */
export function leidenClusters({ network, totalWeight }: LeidenNetwork, resolution: number, rng: Rng): Int32Array {
  if (totalWeight === 0) return Int32Array.from({ length: network.getNNodes() }, (_, i) => i); // no edges: every cell alone
  let best: { clusters: number[]; quality: number } | undefined;
  for (let start = 0; start < (network.getNNodes() > MAX_CELLS_FOR_STARTS ? 1 : NUM_STARTS); start++) {
    const stream = rng.fork(`start/${start}`);
    const random = { nextInt: (bound: number) => stream.int(bound), nextDouble: () => stream.uniform() } as unknown as LibraryRandom;
    const algorithm = new LeidenAlgorithm();
    algorithm.initializeBasedOnResolutionAndNIterationsAndRandomnessAndRandom(resolution / (2 * totalWeight), NUM_ITERATIONS, RANDOMNESS, random);
    const clustering = algorithm.findClustering(network);
    const quality = algorithm.calcQuality(network, clustering);
    if (!best || quality > best.quality) best = { clusters: clustering.getClusters(), quality };
  }
  return Int32Array.from(best!.clusters);
}

export interface BestLeiden extends Agreement {
  readonly resolution: number;
  readonly clusters: Int32Array;
}

/** Resolutions 0.2, 0.4 … 2.0. */
export const LEIDEN_RESOLUTIONS: readonly number[] = Array.from({ length: 10 }, (_, i) => (2 * (i + 1)) / 10);

/** Of the clusterings at all resolutions the one with the best NMI against the labels, the first of equals: it gives both NMI and ARI (scib). */
export function bestLeiden(graph: CellGraph, labels: ArrayLike<number>, rng: Rng, resolutions = LEIDEN_RESOLUTIONS): BestLeiden {
  const network = leidenNetwork(graph);
  let best: BestLeiden | undefined;
  for (const resolution of resolutions) {
    const clusters = leidenClusters(network, resolution, rng.fork(`resolution/${resolution}`));
    const agreement = clusteringAgreement(labels, clusters);
    if (!best || agreement.nmi > best.nmi) best = { ...agreement, resolution, clusters };
  }
  if (!best) throw new RangeError('no resolution to cluster at');
  return best;
}
