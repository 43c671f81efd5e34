import { beforeAll, describe, expect, it } from 'vitest';
import { placesOf, type BatchPart } from '../../src/data/batch.js';
import type { Corpus } from '../../src/data/corpus/corpus.js';
import { LoaderConfig, Preprocessing } from '../../src/data/loader/config.js';
import { createLoader } from '../../src/data/loader/loader.js';
import { Rng } from '../../src/rng.js';
import { TrainConfig } from '../../src/train/config.js';
import { trainingFeed, type Cursor, type Feed } from '../../src/train/feed.js';
import type { Task } from '../../src/train/task.js';
import { randomCells, smallCorpus, temporaryFolder } from '../support/small-corpus.js';

const newFolder = temporaryFolder('feed');
const config = TrainConfig.parse({ steps: 1, batchSize: 8, accumulation: 2 });
const root = Rng.fromSeed(3);
let corpus: Corpus;
let task: Task;

beforeAll(async () => {
  corpus = await smallCorpus(await newFolder(), randomCells(1, 43, 30), { fractions: [1, 0, 0] });
  const loader = LoaderConfig.parse({ numWorkers: 0, sortWindow: 2 });
  // Only what a feed asks of a task: its inputs say which cells they are of, and one number a cell that was drawn.
  task = {
    batches: (_, { rng, batchSize, skipBatches = 0, part }) =>
      createLoader(corpus, { rows: corpus.splitRows('train'), batchSize, skipBatches, part, rng, preprocessing: Preprocessing.parse({}), loader }),
    inputs: (batch, rng) => ({
      cells: { dtype: 'int32', shape: [batch.numCells], data: batch.cellIndex },
      drawn: { dtype: 'float32', shape: [batch.numCells], data: Float32Array.from(placesOf(batch), (place) => rng.fork(`cell/${place}`).uniform()) },
    }),
  } satisfies Partial<Task> as Partial<Task> as Task;
});

async function take(count: number, from: Cursor & { step: number }, part?: BatchPart): Promise<Feed[]> {
  const feed = trainingFeed(task, config, root, from, part);
  const taken: Feed[] = [];
  while (taken.length < count) taken.push((await feed.next()).value);
  await feed.return(undefined as never);
  return taken;
}

const cellsOf = (feeds: readonly Feed[]): number[] => feeds.flatMap(({ microBatches }) => microBatches.flatMap((inputs) => [...inputs['cells']!.data]));
const ascending = (cells: readonly number[]): number[] => [...cells].sort((a, b) => a - b);
const start = { epoch: 0, batchIndex: 0, step: 0 };
const everyCell = Array.from({ length: 43 }, (_, row) => row);

describe('the feed of several processes', () => {
  it('together takes every batch of the single process, cell for cell', async () => {
    const whole = await take(8, start);
    const parts = await Promise.all([0, 1, 2].map((rank) => take(8, start, { rank, worldSize: 3 })));
    whole.forEach((feed, k) => {
      expect(ascending(parts.flatMap((part) => cellsOf([part[k]!])))).toEqual(ascending(cellsOf([feed])));
      for (const part of parts) expect(part[k]!.next).toEqual(feed.next);
    });
  });

  it('shows every cell once an epoch though the number of processes changes on the way', async () => {
    const seen: number[] = [];
    let from: Cursor & { step: number } = start;
    // Six batches make an epoch: two with two processes, three with four, the rest with one.
    for (const [worldSize, numBatches] of [
      [2, 2],
      [4, 3],
      [1, 1],
    ] as const) {
      const parts = await Promise.all(Array.from({ length: worldSize }, (_, rank) => take(numBatches, from, { rank, worldSize })));
      seen.push(...parts.flatMap(cellsOf));
      from = { ...parts[0]!.at(-1)!.next, step: from.step + numBatches };
    }
    expect(from).toEqual({ epoch: 1, batchIndex: 0, step: 6 });
    expect(ascending(seen)).toEqual(everyCell);
  });

  it('draws the same for a cell however its batch is divided', async () => {
    const drawnOf = (feeds: readonly Feed[]) =>
      new Map(
        feeds.flatMap(({ microBatches }, k) =>
          microBatches.flatMap(({ cells, drawn }) => Array.from(cells!.data, (cell, b): [string, number] => [`${k}/${cell}`, drawn!.data[b]!])),
        ),
      );
    const whole = drawnOf(await take(3, start));
    expect(new Set(whole.values()).size).toBe(24); // eight cells a batch, each a draw of its own
    for (const worldSize of [1, 2, 3]) {
      for (let rank = 0; rank < worldSize; rank++)
        for (const [cell, drawn] of drawnOf(await take(3, start, { rank, worldSize }))) expect(drawn).toBe(whole.get(cell));
    }
  });

  it('gives a process nothing where the last batch is too short for all', async () => {
    const last = await take(1, { epoch: 0, batchIndex: 5, step: 5 }, { rank: 5, worldSize: 6 }); // 43 = 5 · 8 + 3 cells
    expect(last[0]).toMatchObject({ numCells: 0, microBatches: [], next: { epoch: 1, batchIndex: 0 } });
  });
});
