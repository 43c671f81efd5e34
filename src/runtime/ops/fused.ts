import * as tf from '@tensorflow/tfjs-core';

/** The kernel behind `fused`: runs an op of the project's own library (kernels/). Only graphs on a CPU have it. */
export const FUSED = 'FusedOp';

/**
 * `low`: in the precision of matrix products, converted where it is not; `full`: float32; `either`: as it comes, and the op takes its type
 * for T; `int`: int32.
 */
export type FusedPrecision = 'low' | 'full' | 'either' | 'int';

export interface FusedAttrs {
  readonly op: string;
  readonly inputs: readonly FusedPrecision[];
  readonly attrs: Readonly<Record<string, number>>;
  readonly results: readonly FusedResult[];
}

export interface FusedResult {
  readonly shape: readonly number[];
  readonly precision: 'low' | 'full';
}

/** What the active backend says of the kernel: graphs for GPUs and for export are made of TensorFlow's own ops. */
export interface FusingBackend {
  readonly isFusing: boolean;
}

/** Whether one pass of an op of our own can take the place of several of TensorFlow's. */
export function canFuse(): boolean {
  return tf.getKernel(FUSED, tf.getBackend()) !== undefined && (tf.backend() as unknown as FusingBackend).isFusing;
}

/**
 * Runs an op of kernels/ by name, on inputs in the op's order with the precision each is wanted in; gives its results in the shapes
 * stated, which TensorFlow does not infer. Has no gradient of its own: callers stand inside a `tf.customGrad`.
 */
export function fused(
  op: string,
  inputs: readonly (readonly [tf.Tensor, FusedPrecision])[],
  attrs: FusedAttrs['attrs'],
  results: readonly FusedResult[],
): tf.Tensor[] {
  const named = Object.fromEntries(inputs.map(([tensor], i) => [String(i), tensor]));
  const fusedAttrs: FusedAttrs = { op, inputs: inputs.map(([, precision]) => precision), attrs, results };
  const out = tf.engine().runKernel(FUSED, named, fusedAttrs as unknown as tf.NamedAttrMap);
  return Array.isArray(out) ? (out as tf.Tensor[]) : [out as tf.Tensor];
}
