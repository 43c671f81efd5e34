import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NeighbourIndex } from '../../src/metrics/neighbour-index.js';
import { indexPoints } from '../../src/metrics/approximate-neighbours.js';
import { Rng } from '../../src/rng.js';
import { temporaryFolder } from '../support/small-corpus.js';

const folderOf = temporaryFolder('neighbour-index');
const [n, d, k, numQueries] = [4000, 24, 15, 100];
const random = (seed: number, size: number) =>
  Float32Array.from(
    { length: size },
    (
      (rng) => () =>
        rng.normal()
    )(Rng.fromSeed(seed)),
  );
const data = random(1, n * d);
const queries = random(2, numQueries * d);

/** The k nearest of all points to a query, by comparing with each. */
function exactly(query: Float32Array): { index: number; distance: number }[] {
  const all = Array.from({ length: n }, (_, index) => ({ index, distance: Math.hypot(...query.map((x, j) => x - data[index * d + j]!)) }));
  return all.sort((a, b) => a.distance - b.distance).slice(0, k);
}

describe('an index of points', () => {
  it('finds 98 % of the true neighbours of new points, nearest first, at their distances', () => {
    const found = indexPoints({ numRows: n, numColumns: d, data }, { k }).search(queries, k);
    let numRight = 0;
    for (let row = 0; row < numQueries; row++) {
      const truth = new Map(exactly(queries.subarray(row * d, (row + 1) * d)).map(({ index, distance }) => [index, distance]));
      for (let at = row * k; at < (row + 1) * k; at++) {
        if (at > row * k) expect(found.distances[at]).toBeGreaterThanOrEqual(found.distances[at - 1]!);
        const distance = truth.get(found.indices[at]!);
        if (distance === undefined) continue;
        numRight++;
        expect(Math.abs(distance - found.distances[at]!)).toBeLessThan(1e-4);
      }
    }
    expect(numRight / (numQueries * k)).toBeGreaterThan(0.98);
  });

  it('gives the same answers from its file, which stays on disk', async () => {
    const path = join(await folderOf(), 'index');
    const index = indexPoints({ numRows: n, numColumns: d, data }, { k });
    index.save(path);
    const viewed = NeighbourIndex.view(path, d, { k });
    expect(viewed.size).toBe(n);
    expect(viewed.search(queries, k)).toEqual(index.search(queries, k));
    expect(index.search(queries.subarray(0, d), k).indices).toHaveLength(k);
    expect(() => NeighbourIndex.view(path, d + 1)).toThrow(/24 dimensions, not 25/);
  });
});
