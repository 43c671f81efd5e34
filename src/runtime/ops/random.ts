import * as tf from '@tensorflow/tfjs-core';
import { threefry2x32 } from '../../rng.js';
import { inFullPrecision } from '../program/autocast.js';

/** The kernel behind `statelessUniform`: one name on every backend, so that a backend copied from 'tensorflow' inherits it. */
const STATELESS_UNIFORM = 'StatelessUniform';

/** The kernel behind `isKeptOfMany`: whether a random byte reaches a threshold. Native backends only. */
const RANDOM_BYTES_REACH = 'RandomBytesReach';

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
function isKept(shape: readonly number[], rate: number, seed: tf.Tensor1D): tf.Tensor {
  // Drawn and compared in float32 wherever this stands: in bfloat16 the share would be another.
  return tf.tidy(() =>
    tf.cast(
      inFullPrecision(() => tf.greaterEqual(statelessUniform(shape, seed), rate)),
      'float32',
    ),
  );
}

/** A byte an entry is coarse for rates below this. */
const COARSE_BELOW = 1 / 64;

/**
 * `isKept` for tensors so large that drawing them is what dropout costs: one random byte an entry where the backend can, so that
 * the rate is rounded to 1/256.
 * @returns the flags, and the share that is kept on average
 */
export function isKeptOfMany(shape: readonly number[], rate: number, seed: tf.Tensor1D): { flags: tf.Tensor; share: number } {
  const threshold = Math.round(256 * rate);
  if (rate < COARSE_BELOW || threshold > 255 || !tf.getKernel(RANDOM_BYTES_REACH, tf.getBackend()))
    return { flags: isKept(shape, rate, seed), share: 1 - rate };
  const attrs = { shape: [...shape], threshold } as unknown as tf.NamedAttrMap;
  const flags = tf.tidy(() => tf.cast(tf.engine().runKernel(RANDOM_BYTES_REACH, { seed }, attrs) as tf.Tensor, 'float32'));
  return { flags, share: 1 - threshold / 256 };
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
    const result = node.executeSingleOutput(
      'StatelessRandomUniform',
      [type('dtype', 'float32'), type('T', 'int32'), type('Tseed', 'int32')],
      [shape, inputs['seed'] as tf.TensorInfo],
    );
    shape.dispose();
    return result;
  },
});

/** TensorFlow's number for unsigned bytes, which TensorFlow.js has no name for: it calls such tensors int32. */
const TF_UINT8 = 4;

tf.registerKernel({
  kernelName: RANDOM_BYTES_REACH,
  backendName: 'tensorflow',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const node = backend as OpBackend;
    const { shape, threshold } = attrs as unknown as { shape: number[]; threshold: number };
    const INT32 = node.getDTypeInteger('int32');
    const type = (name: string, value: number) => ({ name, type: node.binding.TF_ATTR_TYPE, value });
    return tf.tidy(() => {
      const size = shape.reduce((a, b) => a * b, 1);
      const run = (name: string, types: [string, number][], ...args: tf.TensorInfo[]) =>
        node.executeSingleOutput(
          name,
          types.map(([key, value]) => type(key, value)),
          args,
        ) as tf.Tensor;
      const words = run(
        'StatelessRandomUniformFullInt',
        [
          ['dtype', INT32],
          ['T', INT32],
          ['Tseed', INT32],
        ],
        tf.tensor1d([Math.ceil(size / 4)], 'int32'),
        inputs['seed'] as tf.TensorInfo,
      );
      const bytes = run(
        'Bitcast',
        [
          ['T', INT32],
          ['type', TF_UINT8],
        ],
        words,
      ); // [size / 4, 4]
      const flat = run(
        'Reshape',
        [
          ['T', TF_UINT8],
          ['Tshape', INT32],
        ],
        bytes,
        tf.tensor1d([-1], 'int32'),
      );
      const cut = run(
        'Slice',
        [
          ['T', TF_UINT8],
          ['Index', INT32],
        ],
        flat,
        tf.tensor1d([0], 'int32'),
        tf.tensor1d([size], 'int32'),
      );
      const limit = run(
        'Cast',
        [
          ['SrcT', INT32],
          ['DstT', TF_UINT8],
        ],
        tf.scalar(threshold, 'int32'),
      );
      return tf.reshape(run('GreaterEqual', [['T', TF_UINT8]], cut, limit), shape);
    });
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
      const values = threefryUniform(
        shape.reduce((a, b) => a * b, 1),
        seed[0]!,
        seed[1]!,
      );
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
