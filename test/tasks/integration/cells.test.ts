import { describe, expect, it } from 'vitest';
import { integrationCells } from '../../../src/tasks/integration/cells.js';
import { scoreEmbedding } from '../../../src/tasks/integration/scores.js';
import { Rng } from '../../../src/rng.js';

/** Rows 0-3 train, 4-5 validation, 6-8 test. */
const corpus = (batches: number[], names: string[]) => ({
  path: 'c',
  numCells: 9,
  labelNames: (key: string) => (key === 'donor' ? names : ['B', 'T']),
  labelCodes: (key: string) => Int32Array.from(key === 'donor' ? batches : [0, 1, -1, 0, 1, 0, 1, 0, -1]),
  splitRows: (split: string) => Int32Array.from(split === 'train' ? [0, 1, 2, 3] : split === 'validation' ? [4, 5] : [6, 7, 8]),
});

describe('the cells of an integration', () => {
  it('number batches with training cells first, leave cells without a batch out and keep those without a label', () => {
    const cells = integrationCells(corpus([2, 0, 2, 0, 0, 2, 1, 1, -1], ['x', 'y', 'z']), 'donor', 'cell_type');
    expect(cells.techBatchNames).toEqual(['x', 'z', 'y']);
    expect(cells.numKnownBatches).toBe(2);
    expect([...cells.techBatches]).toEqual([1, 0, 1, 0, 0, 1, 2, 2, -1]);
    expect([...cells.rows.test]).toEqual([6, 7]);
    expect([...cells.rows.train]).toEqual([0, 1, 2, 3]);
    expect(cells.labels[2]).toBe(-1);
  });

  it('are refused where there is one batch to learn from, or none to score', () => {
    expect(() => integrationCells(corpus([0, 0, 0, 0, 1, 1, 1, 1, 1], ['x', 'y']), 'donor', null)).toThrow(
      /obs\['donor'\]: every training cell is of 'x' \(expected at least 2 batches/,
    );
    expect(() => integrationCells(corpus([0, 1, 0, 1, 0, 1, -1, -1, -1], ['x', 'y']), 'donor', null)).toThrow(/no cell of the test split has a batch/);
  });
});

describe('the scores of an embedding', () => {
  const n = 60;
  const rng = Rng.fromSeed(1);
  const types = Int32Array.from({ length: n }, (_, i) => i % 2);
  const techBatches = Int32Array.from({ length: n }, (_, i) => 3 * (Math.floor(i / 2) % 2)); // codes with gaps
  const embedding = { numRows: n, numColumns: 2, data: Float32Array.from({ length: 2 * n }, (_, k) => (k % 2 === 0 ? 10 * types[k >> 1]! : 0) + rng.normal()) };

  it('leave out cells without a label, whatever their place', async () => {
    const labels = types.map((type, i) => (i % 7 === 0 ? -1 : type));
    const wild = { ...embedding, data: embedding.data.map((x, k) => (labels[k >> 1]! < 0 ? 1000 * rng.normal() : x)) };
    expect((await scoreEmbedding(wild, { labels, techBatches }, Rng.fromSeed(2)))['avgBio']).toBeGreaterThan(0.85);
  });

  it('say nothing of biology where no cell has a label', async () => {
    const scores = await scoreEmbedding(embedding, { labels: new Int32Array(n).fill(-1), techBatches }, Rng.fromSeed(2));
    expect(scores).not.toHaveProperty('avgBio');
    expect(scores).not.toHaveProperty('scibTotal');
    expect(scores['avgBatch']).toBeGreaterThan(0.5);
  });
});
