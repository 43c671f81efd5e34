import * as tf from '@tensorflow/tfjs-core';
import { sumOverWorkers, type SumOverWorkersAttrs } from '../runtime/ops/sum-over-workers.js';
import type { HostTensors, Tensors } from '../runtime/program/program.js';

// P trainable tensors, each of any shape S

/**
 * Which gradients travel together: in the reverse order of the parameters, which is about the order in which the backward pass finds them,
 * so that the first buffer is on its way while the rest is still computed. A gradient that fills a buffer by itself goes alone, uncopied.
 */
export function gradientBuckets(parameters: HostTensors, trainable: readonly string[], bucketBytes: number): string[][] {
  const buckets: string[][] = [];
  let room = 0;
  for (const name of [...trainable].reverse()) {
    const bytes = parameters[name]!.data.byteLength;
    if (bytes >= bucketBytes) {
      buckets.push([name]);
      room = 0;
      continue;
    }
    if (bytes > room) {
      buckets.push([]);
      room = bucketBytes;
    }
    buckets.at(-1)!.push(name);
    room -= bytes;
  }
  return buckets;
}

/** The sums over workers of gradients, bucket by bucket, in the order of `grads`. Bucket k has the key `key + k`. */
export function sumGradients(grads: Tensors, buckets: readonly (readonly string[])[], { key, wire }: SumOverWorkersAttrs): Tensors {
  const sums: Record<string, tf.Tensor> = {};
  buckets.forEach((names, k) => {
    const attrs = { key: key + k, wire };
    if (names.length === 1) {
      sums[names[0]!] = sumOverWorkers(grads[names[0]!]!, attrs);
      return;
    }
    const flat = names.map((name) => tf.reshape(grads[name]!, [-1]) as tf.Tensor1D);
    const sum = sumOverWorkers(tf.concat(flat), attrs); // [Σ |S|]
    let start = 0;
    for (const [i, name] of names.entries()) {
      sums[name] = tf.reshape(tf.slice(sum, start, flat[i]!.size), grads[name]!.shape); // S
      start += flat[i]!.size;
    }
  });
  return Object.fromEntries(Object.keys(grads).map((name) => [name, sums[name]!]));
}
