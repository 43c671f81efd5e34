import * as tf from '@tensorflow/tfjs-core';
import { ConfigError } from '../../errors.js';
import type { Cluster } from '../cluster/cluster.js';
import { createEagerExecutor } from './eager.js';
import type { SessionConfig } from './config.js';
import type { Executor } from './program.js';

export type ExecutorKind = 'auto' | 'eager' | 'graph';

export interface ExecutorOptions {
  readonly kind: ExecutorKind;
  /** Precision of programs compiled without one; the eager executor knows f32 only. */
  readonly precision?: 'f32' | 'bf16';
  readonly session?: Partial<SessionConfig>;
  /** The workers that programs may sum over: graphs only. */
  readonly cluster?: Cluster | undefined;
}

/**
 * The executor a run computes with. `auto` takes the fastest this machine has: graphs where native TensorFlow is the active
 * backend, op by op elsewhere.
 * @throws SetupError when `graph` is asked for by name and cannot be had
 */
export async function createExecutor({ kind, ...options }: ExecutorOptions): Promise<Executor> {
  const isEager = kind === 'eager' || (kind === 'auto' && tf.getBackend() !== 'tensorflow');
  if (isEager && options.cluster)
    throw new ConfigError({
      key: 'train.executor',
      found: `eager, but there are ${options.cluster.worldSize} workers`,
      hint: 'they work together in graphs: set it to auto',
    });
  if (isEager) return createEagerExecutor();
  const { createGraphExecutor } = await import('./graph/executor.js');
  if (options.session?.fusedKernels !== false) {
    const { loadKernels } = await import('../kernels/load.js');
    await loadKernels();
  }
  return createGraphExecutor(options);
}
