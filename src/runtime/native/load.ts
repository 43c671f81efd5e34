import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import util from 'node:util';
import type * as tfjs from '@tensorflow/tfjs-core';
import { SetupError } from '../../errors.js';

const require = createRequire(import.meta.url);

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
  // TensorFlow greets with a dozen lines on stderr; 2 keeps errors only. It reads the variable when the library is mapped.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  const tf = require('@tensorflow/tfjs-node-gpu') as typeof tfjs;
  await tf.ready();
  const { binding } = tf.backend() as unknown as { binding: { TF_Version: string } };
  return { kind: 'native', version: binding.TF_Version };
}

/** The two libraries the native backend runs on, for those who call TensorFlow's C API: the same files, so the same process-wide state. */
export interface NativeLibraryPaths {
  /** libtensorflow_cc.so.2: graphs, sessions, ops, servers. */
  readonly cc: string;
  /** libtensorflow_framework.so.2: status, tensors. */
  readonly framework: string;
}

/** @throws SetupError when native TensorFlow is not set up */
export function nativeLibraryPaths(): NativeLibraryPaths {
  const folder = join(dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')), 'deps/lib');
  const cc = join(folder, 'libtensorflow_cc.so.2');
  const framework = join(folder, 'libtensorflow_framework.so.2');
  if (!existsSync(cc) || !existsSync(framework)) throw new SetupError({ found: 'native TensorFlow is not set up', hint: 'run: npx scdiva setup' });
  return { cc: realpathSync(cc), framework: realpathSync(framework) };
}
