import { describe, expect, it } from 'vitest';
import { placeCells } from '../../src/report/umap.js';
import { Rng } from '../../src/rng.js';

/** Two groups of cells that point in opposite directions. */
function twoGroups(numCells: number, dim: number): Float32Array {
  const rng = Rng.fromSeed(5);
  return Float32Array.from({ length: numCells * dim }, (_, i) => (Math.floor(i / dim) % 2 ? 3 : -3) + rng.normal());
}

describe('placeCells', () => {
  it('gives the same map for the same seed and another for another', () => {
    const embedding = twoGroups(60, 8);
    const place = (seed: number) => placeCells(embedding, 8, Rng.fromSeed(seed));
    expect(place(1)).toEqual(place(1));
    expect(place(1).x).not.toEqual(place(2).x);
  });

  it('keeps groups apart', () => {
    const { x, y } = placeCells(twoGroups(60, 8), 8, Rng.fromSeed(1));
    const centre = (group: number) => [x, y].map((v) => v.filter((_, i) => i % 2 === group).reduce((sum, value) => sum + value, 0) / 30);
    const [first, second] = [centre(0), centre(1)];
    const between = Math.hypot(first[0]! - second[0]!, first[1]! - second[1]!);
    const within = Math.max(...Array.from(x, (value, i) => Math.hypot(value - centre(i % 2)[0]!, y[i]! - centre(i % 2)[1]!)));
    expect(between).toBeGreaterThan(within);
  });

  it('draws a bounded number of cells, the wanted ones first', () => {
    const always = new Set([3, 50, 51, 52]);
    const { cells, x } = placeCells(twoGroups(60, 8), 8, Rng.fromSeed(1), { always, maxCells: 20 });
    expect(cells).toHaveLength(20);
    expect(x).toHaveLength(20);
    expect([...always].every((cell) => cells.includes(cell))).toBe(true);
    expect([...cells]).toEqual([...cells].sort((a, b) => a - b));
  });

  it('places even three cells', () => {
    expect(placeCells(twoGroups(3, 8), 8, Rng.fromSeed(1)).x).toHaveLength(3);
  });
});
