import { parentPort, workerData } from 'node:worker_threads';
import { describeError, type PlainError } from '../../thread-errors.js';
import { RowReader } from '../corpus/row-reader.js';
import type { ShardLayout } from '../corpus/shard-layout.js';
import type { BatchRequest } from './batch-source.js';
import { BatchMaker, type BatchMakerOptions, type UnlabelledBatch } from './batch-maker.js';

/**
 * A loader thread: rows in, batches out, in the order they were asked for. Imports no tensor and no file format library, so
 * that it starts in milliseconds.
 */
export interface WorkerInput extends BatchMakerOptions {
  readonly layouts: readonly ShardLayout[];
}

export type WorkerReply = { readonly batch: UnlabelledBatch } | { readonly error: PlainError };

const input = workerData as WorkerInput;
const reader = new RowReader(input.layouts);
const maker = new BatchMaker(input);

parentPort!.on('message', ({ rows, longest }: BatchRequest) => {
  try {
    const batch = maker.make(rows, longest, (row) => reader.read(row));
    const { geneIds, values, numGenes, cellIndex, cleanValues } = batch;
    const buffers = [geneIds, values, numGenes, cellIndex, ...(cleanValues ? [cleanValues] : [])].map(({ buffer }) => buffer as ArrayBuffer);
    parentPort!.postMessage({ batch } satisfies WorkerReply, buffers);
  } catch (error) {
    parentPort!.postMessage({ error: describeError(error) } satisfies WorkerReply);
  }
});
