import { Worker } from 'node:worker_threads';
import { revivedError } from '../../thread-errors.js';
import type { ShardContext, ShardRequest, ShardResult } from './shard-maker.js';
import type { ShardReply } from './shard-worker.js';

/** Whoever makes shards: this thread or others. */
export interface ShardCrew {
  /** Requests that are worth having under way at once. */
  readonly width: number;
  make(request: ShardRequest): Promise<ShardResult>;
  close(): Promise<void>;
}

/** One shard being collected and one being written. */
const PER_THREAD = 2;

interface Thread {
  readonly worker: Worker;
  readonly pending: Map<number, { resolve(result: ShardResult): void; reject(error: Error): void }>;
}

/** Makes shards in threads; each goes to the thread that has least to do. */
export class ThreadCrew implements ShardCrew {
  readonly width: number;
  private readonly threads: Thread[];
  private failure: Error | undefined;
  private isClosed = false;

  constructor(context: ShardContext, numThreads: number, onRows: (numRows: number) => void) {
    this.width = numThreads * PER_THREAD;
    this.threads = Array.from({ length: numThreads }, () => ({
      worker: new Worker(new URL('./shard-worker.js', import.meta.url), { workerData: context }),
      pending: new Map(),
    }));
    this.threads.forEach(({ worker, pending }, i) => {
      worker.on('message', (reply: ShardReply) => {
        if ('numRows' in reply) return onRows(reply.numRows);
        const request = pending.get(reply.index);
        pending.delete(reply.index);
        if ('result' in reply) request?.resolve(reply.result);
        else request?.reject(revivedError(reply.error));
      });
      worker.on('error', (error) => this.fail(error));
      worker.on('exit', (code) => this.fail(new Error(`build thread ${i} ended with exit code ${code}`)));
    });
  }

  make(request: ShardRequest): Promise<ShardResult> {
    const { worker, pending } = this.threads.reduce((least, next) => (next.pending.size < least.pending.size ? next : least));
    return new Promise((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      pending.set(request.index, { resolve, reject });
      worker.postMessage(
        request,
        [request.isLeftOut, request.splits, request.cellIds.offsets, request.cellIds.bytes, ...request.codes].map(({ buffer }) => buffer as ArrayBuffer),
      );
    });
  }

  async close(): Promise<void> {
    this.fail(new Error('the build has ended'));
    this.isClosed = true;
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  private fail(error: Error): void {
    if (this.isClosed) return;
    this.failure ??= error;
    for (const { pending } of this.threads) for (const { reject } of pending.values()) reject(this.failure);
  }
}
