/** The part of node:crypto that readers and writers of cells use. */
import { sha256 } from '@noble/hashes/sha2.js';
import { Buffer } from 'buffer';

export function createHash(name: 'sha256') {
  if (name !== 'sha256') throw new Error(`no ${String(name)} in a page`);
  const hash = sha256.create();
  const self = {
    update(data: string | Uint8Array) {
      hash.update(typeof data === 'string' ? new TextEncoder().encode(data) : data);
      return self;
    },
    digest: (encoding: 'hex' | 'base64') => Buffer.from(hash.digest()).toString(encoding),
  };
  return self;
}

export const randomBytes = (size: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(size)));
