import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { SetupError } from '../../errors.js';
import { koffi } from '../native/foreign.js';
import { nativeLibraryPaths } from '../native/load.js';
import { buildKernels } from './build.js';

let loading: Promise<boolean> | undefined;
let isLoaded = false;

/** Whether graphs may use the ops of kernels/. */
export const areKernelsLoaded = (): boolean => isLoaded;

/**
 * Gives TensorFlow the ops of kernels/, once a process, compiled first where that has not been done. Does nothing on a GPU, which
 * they have no code for. Without a compiler graphs are made of TensorFlow's own ops: slower, the same to rounding, and said.
 * @param notice told in one line why there are none
 */
export async function loadKernels(notice: (line: string) => void = (line) => process.emitWarning(line, 'ScDiva')): Promise<boolean> {
  loading ??= load(notice);
  return loading;
}

async function load(notice: (line: string) => void): Promise<boolean> {
  const { binding } = tf.backend() as unknown as { binding: { isUsingGpuDevice(): boolean } };
  if (binding.isUsingGpuDevice()) return false;
  const { framework, cc } = nativeLibraryPaths();
  try {
    const path = await buildKernels(framework);
    koffi.load(framework, { global: true });
    koffi.load(cc, { global: true });
    const define = koffi.load(path, { global: true }).func('scdivaDefineOps', 'str', ['int']);
    const flaw = define(Number(process.env['TF_NUM_INTRAOP_THREADS']) || availableParallelism()) as string | null;
    if (flaw) throw new Error(`TensorFlow does not take the kernels: ${flaw}`);
    return (isLoaded = true);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    notice(`going on without fused kernels, slower: ${error.message}`);
    return false;
  }
}
