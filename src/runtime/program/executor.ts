import * as tf from '@tensorflow/tfjs-core';
import { createEagerExecutor } from './eager.js';
import type { SessionConfig } from './config.js';
import type { Executor } from './program.js';

export type ExecutorKind = 'auto' | 'eager' | 'graph';

export interface ExecutorOptions {
  readonly kind: ExecutorKind;
  /** Precision of programs compiled without one; the eager executor knows f32 only. */
  readonly precision?: 'f32' | 'bf16';
  readonly session?: Partial<SessionConfig>;
}

/**
 * The executor a run computes with. `auto` takes the fastest this machine has: graphs where native TensorFlow is the active
 * backend, op by op elsewhere.
 * @throws SetupError when `graph` is asked for by name and cannot be had
 */
export async function createExecutor({ kind, ...options }: ExecutorOptions): Promise<Executor> {
  if (kind === 'eager' || (kind === 'auto' && tf.getBackend() !== 'tensorflow')) return createEagerExecutor();
  const { createGraphExecutor } = await import('./graph/executor.js');
  if (options.session?.fusedKernels !== false) {
    const { loadKernels } = await import('../kernels/load.js');
    await loadKernels();
  }
  return createGraphExecutor(options);
}
