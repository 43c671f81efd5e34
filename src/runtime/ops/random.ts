import * as tf from '@tensorflow/tfjs-core';
import { threefry2x32 } from '../../rng.js';
import { inFullPrecision } from '../program/autocast.js';

/** The kernel behind `statelessUniform`: one name on every backend, so that a backend copied from 'tensorflow' inherits it. */
const STATELESS_UNIFORM = 'StatelessUniform';

/** Where a dropout sits. Every site of a model has its own index; every step its own seed. */
export interface DropoutSite {
  /** Share of entries set to 0, in [0, 1). */
  readonly rate: number;
  /** [2] int32, drawn on the host for each step. */
  readonly seed: tf.Tensor1D;
  /** Integer ≥ 0. */
  readonly index: number;
}

/**
 * Uniform float32 in [0, 1), a function of shape and seed alone. TensorFlow's StatelessRandomUniform (Philox) on the native backend, Threefry
 * elsewhere: the numbers differ between backends, never between runs.
 * @param seed [2] int32
 */
export function statelessUniform(shape: readonly number[], seed: tf.Tensor1D): tf.Tensor {
  return tf.engine().runKernel(STATELESS_UNIFORM, { seed }, { shape: [...shape] } as unknown as tf.NamedAttrMap) as tf.Tensor;
}

/**
 * Sets a share `rate` of the entries to 0 and scales the rest by 1 / (1 - rate), so that the mean stays. The backward pass draws the same
 * entries again from the seed: nothing but the seed is kept for it.
 * @param site undefined or rate 0: x unchanged
 */
export function dropout<T extends tf.Tensor>(x: T, site: DropoutSite | undefined): T {
  if (!site || site.rate === 0) return tf.clone(x);
  const { rate, index } = site;
  return tf.tidy(() => {
    const seed = tf.add(site.seed, tf.tensor1d([0, index], 'int32')) as tf.Tensor1D; // [2]
    return tf.customGrad((x, save) => {
      (save as tf.GradSaveFunc)([seed]);
      return {
        value: tf.mul(x as tf.Tensor, keepFactors(x as tf.Tensor, rate, seed)),
        gradFunc: (dy: tf.Tensor, [seed]: tf.Tensor[]) => tf.mul(dy, keepFactors(dy, rate, seed as tf.Tensor1D)),
      };
    })(x) as T;
  });
}

/** 0 with probability `rate`, else 1 / (1 - rate); the shape of `like`. */
function keepFactors(like: tf.Tensor, rate: number, seed: tf.Tensor1D): tf.Tensor {
  return tf.mul(isKept(like.shape, rate, seed), 1 / (1 - rate));
}

/** 0 with probability `rate`, else 1; float32. */
export function isKept(shape: readonly number[], rate: number, seed: tf.Tensor1D): tf.Tensor {
  // Drawn and compared in float32 wherever this stands: in bfloat16 the share would be another.
  return tf.cast(inFullPrecision(() => tf.greaterEqual(statelessUniform(shape, seed), rate)), 'float32');
}

/** The part of the Node backend that runs one TensorFlow op (its type is not exported). */
interface OpBackend {
  readonly binding: { readonly TF_ATTR_TYPE: number };
  getDTypeInteger(dtype: tf.DataType): number;
  executeSingleOutput(name: string, attrs: { name: string; type: number; value: unknown }[], inputs: tf.TensorInfo[]): tf.TensorInfo;
}

tf.registerKernel({
  kernelName: STATELESS_UNIFORM,
  backendName: 'tensorflow',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const node = backend as OpBackend;
    const type = (name: string, dtype: tf.DataType) => ({ name, type: node.binding.TF_ATTR_TYPE, value: node.getDTypeInteger(dtype) });
    const shape = tf.tensor1d((attrs as unknown as { shape: number[] }).shape, 'int32');
    const result = node.executeSingleOutput('StatelessRandomUniform', [type('dtype', 'float32'), type('T', 'int32'), type('Tseed', 'int32')], [shape, inputs['seed'] as tf.TensorInfo]);
    shape.dispose();
    return result;
  },
});

for (const backendName of ['wasm', 'cpu']) {
  tf.registerKernel({
    kernelName: STATELESS_UNIFORM,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { shape } = attrs as unknown as { shape: number[] };
      const host = backend as tf.KernelBackend;
      const seed = host.readSync(inputs['seed']!.dataId) as Int32Array;
      const values = threefryUniform(shape.reduce((a, b) => a * b, 1), seed[0]!, seed[1]!);
      return { dataId: host.write(values, shape, 'float32'), shape, dtype: 'float32' };
    },
  });
}

/** 24 random bits a value: every float32 that is a multiple of 2⁻²⁴ in [0, 1). */
function threefryUniform(length: number, key0: number, key1: number): Float32Array {
  const out = new Float32Array(length);
  const block = new Uint32Array(2);
  for (let i = 0; i < length; i += 2) {
    threefry2x32(key0, key1, i / 2, 0, block);
    out[i] = (block[0]! >>> 8) / 2 ** 24;
    if (i + 1 < length) out[i + 1] = (block[1]! >>> 8) / 2 ** 24;
  }
  return out;
}
