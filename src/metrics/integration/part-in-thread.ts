import { Worker } from 'node:worker_threads';
import type { Parts } from './parts.js';

/** Computes one part in a thread that ends with it. @throws as the part does */
export function inThread<Name extends keyof Parts>(name: Name, task: Parts[Name]['task']): Promise<Parts[Name]['result']> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./part-thread.js', import.meta.url), { workerData: { name, task } });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread of ${name} ended with exit code ${code}`)));
  });
}
