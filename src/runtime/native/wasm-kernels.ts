import * as tf from '@tensorflow/tfjs-core';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

type TypedArray = tf.backend_util.TypedArray;

/** Makes the WebAssembly backend of TensorFlow.js 4.22 fit to train: kernels it lacks, and three it has that answer wrongly. */
export function mendWasmKernels(): void {
  lendMissingKernels();
  replace('Cast', castToBool);
  replace('Sum', (given) => reduceInDouble(given, (sum) => sum));
  replace('Mean', (given) => reduceInDouble(given, (sum, count) => sum / count));
}

/**
 * Every kernel WebAssembly lacks and plain JavaScript has. Training needs one of them on each step: UnsortedSegmentSum, the
 * gradient of gather. Values are copied out of WebAssembly's memory, the JavaScript kernel runs, its results are copied back.
 */
function lendMissingKernels(): void {
  const javascript = new MathBackendCPU();
  // It would greet each user with the advice to install the native backend this one stands in for.
  (javascript as unknown as { firstUse: boolean }).firstUse = false;
  const present = new Set(tf.getKernelsForBackend('wasm').map((kernel) => kernel.kernelName));
  for (const { kernelName, kernelFunc } of tf.getKernelsForBackend('cpu')) {
    if (!present.has(kernelName)) tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc: lend(kernelFunc, javascript) });
  }
}

function lend(kernel: tf.KernelFunc, javascript: MathBackendCPU): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    const wasm = backend as BackendWasm;
    const copies: tf.TensorInfo[] = [];
    const copyOut = (info: tf.TensorInfo): tf.TensorInfo => {
      const copy = javascript.makeTensorInfo(info.shape, info.dtype, wasm.readSync(info.dataId) as TypedArray);
      copies.push(copy);
      return copy;
    };
    // Most kernels name their inputs; einsum passes a list.
    const entries = Object.entries(inputs).map(([name, value]) => [name, Array.isArray(value) ? value.map(copyOut) : value && copyOut(value)] as const);
    const given = (Array.isArray(inputs) ? entries.map(([, value]) => value) : Object.fromEntries(entries)) as tf.NamedTensorInfoMap;
    const made = kernel({ inputs: given, attrs: attrs!, backend: javascript });
    const results = Array.isArray(made) ? made : [made];
    const returned = results.map(({ shape, dtype, dataId }) => wasm.makeOutput(shape, dtype, undefined, javascript.readSync(dataId) as TypedArray));
    for (const { dataId } of [...copies, ...results]) javascript.disposeData(dataId, true);
    return Array.isArray(made) ? returned : returned[0]!;
  };
}

interface Given {
  readonly inputs: tf.NamedTensorInfoMap;
  readonly attrs: tf.NamedAttrMap;
  readonly wasm: BackendWasm;
}

/** Puts `mended` before a kernel; where it returns null, the kernel itself answers. */
function replace(kernelName: string, mended: (given: Given) => tf.TensorInfo | null): void {
  const original = tf.getKernel(kernelName, 'wasm');
  tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({
    ...original,
    kernelFunc: (given) =>
      mended({ inputs: given.inputs as tf.NamedTensorInfoMap, attrs: given.attrs as tf.NamedAttrMap, wasm: given.backend as BackendWasm }) ??
      original.kernelFunc(given),
  });
}

/** The original copies numbers into bytes, 2 stays 2 and 0.5 becomes 0: true is 1, and all that is not 0 is true. */
function castToBool({ inputs, attrs, wasm }: Given): tf.TensorInfo | null {
  const x = inputs['x']!;
  if (attrs['dtype'] !== 'bool' || x.dtype === 'bool') return null;
  const out = wasm.makeOutput(x.shape, 'bool');
  const [from, to] = [wasm.typedArrayFromHeap(x), wasm.typedArrayFromHeap(out)];
  for (let i = 0; i < to.length; i++) to[i] = from[i] !== 0 ? 1 : 0;
  return out;
}

/**
 * The originals add up in one float32, which loses the small against the large: a million times 0.1 comes out one percent off.
 * A loss is a sum over every gene of every cell, so sums are carried in double precision here. (Axes that are not neighbours,
 * as no model here has them, are left to the original.)
 */
function reduceInDouble({ inputs, attrs, wasm }: Given, finish: (sum: number, count: number) => number): tf.TensorInfo | null {
  const x = inputs['x']!;
  const { axis, keepDims } = attrs as { axis: number | number[]; keepDims: boolean };
  const axes = tf.util.parseAxisParam(axis, x.shape).sort((a, b) => a - b);
  if (x.dtype !== 'float32' || axes.some((a, i) => a !== axes[0]! + i)) return null;
  const first = axes[0] ?? 0;
  const [kept, reduced] = tf.backend_util.computeOutAndReduceShapes(x.shape, axes);
  const out = wasm.makeOutput(keepDims ? tf.backend_util.expandShapeToKeepDim(kept, axes) : kept, 'float32');
  const [from, to] = [wasm.typedArrayFromHeap(x), wasm.typedArrayFromHeap(out)];
  const numOuter = tf.util.sizeFromShape(x.shape.slice(0, first));
  const count = tf.util.sizeFromShape(reduced);
  const numInner = to.length / Math.max(numOuter, 1);
  const sums = new Float64Array(numInner);
  for (let outer = 0, at = 0; outer < numOuter; outer++) {
    sums.fill(0);
    for (let i = 0; i < count; i++) for (let inner = 0; inner < numInner; inner++) sums[inner]! += from[at++]!;
    for (let inner = 0; inner < numInner; inner++) to[outer * numInner + inner] = finish(sums[inner]!, count);
  }
  return out;
}
