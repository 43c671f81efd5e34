import { DataError } from '../errors.js';
import type { BatchPart } from '../data/batch.js';
import type { Rng } from '../rng.js';
import type { HostTensors } from '../runtime/program/program.js';
import type { TrainConfig } from './config.js';
import { splitBatch } from './micro-batches.js';
import type { Task } from './task.js';

/** Position in the endless stream of training batches: `batchIndex` batches of that epoch are consumed. */
export interface Cursor {
  readonly epoch: number;
  readonly batchIndex: number;
}

/** One step's worth of data, ready to feed. */
export interface Feed {
  readonly microBatches: readonly HostTensors[];
  readonly numCells: number;
  /** Where this batch stood. */
  readonly place: Cursor;
  /** Where the next one stands: what a checkpoint after this step saves. */
  readonly next: Cursor;
}

/**
 * Training batches without end, epoch after epoch, with their inputs drawn. Everything random hangs on names (`epoch/3`, `step/120`) and on
 * a cell's place in its batch, so a feed started at a saved cursor gives what the unbroken one would have given, and a batch is the same
 * however many micro-batches and processes it is divided among.
 * @param from cursor of the first batch, and the number of steps taken before it
 * @param part where several processes train together: the cells this one takes of every batch. A feed of none (numCells 0, no micro-batch)
 *   is one in which this process has nothing to add, and the others have.
 */
export async function* trainingFeed(
  task: Task,
  config: TrainConfig,
  root: Rng,
  from: Cursor & { step: number },
  part?: BatchPart,
): AsyncGenerator<Feed, never> {
  let step = from.step;
  for (let epoch = from.epoch; ; epoch++) {
    let batchIndex = epoch === from.epoch ? from.batchIndex : 0;
    const batches = task.batches('train', { rng: root.fork(`epoch/${epoch}`), batchSize: config.batchSize, skipBatches: batchIndex, part });
    try {
      if (batches.numBatches === 0) throw new DataError({ key: 'train split', found: 'no batch in it', hint: 'give it more cells or lower train.batchSize' });
      for await (const batch of batches) {
        const rng = root.fork(`step/${step++}`).fork('micro/0'); // one stream for all micro-batches: what tells their cells apart is the place
        const { rank, worldSize } = part ?? { rank: 0, worldSize: 1 };
        const placed = { ...batch, places: Int32Array.from({ length: batch.numCells }, (_, b) => rank + b * worldSize) };
        const place = { epoch, batchIndex };
        batchIndex += 1;
        yield {
          microBatches: splitBatch(placed, config.accumulation).map((micro) => task.inputs(micro, rng, 'train')),
          numCells: batch.numCells,
          place,
          next: batchIndex < batches.numBatches ? { epoch, batchIndex } : { epoch: epoch + 1, batchIndex: 0 },
        };
      }
      if (batchIndex < batches.numBatches) throw new Error(`the train split promised ${batches.numBatches} batches and gave ${batchIndex}`);
    } finally {
      await batches.close();
    }
  }
}

/** The same items, each asked for while its predecessor is being used. */
export async function* prefetch<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  let coming = source.next();
  try {
    for (;;) {
      const item = await coming;
      if (item.done) return;
      coming = source.next();
      // Its failure is met at the next turn; until then nobody awaits it, and it is not to count as unhandled.
      coming.catch(() => {});
      yield item.value;
    }
  } finally {
    await source.return(undefined);
  }
}
