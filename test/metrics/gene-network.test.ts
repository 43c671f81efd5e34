import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/rng.js';
import { coExpression } from '../../src/metrics/baselines/co-expression.js';
import { edgeScores, networkScores, pairUniverse, randomNetworkScores, signedScores, type Edge } from '../../src/metrics/gene-network.js';

const truth: Edge[] = [
  { regulator: 'A', target: 'B', weight: 1 },
  { regulator: 'A', target: 'C', weight: -1 },
  { regulator: 'B', target: 'C', weight: 1 },
  { regulator: 'C', target: 'C', weight: 1 }, // a loop, which nobody is asked for
  { regulator: 'D', target: 'A' },
];

describe('scores of a gene network', () => {
  const universe = pairUniverse(truth);

  it('ask about ordered pairs of the truth’s genes without loops', () => {
    expect([universe.genes.length, universe.numPairs, universe.numTrue]).toEqual([4, 12, 4]);
    expect(pairUniverse(truth, ['A', 'B', 'not a gene here'])).toMatchObject({ regulators: ['A', 'B'], numPairs: 6, numTrue: 3 });
  });

  it('are perfect for the truth, and fall when its edges are turned round', () => {
    const edges = truth.map((edge) => ({ ...edge, weight: edge.weight ?? 1 }));
    const forward = networkScores(universe, edgeScores(universe, edges).scores);
    expect(forward).toMatchObject({ auprc: 1, averagePrecision: 1, auroc: 1, auprcRatio: 3, epr: 3 });
    expect(networkScores(universe, edgeScores(universe, edges, { isReversed: true }).scores).auroc).toBeLessThan(0.5);
  });

  it('are at chance for a network that says nothing, and for shuffled ones', () => {
    expect(networkScores(universe, new Float64Array(16))).toMatchObject({ averagePrecision: 4 / 12, auroc: 0.5, epr: 1 });
    const genes = Array.from({ length: 40 }, (_, i) => `G${i}`);
    const rng = Rng.fromSeed(4);
    const large = pairUniverse(Array.from({ length: 200 }, () => ({ regulator: genes[rng.int(40)]!, target: genes[rng.int(40)]! })));
    const random = randomNetworkScores(large, Rng.fromSeed(1));
    expect(Math.abs(random.auroc - 0.5)).toBeLessThan(0.02);
    expect(Math.abs(random.auprcRatio - 1)).toBeLessThan(0.15);
  });

  it('take the absolute weight, the larger of two for one pair, and count what lies inside', () => {
    const { scores, numInUniverse } = edgeScores(universe, [
      { regulator: 'A', target: 'B', weight: 0.2 },
      { regulator: 'A', target: 'B', weight: -0.7 },
      { regulator: 'A', target: 'X', weight: 9 },
    ]);
    expect([scores[1], numInUniverse]).toEqual([0.7, 2]);
  });

  it('score either sign by itself', () => {
    const known = truth.filter((edge) => edge.weight !== undefined);
    const right = signedScores(universe, edgeScores(universe, known).weights);
    expect([right.activation.auroc, right.repression.auroc, right.signAccuracy, right.numSigned]).toEqual([1, 1, 1, 3]);
    const wrong = signedScores(
      universe,
      edgeScores(universe, known).weights.map((w) => -w),
    );
    expect(wrong.signAccuracy).toBe(0);
    expect(wrong.repression.auroc).toBeLessThan(0.6);
  });

  it('correlate genes over cells for the co-expression null', () => {
    const values = [1, 2, 3, 2, 4, 6, 3, 2, 1]; // three genes of three cells, the second twice the first, the third its mirror
    const x = {
      numRows: 3,
      numColumns: 3,
      indptr: [0, 3, 6, 9],
      indices: [0, 1, 2, 0, 1, 2, 0, 1, 2],
      values: [values[0]!, values[3]!, values[6]!, values[1]!, values[4]!, values[7]!, values[2]!, values[5]!, values[8]!],
    };
    expect([...coExpression(x, [0, 1, 2])].map((v) => Math.round(v * 1e9) / 1e9)).toEqual([0, 1, -1, 1, 0, -1, -1, -1, 0]);
  });
});
