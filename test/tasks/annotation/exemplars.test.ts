import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Rng } from '../../../src/rng.js';
import { exemplarRows, exemplarsOf, readExemplars, typicalities, writeExemplars } from '../../../src/tasks/annotation/exemplars.js';
import { scorePredictions } from '../../../src/tasks/annotation/predictions.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-exemplars-'));
afterAll(() => rmSync(folder, { recursive: true }));

const D = 3;
/** n cells around a point. */
function cloud(n: number, centre: number, seed: number): Float32Array {
  const rng = Rng.fromSeed(seed);
  return Float32Array.from({ length: n * D }, () => centre + rng.normal());
}
const join2 = (a: Float32Array, b: Float32Array): Float32Array => Float32Array.from([...a, ...b]);

describe('exemplars', () => {
  it('are of every class, at most a hundred of it, the same for the same seed, and training cells all', () => {
    const codes = Int32Array.from({ length: 400 }, (_, row) => (row % 40 === 0 ? 1 : 0));
    const train = Int32Array.from({ length: 300 }, (_, i) => i);
    const labels = { classes: ['often', 'rare'], codes, rows: { train, validation: new Int32Array(), test: new Int32Array() } };
    const rows = exemplarRows(labels, Rng.fromSeed(1));
    expect(rows).toEqual(exemplarRows(labels, Rng.fromSeed(1)));
    expect(rows.filter((row) => codes[row] === 0).length).toBe(100);
    expect([...rows.filter((row) => codes[row] === 1)]).toEqual([0, 40, 80, 120, 160, 200, 240, 280]);
    expect(new Set(rows).size).toBe(rows.length);
    expect(Math.max(...rows)).toBeLessThan(300);
  });

  it('tell cells that lie apart from all of them, and cells like them by an even share', () => {
    const exemplars = exemplarsOf(join2(cloud(100, 0, 1), cloud(100, 20, 2)), join2(cloud(50, 0, 3), cloud(50, 20, 4)), D);
    const [alike, apart] = [typicalities(join2(cloud(200, 0, 5), cloud(200, 20, 6)), exemplars), typicalities(cloud(100, 10, 7), exemplars)];
    expect(alike.reduce((sum, share) => sum + share, 0) / alike.length).toBeGreaterThan(0.35);
    expect(alike.reduce((sum, share) => sum + share, 0) / alike.length).toBeLessThan(0.65);
    expect(Math.max(...apart)).toBe(0);
    expect(typicalities(Float32Array.of(NaN, NaN, NaN), exemplars)).toEqual(Float64Array.of(NaN));
    // Confident of all, the classifier cannot tell them; distances can. A cell without genes is unlike any.
    const truth = [...alike.map(() => 0), ...apart.map(() => 1), 1];
    const scores = scorePredictions(
      truth,
      {
        predicted: new Int32Array(truth.length),
        confidence: new Float64Array(truth.length).fill(0.9),
        isUnknown: new Uint8Array(truth.length),
        typicality: Float64Array.from([...alike, ...apart, NaN]),
      },
      1,
      1,
    );
    expect(scores['unknownAuroc']).toBe(0.5);
    expect(scores['unknownAurocByDistance']).toBeGreaterThan(0.99);
  });

  it('come back from their file as they were, and are refused beside another head', async () => {
    expect(await readExemplars(folder, D)).toBeUndefined();
    const exemplars = exemplarsOf(cloud(20, 0, 1), cloud(30, 0, 2), D);
    await writeExemplars(folder, exemplars);
    const back = (await readExemplars(folder, D))!;
    expect(back.embeddings).toEqual(exemplars.embeddings);
    const some = cloud(10, 1, 3);
    typicalities(some, back).forEach((share, i) => expect(share).toBeCloseTo(typicalities(some, exemplars)[i]!, 3));
    await expect(readExemplars(folder, D + 1)).rejects.toThrow(/exemplars\.safetensors: not embeddings of 4 dimensions/);
  });
});
