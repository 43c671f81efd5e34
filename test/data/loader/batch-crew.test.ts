import { describe, expect, it } from 'vitest';
import type { BatchAddon } from '../../../src/data/loader/batch-addon.js';
import { BatchCrew, isForCrew } from '../../../src/data/loader/batch-crew.js';
import type { BatchMakerOptions, UnlabelledBatch } from '../../../src/data/loader/batch-maker.js';
import type { BatchRequest } from '../../../src/data/loader/batch-source.js';
import { DepthCorruption, Preprocessing } from '../../../src/data/loader/config.js';
import type { ShardLayout } from '../../../src/data/corpus/shard-layout.js';

const options: BatchMakerOptions = {
  preprocessing: Preprocessing.parse({ maxGenes: 20, lengthMultiple: 4 }),
  scale: { kind: 'counts' },
  entropy: new Float32Array(9).fill(1),
  padId: 0,
  depth: DepthCorruption.parse({ kind: 'none' }),
  cellSeed: 1,
};
const narrow = { idType: 'uint16', valueType: 'uint16' } as ShardLayout;

/** Threads that write `numGenes` 5 to each cell, or do not make batches of which `isMade` says so. */
function crew(isMade: (rows: Int32Array) => boolean, instead: (request: BatchRequest) => UnlabelledBatch): { crew: BatchCrew; orders: (() => void)[] } {
  const orders: (() => void)[] = [];
  const addon: BatchAddon = {
    start: () => ({}),
    ask: (_, rows, __, ___, numGenes, done) => orders.push(() => (numGenes.fill(5), done(isMade(rows)))),
    stop: () => orders.splice(0).forEach((finish) => finish()),
  };
  return { crew: new BatchCrew(addon, options, [narrow], 2, instead), orders };
}

describe('compiled threads', () => {
  it('are for counts of 16 bits that are ranked as they are', () => {
    expect(isForCrew(options, [narrow, narrow])).toBe(true);
    expect(isForCrew({ ...options, scale: { kind: 'cpm' } }, [narrow])).toBe(true);
    expect(isForCrew(options, [narrow, { ...narrow, valueType: 'float32' }])).toBe(false);
    expect(isForCrew(options, [{ ...narrow, idType: 'int32' }])).toBe(false);
    expect(isForCrew({ ...options, scale: { kind: 'log1p' } }, [narrow])).toBe(false);
    expect(isForCrew({ ...options, depth: DepthCorruption.parse({ kind: 'scale' }) }, [narrow])).toBe(false);
    expect(isForCrew({ ...options, preprocessing: { ...options.preprocessing, serialisation: 'random' } }, [narrow])).toBe(false);
  });

  it('have what they are not certain of made instead, and what came out shorter than its row, and give all in order', async () => {
    const asked: number[] = [];
    const made = (numGenes: number, rows: Int32Array): UnlabelledBatch => ({
      numCells: rows.length,
      seqLen: 4,
      geneIds: new Int32Array(4),
      values: new Float32Array(4),
      numGenes: Int32Array.of(numGenes),
      cellIndex: rows,
    });
    const { crew: threads, orders } = crew(
      ([row]) => row !== 1,
      ({ rows }) => (asked.push(rows[0]!), made(99, rows)),
    );
    const requests = [8, 8, 12].map((longest, row) => ({ rows: Int32Array.of(row), longest }));
    const batches = threads.batches(requests);
    const first = batches.next();
    for (const finish of orders.splice(0).reverse()) finish();
    const rest = [(await first).value as UnlabelledBatch];
    for await (const batch of batches) rest.push(batch);
    expect(rest.map(({ cellIndex }) => cellIndex[0])).toEqual([0, 1, 2]);
    expect(rest.map(({ numGenes }) => numGenes[0])).toEqual([5, 99, 99]);
    expect(asked.sort()).toEqual([1, 2]);
  });

  it('pass on why a batch cannot be made instead', async () => {
    const { crew: threads, orders } = crew(
      () => false,
      () => {
        throw new Error('the shard is damaged');
      },
    );
    const next = threads.batches([{ rows: Int32Array.of(0), longest: 4 }]).next();
    orders.splice(0).forEach((finish) => finish());
    await expect(next).rejects.toThrow('the shard is damaged');
  });

  it('let nobody wait when they are closed', async () => {
    const { crew: threads } = crew(
      () => true,
      () => expect.unreachable(),
    );
    const next = threads.batches([{ rows: Int32Array.of(0), longest: 4 }]).next();
    await threads.close();
    await expect(next).rejects.toThrow('the loader has been closed');
  });
});
