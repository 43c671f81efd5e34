import { parentPort } from 'node:worker_threads';
import { describeError, type PlainError } from '../../thread-errors.js';
import { hashSource } from '../readers/reference.js';

/** A thread that hashes sources, one after the other. */
export type HashReply = { readonly source: string } & ({ readonly sha256: string } | { readonly error: PlainError });

const post = (reply: HashReply): void => parentPort!.postMessage(reply);
let working: Promise<void> = Promise.resolve();

parentPort!.on('message', (source: string) => {
  working = working
    .then(() => hashSource(source))
    .then(
      (sha256) => post({ source, sha256 }),
      (error: unknown) => post({ source, error: describeError(error) }),
    );
});
