import { Worker } from 'node:worker_threads';
import { revivedError } from '../../thread-errors.js';
import type { UnlabelledBatch } from './batch-maker.js';
import { inOrder, type BatchRequest, type BatchSource } from './batch-source.js';
import type { WorkerInput, WorkerReply } from './worker.js';

/** Batches each thread may be ahead: one being made, one ready. */
const AHEAD = 2;

interface Pending {
  readonly resolve: (batch: UnlabelledBatch) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Makes batches in threads, in the order of the requests and whatever the number of threads: request k goes to thread
 * k mod n, which answers in order. Typed arrays change owner instead of being copied.
 */
export class WorkerPool implements BatchSource {
  private readonly workers: Worker[];
  private readonly pending: Pending[][];
  private failure: Error | undefined;
  private isClosed = false;

  constructor(input: WorkerInput, numWorkers: number) {
    this.workers = Array.from({ length: numWorkers }, () => new Worker(new URL('./worker.js', import.meta.url), { workerData: input }));
    this.pending = this.workers.map(() => []);
    this.workers.forEach((worker, i) => {
      worker.on('message', (reply: WorkerReply) => this.settle(i, reply));
      worker.on('error', (error) => this.fail(error));
      worker.on('exit', (code) => this.fail(new Error(`loader thread ${i} ended with exit code ${code}`)));
    });
  }

  batches(requests: Iterable<BatchRequest>): AsyncGenerator<UnlabelledBatch> {
    const { length } = this.workers;
    return inOrder(requests, AHEAD * length, (request, index) => this.request(index % length, request));
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private request(worker: number, request: BatchRequest): Promise<UnlabelledBatch> {
    return new Promise<UnlabelledBatch>((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      this.pending[worker]!.push({ resolve, reject });
      this.workers[worker]!.postMessage(request, [request.rows.buffer as ArrayBuffer]);
    });
  }

  private settle(worker: number, reply: WorkerReply): void {
    const request = this.pending[worker]!.shift();
    if (!request) return;
    if ('batch' in reply) request.resolve(reply.batch);
    else request.reject(revivedError(reply.error));
  }

  private fail(error: Error): void {
    if (this.isClosed) return;
    this.failure ??= error;
    for (const queue of this.pending) for (const { reject } of queue.splice(0)) reject(this.failure);
  }
}
