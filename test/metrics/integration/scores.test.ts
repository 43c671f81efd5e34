import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/rng.js';
import { exactNeighbours, firstNeighbours } from '../../../src/metrics/neighbours.js';
import { connectivities } from '../../../src/metrics/integration/cell-graph.js';
import { clusteringAgreement } from '../../../src/metrics/integration/clustering-agreement.js';
import { graphConnectivity } from '../../../src/metrics/integration/graph-connectivity.js';
import { kbetPerLabel } from '../../../src/metrics/integration/kbet.js';
import { kMeans } from '../../../src/metrics/integration/kmeans.js';
import { bestLeiden } from '../../../src/metrics/integration/leiden.js';
import { clisi, ilisi, lisi } from '../../../src/metrics/integration/lisi.js';
import { batchVarianceShare, pcrComparison } from '../../../src/metrics/integration/pcr.js';
import { integrationScores } from '../../../src/metrics/integration/scores.js';
import { aswBatch, aswLabel, silhouetteWidths } from '../../../src/metrics/integration/silhouette.js';
import { chiSquareSurvival, normalSurvival } from '../../../src/metrics/special-functions.js';
import { maxDifference } from '../golden.js';
import { asPoints, integrationGolden } from './golden.js';

const rng = Rng.fromSeed(11);

describe.each(['mixed', 'shifted'] as const)('integration scores of %s clouds against scib-metrics and scikit-learn', (name) => {
  const golden = integrationGolden[name];
  const { labels, batches } = golden;
  const points = asPoints(golden.points, golden.numColumns);
  const n90 = exactNeighbours(points, 90);
  const n15 = firstNeighbours(n90, 15);

  it('finds the same neighbours', () => {
    const sums = Float64Array.from({ length: points.numRows }, (_, i) => n15.distances.subarray(i * 15, (i + 1) * 15).reduce((a, b) => a + b, 0));
    expect(maxDifference(sums, golden.neighbourDistances)).toBeLessThan(1e-5);
  });

  it('weighs the edges of the graph as UMAP does', () => {
    const { indptr, indices, weights } = connectivities(n15);
    const sums = Float64Array.from({ length: points.numRows }, (_, i) => weights.subarray(indptr[i]!, indptr[i + 1]!).reduce((a, b) => a + b, 0));
    expect(indices.length).toBe(golden.numEdges);
    expect(maxDifference(sums, golden.connectivityRowSums)).toBeLessThan(1e-4);
  });

  it('gives each cell the same silhouette width, and the same means', () => {
    expect(maxDifference(silhouetteWidths(points, labels), golden.silhouettes)).toBeLessThan(1e-6);
    expect(Math.abs(aswLabel(points, labels) - golden.aswLabel)).toBeLessThan(1e-5);
    expect(Math.abs(aswBatch(points, labels, batches) - golden.aswBatch)).toBeLessThan(1e-5);
  });

  it('gives each cell the same LISI, and the same scaled medians', () => {
    expect(maxDifference(lisi(n90, batches), golden.lisi)).toBeLessThan(1e-4);
    expect(Math.abs(ilisi(n90, batches) - golden.ilisi)).toBeLessThan(1e-4);
    expect(Math.abs(clisi(n90, labels) - golden.clisi)).toBeLessThan(1e-4);
  });

  it('finds the same connected parts', () => {
    expect(graphConnectivity(n15, labels)).toBeCloseTo(golden.graphConnectivity, 10);
  });

  it('accepts the same neighbourhoods in kBET', async () => {
    const kbet = await kbetPerLabel(connectivities(firstNeighbours(n90, 50)), batches, labels, rng.fork('kbet'));
    expect(Math.abs(kbet - golden.kbetExact)).toBeLessThan(1e-4);
    expect(Math.abs(kbet - golden.kbet)).toBeLessThan(0.02);
  });

  it('explains the same share of variance by the batch, without a decomposition', () => {
    expect(Math.abs(batchVarianceShare(points, batches) - golden.pcr)).toBeLessThan(1e-5);
    expect(Math.abs(pcrComparison(asPoints(golden.before, golden.numColumns), points, batches) - golden.pcrComparison)).toBeLessThan(1e-4);
  });

  it('agrees with the clusterings of igraph and scib-metrics within 0.02', () => {
    const leiden = bestLeiden(connectivities(n15), labels, rng.fork('leiden'));
    expect(Math.abs(leiden.nmi - golden.nmi)).toBeLessThan(0.02);
    expect(Math.abs(leiden.ari - golden.ari)).toBeLessThan(0.02);
  });

  it.runIf(name === 'mixed')('scores k-means as scib-metrics does where the clouds are clear', () => {
    const { nmi, ari } = clusteringAgreement(labels, kMeans(points, 3, rng.fork('kmeans')).clusters);
    expect(Math.abs(nmi - golden.nmiKmeans)).toBeLessThan(0.02);
    expect(Math.abs(ari - golden.ariKmeans)).toBeLessThan(0.02);
  });

  it('measures the agreement of two labellings as scikit-learn does', () => {
    const { nmi, ari } = clusteringAgreement(labels, golden.other);
    expect(nmi).toBeCloseTo(golden.nmiOther, 10);
    expect(ari).toBeCloseTo(golden.ariOther, 10);
  });

  it('puts the table together from these parts', async () => {
    const scores = await integrationScores({ embedding: points, labels, techBatches: batches, rng });
    expect(Math.abs(scores.avgBio - (golden.nmi + golden.ari + golden.aswLabel) / 3)).toBeLessThan(0.02);
    expect(Math.abs(scores.avgBatch - (golden.aswBatch + golden.graphConnectivity) / 2)).toBeLessThan(1e-4);
    expect(scores.scibTotal).toBeCloseTo(0.6 * scores.avgBio + 0.4 * scores.avgBatch, 12);
    expect(scores).not.toHaveProperty('pcrComparison');
  });
});

