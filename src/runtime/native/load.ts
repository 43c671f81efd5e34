import { createRequire } from 'node:module';
import util from 'node:util';
import type * as tfjs from '@tensorflow/tfjs-core';

export interface LoadedBackend {
  readonly kind: 'native' | 'wasm';
  /** TensorFlow's own version, or the WebAssembly backend's. */
  readonly version: string;
}

/** Loads the native TensorFlow library and makes it the active TensorFlow.js backend. */
export async function loadTensorFlow(): Promise<LoadedBackend> {
  // Node 24 removed two functions that @tensorflow/tfjs-node-gpu 4.22 still calls.
  const legacy = util as unknown as Record<string, unknown>;
  legacy['isNullOrUndefined'] ??= (value: unknown) => value == null;
  legacy['isArray'] ??= Array.isArray;
  const require = createRequire(import.meta.url);
  const tf = require('@tensorflow/tfjs-node-gpu') as typeof tfjs;
  await tf.ready();
  const { binding } = tf.backend() as unknown as { binding: { TF_Version: string } };
  return { kind: 'native', version: binding.TF_Version };
}
