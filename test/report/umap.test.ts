import { describe, expect, it } from 'vitest';
import { chooseCells, placeCells } from '../../src/report/umap.js';
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

  it('places even three cells', () => {
    expect(placeCells(twoGroups(3, 8), 8, Rng.fromSeed(1)).x).toHaveLength(3);
  });
});

describe('chooseCells', () => {
  const rows = Int32Array.from({ length: 60 }, (_, i) => i * 2);
  const isWanted = (row: number) => row % 30 === 0;

  it('draws a bounded number, the wanted ones first, in order', () => {
    const chosen = chooseCells(rows, isWanted, 20, Rng.fromSeed(1));
    expect(chosen).toHaveLength(20);
    expect(chosen.filter(isWanted)).toEqual(rows.filter(isWanted));
    expect(chosen).toEqual(chosen.slice().sort());
    expect(chosen).not.toEqual(chooseCells(rows, isWanted, 20, Rng.fromSeed(2)));
  });

  it('takes all where there is room', () => {
    expect(chooseCells(rows, isWanted, 60, Rng.fromSeed(1))).toEqual(rows);
  });
});
