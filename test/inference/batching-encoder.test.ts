import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CellBatch } from '../../src/data/batch.js';
import { BatchingEncoder, joinBatches } from '../../src/inference/batching-encoder.js';

const PAD = 99;
const options = { maxCells: 8, maxDelayMs: 5, padId: PAD, maxGenes: 100 };

/** Cells of `seqLen` genes whose ids tell them apart. */
function batchOf(ids: readonly number[], seqLen = 2): CellBatch {
  const B = ids.length;
  return {
    numCells: B,
    seqLen,
    geneIds: Int32Array.from({ length: B * seqLen }, (_, i) => ids[Math.floor(i / seqLen)]!),
    values: new Float32Array(B * seqLen).fill(1),
    numGenes: new Int32Array(B).fill(seqLen),
    cellIndex: Int32Array.from(ids),
    labels: {},
  };
}

/** An encoder whose embedding of a cell is [sum of its ids without padding, values]; it takes 10 ms and says what it was asked. */
function slowEncoder() {
  const asked: CellBatch[] = [];
  return {
    asked,
    embeddingDim: 2,
    async encode(batch: CellBatch): Promise<Float32Array> {
      asked.push(batch);
      await new Promise((resolve) => setTimeout(resolve, 10));
      const row = (b: number) => Array.from({ length: batch.seqLen }, (_, i) => b * batch.seqLen + i);
      return Float32Array.from({ length: batch.numCells * 2 }, (_, i) =>
        row(i >> 1).reduce((sum, at) => sum + (i % 2 ? batch.values[at]! : batch.geneIds[at] === PAD ? 0 : batch.geneIds[at]!), 0),
      );
    },
    dispose: () => {},
  };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('calls at the same time', () => {
  it('are computed together, and each gets its own rows', async () => {
    const encoder = slowEncoder();
    const onBatch = vi.fn();
    const batching = new BatchingEncoder(encoder, { ...options, onBatch });
    const results = Promise.all([batching.encode(batchOf([1, 2], 2)), batching.encode(batchOf([3], 5)), batching.encode(batchOf([4, 5, 6], 1))]);
    expect(batching.numWaiting).toBe(6);
    await vi.advanceTimersByTimeAsync(20);
    expect((await results).map((rows) => [...rows])).toEqual([
      [2, 2, 4, 2],
      [15, 5],
      [4, 1, 5, 1, 6, 1],
    ]);
    expect(encoder.asked.map(({ numCells, seqLen }) => [numCells, seqLen])).toEqual([[6, 6]]);
    expect(onBatch).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ numCells: 6, numCalls: 3 }));
    expect(batching.numWaiting).toBe(0);
  });

  it('wait no longer than asked while nothing is computed, and not at all once there are enough', async () => {
    const encoder = slowEncoder();
    const batching = new BatchingEncoder(encoder, options);
    const alone = batching.encode(batchOf([1]));
    await vi.advanceTimersByTimeAsync(4);
    expect(encoder.asked).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(encoder.asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(10);
    await alone;
    const many = [batching.encode(batchOf([1, 2, 3, 4])), batching.encode(batchOf([5, 6, 7, 8]))];
    expect(encoder.asked).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(10);
    await Promise.all(many);
  });

  it('wait for what is being computed, then go together without delay, at most maxCells at once', async () => {
    const encoder = slowEncoder();
    const batching = new BatchingEncoder(encoder, { ...options, maxDelayMs: 0 });
    const all = [batching.encode(batchOf([1])), ...Array.from({ length: 12 }, (_, i) => batching.encode(batchOf([i])))];
    await vi.advanceTimersByTimeAsync(9);
    expect(encoder.asked.map(({ numCells }) => numCells)).toEqual([1]);
    await vi.advanceTimersByTimeAsync(30);
    expect(encoder.asked.map(({ numCells }) => numCells)).toEqual([1, 8, 4]);
    expect((await Promise.all(all)).map(([sum]) => sum)).toEqual([2, ...Array.from({ length: 12 }, (_, i) => 2 * i)]);
  });

  it('all fail with what they were computed with, and later ones do not', async () => {
    const encoder = slowEncoder();
    const batching = new BatchingEncoder(
      { ...encoder, encode: async (batch) => (batch.geneIds.includes(7) ? Promise.reject(new Error('seven')) : encoder.encode(batch)) },
      options,
    );
    const failing = Promise.allSettled([batching.encode(batchOf([1])), batching.encode(batchOf([7]))]);
    await vi.advanceTimersByTimeAsync(5);
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const later = batching.encode(batchOf([1]));
    await vi.advanceTimersByTimeAsync(20);
    expect([...(await later)]).toEqual([2, 2]);
  });
});

describe('what is computed', () => {
  it('has few shapes, whatever is asked for, and none longer than the model takes', () => {
    const shapes = new Set<string>();
    for (let B = 1; B <= 32; B++) {
      for (let L = 1; L <= 100; L++) {
        const { numCells, seqLen, geneIds } = joinBatches([batchOf(new Array<number>(B).fill(1), L)], options);
        expect(numCells).toBeGreaterThanOrEqual(B);
        expect(seqLen).toBeGreaterThanOrEqual(L);
        expect(seqLen).toBeLessThanOrEqual(100);
        expect(geneIds.filter((id) => id === PAD)).toHaveLength(numCells * seqLen - B * L);
        shapes.add(`${numCells}x${seqLen}`);
      }
    }
    expect(shapes.size).toBe(10 * 14);
  });
});
