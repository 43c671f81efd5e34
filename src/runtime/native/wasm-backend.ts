import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { mendWasmKernels } from './wasm-kernels.js';

const require = createRequire(import.meta.url);

/**
 * Makes WebAssembly (one thread, SIMD) the active backend, able to train: the kernels it lacks are registered.
 * @returns the backend's version
 */
export async function loadWasmBackend(): Promise<string> {
  // The core package comes without gradients for Node; the union package, which the native backend loads too, registers them.
  createRequire(require.resolve('@tensorflow/tfjs-node-gpu/package.json'))('@tensorflow/tfjs');
  const folder = join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist');
  setWasmPaths(`${folder}/`);
  await withoutProcessListeners(async () => {
    await tf.setBackend('wasm');
    await tf.ready();
  });
  mendWasmKernels();
  return version_wasm;
}

/** The compiled module installs handlers that throw every uncaught error again, from inside itself: how this process ends is not its business. */
async function withoutProcessListeners(load: () => Promise<void>): Promise<void> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => new Set<unknown>(process.listeners(event as 'uncaughtException')));
  await load();
  events.forEach((event, i) => {
    for (const listener of process.listeners(event as 'uncaughtException')) if (!before[i]!.has(listener)) process.off(event, listener);
  });
}