describe('integration scores of any cloud', () => {
  const cloud = (numRows: number, numColumns: number) => {
    const draw = Rng.fromSeed(4);
    return { numRows, numColumns, data: Float64Array.from({ length: numRows * numColumns }, (_, i) => draw.normal() + (Math.floor(i / numColumns) % 3)) };
  };
  const codes = (n: number, kinds: number) => Int32Array.from({ length: n }, (_, i) => i % kinds);

  it('are the same whether parts run in threads or not', async () => {
    const data = { embedding: cloud(150, 4), labels: codes(150, 3), techBatches: codes(150, 2), rng };
    expect(await integrationScores({ ...data, usesThreads: true })).toEqual(await integrationScores({ ...data, usesThreads: false }));
  });

  it('rest on k-means that stands still: every row is with its nearest centre, and every centre is the mean of its rows', () => {
    // Clouds that overlap, so that rows change clusters for many rounds.
    const [n, d, k] = [600, 5, 7];
    const points = cloud(n, d);
    const { clusters, inertia } = kMeans(points, k, rng.fork('overlap'), { maxIterations: 1000 });
    const centres = Array.from({ length: k }, (_, c) =>
      Array.from({ length: d }, (_, j) => {
        const rows = [...clusters.keys()].filter((i) => clusters[i] === c);
        return rows.reduce((sum, i) => sum + points.data[i * d + j]!, 0) / rows.length;
      }),
    );
    const distance = (i: number, c: number) => centres[c]!.reduce((sum, at, j) => sum + (points.data[i * d + j]! - at) ** 2, 0);
    const numAstray = [...clusters.keys()].filter((i) => centres.some((_, c) => distance(i, c) < distance(i, clusters[i]!) - 1e-3)).length;
    expect(numAstray).toBe(0);
    expect([...clusters.keys()].reduce((sum, i) => sum + distance(i, clusters[i]!), 0) / inertia).toBeCloseTo(1, 3);
    expect(new Set(clusters).size).toBe(k);
  });
});

describe('tails of distributions', () => {
  const { x, chiSquare, normal } = integrationGolden.survival;

  it('agree with scipy to nine digits, relative to their size', () => {
    for (const [df, expected] of Object.entries(chiSquare))
      x.forEach((value, i) => expect(chiSquareSurvival(value, Number(df)) / expected[i]!).toBeCloseTo(1, 9));
    normal.forEach((expected, i) => expect(normalSurvival(x[i]!) / expected).toBeCloseTo(1, 9));
  });
});
