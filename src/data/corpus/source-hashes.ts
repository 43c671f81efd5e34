import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { revivedError } from '../../thread-errors.js';
import { hashSource, parseReference } from '../readers/reference.js';
import type { HashReply } from './hash-worker.js';

/** A smaller file is hashed before a thread has started. */
const WORTH_A_THREAD = 64e6;
/** One thread hashes as fast as a few build shards. */
const BUILDERS_A_HASHER = 4;

interface HashThread {
  readonly worker: Worker;
  readonly pending: Map<string, { resolve(sha256: string): void; reject(error: Error): void }>;
}

/**
 * Hashes of sources, each computed once and beside everything else: a build begins with them, and opens its files, chooses what to read and reads it
 * meanwhile.
 */
export class SourceHashes {
  private readonly hashes = new Map<string, Promise<string>>();
  private readonly threads: HashThread[] = [];
  private isClosed = false;

  /** @param worthAThread bytes from which on a file is hashed in a thread */
  constructor(private readonly worthAThread = WORTH_A_THREAD) {}

  /** @param source as the user named it @throws as hashSource */
  of(source: string): Promise<string> {
    let hash = this.hashes.get(source);
    if (!hash) {
      this.hashes.set(source, (hash = this.compute(source)));
      hash.catch(() => {}); // reported where it is awaited
    }
    return hash;
  }

  /** Hashes that are not there yet will not come any more. */
  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  private async compute(source: string): Promise<string> {
    const found = await stat(parseReference(source).path).catch(() => undefined);
    if (!found || (found.isFile() && found.size < this.worthAThread)) return hashSource(source);
    return new Promise((resolve, reject) => {
      if (this.isClosed) return;
      const { worker, pending } = this.thread();
      pending.set(source, { resolve, reject });
      worker.ref(); // someone may wait for nothing else
      worker.postMessage(source);
    });
  }

  /** The one that has least to do, or a new one while there may be more. */
  private thread(): HashThread {
    const [free] = [...this.threads].sort((a, b) => a.pending.size - b.pending.size);
    if (free && (free.pending.size === 0 || this.threads.length >= Math.ceil(availableParallelism() / BUILDERS_A_HASHER))) return free;
    const thread: HashThread = { worker: new Worker(new URL('./hash-worker.js', import.meta.url)), pending: new Map() };
    thread.worker.on('message', (reply: HashReply) => {
      const request = thread.pending.get(reply.source);
      thread.pending.delete(reply.source);
      if (thread.pending.size === 0) thread.worker.unref();
      if ('sha256' in reply) request?.resolve(reply.sha256);
      else request?.reject(revivedError(reply.error));
    });
    thread.worker.on('error', (error) => thread.pending.forEach(({ reject }) => reject(error)));
    this.threads.push(thread);
    return thread;
  }
}
