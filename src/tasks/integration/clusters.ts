import type { Rng } from '../../rng.js';
import { harmony } from '../../metrics/baselines/harmony.js';
import { applyPca, fitPca } from '../../metrics/baselines/pca.js';
import type { SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import { connectivities } from '../../metrics/integration/cell-graph.js';
import { leidenClusters, leidenNetwork } from '../../metrics/integration/leiden.js';
import { nearestNeighbours } from '../../metrics/neighbours.js';

const NUM_COMPONENTS = 50;
const NUM_NEIGHBOURS = 15;

/**
 * Kinds of cells where nobody has labelled them: Leiden clusters of the neighbour graph on principal components after Harmony. What is learned
 * from them owes Harmony its notion of which cells of different batches belong together, and is to be judged beside it.
 * @param x log-normalised expression of the cells @param techBatches [n] code of each cell's batch, from 0
 * @returns [n] cluster of each cell, from 0
 */
export async function clusterKinds(x: SparseMatrix, techBatches: Int32Array, resolution: number, rng: Rng): Promise<Int32Array> {
  const points = applyPca(fitPca(x, NUM_COMPONENTS, rng.fork('pca')), x);
  const corrected = harmony(points, techBatches, rng.fork('harmony'));
  const neighbours = await nearestNeighbours(corrected, Math.min(NUM_NEIGHBOURS, x.numRows));
  return leidenClusters(leidenNetwork(connectivities(neighbours)), resolution, rng.fork('leiden'));
}
