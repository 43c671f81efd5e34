import * as tf from '@tensorflow/tfjs-core';
import type { Probed } from './probe.js';

// Run by probe.ts as a process of its own: node probe-process.js FOLDER|wasm. The last line of stdout is the answer.
const what = process.argv[2]!;
const probed = what === 'wasm' ? await startWasm() : await startNative(what);
const ones = tf.ones([64, 64]);
const [sum] = await tf.sum(tf.matMul(ones, ones)).data();
if (sum !== 64 ** 3) throw new Error(`a matrix product came out as ${sum}, not ${64 ** 3}`);
process.stdout.write(`${JSON.stringify(probed)}\n`);

async function startNative(folder: string): Promise<Probed> {
  const { loadNativeFolder } = await import('./native-backend.js');
  const { version, hasGpu } = loadNativeFolder(folder);
  const { findsCudaLibraries } = await import('./cuda.js');
  await tf.ready();
  return { version, hasGpu, findsCuda: findsCudaLibraries(folder) };
}

async function startWasm(): Promise<Probed> {
  const { loadWasmBackend } = await import('./wasm-backend.js');
  return { version: await loadWasmBackend(), hasGpu: false, findsCuda: null };
}
