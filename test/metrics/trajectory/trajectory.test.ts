import { describe, expect, it } from 'vitest';
import { spearman } from '../../../src/metrics/correlation.js';
import { fitPca, applyPca } from '../../../src/metrics/baselines/pca.js';
import { exactNeighbours } from '../../../src/metrics/neighbours.js';
import type { Points } from '../../../src/metrics/points.js';
import { groupGraph } from '../../../src/metrics/trajectory/group-graph.js';
import { diffusionPseudotime, straightPseudotime } from '../../../src/metrics/trajectory/pseudotime.js';
import { Rng } from '../../../src/rng.js';

const D = 6;

/** Cells along a trunk that winds once like a screw and then parts in two: groups 0 trunk, 1 and 2 branches from where they stand apart. Known times, shuffled rows. */
function branchingCells(seed: number, n: number): { points: Points; times: Float64Array; groups: Int32Array; rows: number[] } {
  const rng = Rng.fromSeed(seed);
  const rows = [...rng.permutation(n)];
  const data = new Float64Array(n * D);
  const times = new Float64Array(n);
  const groups = new Int32Array(n);
  rows.forEach((row, i) => {
    const t = (3 * i) / n; // 0 … 1 trunk, 1 … 3 one of two branches, each 1 long
    const branch = i % 2 ? 1 : 2;
    const time = t < 1 ? t : 1 + (t - 1) / 2;
    const angle = 2 * Math.PI * Math.min(time, 1);
    const beyond = Math.max(0, time - 1);
    const at = [4 * Math.cos(angle), 4 * Math.sin(angle), branch === 1 ? 10 * beyond : 0, branch === 2 ? 10 * beyond : 0, 3.5 * Math.min(time, 1), 0];
    at.forEach((x, j) => (data[row * D + j] = x + 0.15 * rng.normal()));
    times[row] = time;
    groups[row] = time < 1.25 ? 0 : branch;
  });
  return { points: { numRows: n, numColumns: D, data }, times, groups, rows };
}

const sparse = ({ numRows, numColumns, data }: Points) => ({
  numRows,
  numColumns,
  indptr: Int32Array.from({ length: numRows + 1 }, (_, i) => i * numColumns),
  indices: Int32Array.from({ length: data.length }, (_, i) => i % numColumns),
  values: Float32Array.from(data),
});

describe('diffusion pseudotime', () => {
  const { points, times, groups, rows } = branchingCells(3, 900);

  it('finds the order of a trajectory that winds and parts, as a straight line does not', async () => {
    const { values, root } = await diffusionPseudotime(points, rows[0]!, Rng.fromSeed(1));
    const pca = fitPca(sparse(points), 1, Rng.fromSeed(1));
    const straight = straightPseudotime(applyPca(pca, sparse(points)).data, root);
    expect(values[root]).toBe(0);
    expect(Math.max(...values)).toBe(1);
    expect(spearman(values, times)).toBeGreaterThan(0.97);
    expect(spearman(values, times)).toBeGreaterThan(spearman(straight, times) + 0.02);
    const ofTrunk = (values: Float64Array) => values.filter((_, cell) => times[cell]! < 1);
    expect(spearman(ofTrunk(values), ofTrunk(times))).toBeGreaterThan(0.97);
    expect(spearman(ofTrunk(straight), ofTrunk(times))).toBeLessThan(0.8);
  });

  it('takes the end of a group for its root', async () => {
    const trunk = [...groups.keys()].filter((cell) => groups[cell] === 0 && times[cell]! < 0.5);
    const { root, values } = await diffusionPseudotime(points, trunk, Rng.fromSeed(1));
    expect(times[root]).toBeLessThan(0.15);
    expect(spearman(values, times)).toBeGreaterThan(0.97);
  });

  it('gives no time to cells that nothing joins to the root', async () => {
    const data = Float64Array.from({ length: 60 }, (_, i) => (i < 40 ? i : 1e4 + i));
    const { values } = await diffusionPseudotime({ numRows: 60, numColumns: 1, data }, 0, Rng.fromSeed(1), { numNeighbours: 5, numComponents: 3 });
    expect([...values].map(Number.isNaN)).toEqual(Array.from({ length: 60 }, (_, i) => i >= 40));
    expect(spearman(values.slice(0, 40), data.slice(0, 40))).toBeGreaterThan(0.99);
  });
});

describe('the graph of groups', () => {
  it('joins the branches to the trunk and not to each other', () => {
    const { points, groups } = branchingCells(5, 900);
    const { connectivities, tree } = groupGraph(exactNeighbours(points, 12), groups);
    expect(new Set(tree.map(String))).toEqual(new Set(['0,1', '0,2']));
    expect(connectivities[1]).toBe(connectivities[3]);
    expect(connectivities[1]! + connectivities[2]!).toBeGreaterThan(4 * connectivities[5]!);
  });

  it('has the connectivity that the published formula gives by hand', () => {
    // Cells 0 1 2 | 3 4: six edges in all from the first group, of which two lead over; four from the second, of which one does.
    const indices = Int32Array.of(0, 1, 2, 1, 0, 3, 2, 1, 4, 3, 4, 2, 4, 3, 0);
    const { connectivities } = groupGraph({ numCells: 5, k: 3, indices, distances: new Float64Array(15) }, [0, 0, 0, 1, 1]);
    // two + two lead over: found 4; expected (6 · 2 + 4 · 3) / 4 = 6
    expect(connectivities[1]).toBeCloseTo(4 / 6, 12);
  });

  it('leaves cells without a group out', () => {
    const indices = Int32Array.of(0, 1, 1, 0, 2, 0);
    const { numGroups, connectivities, tree } = groupGraph({ numCells: 3, k: 2, indices, distances: new Float64Array(6) }, [0, 0, -1]);
    expect(numGroups).toBe(1);
    expect([...connectivities]).toEqual([0]);
    expect(tree).toEqual([]);
  });
});
