// Run as a process of its own: node training-ops.mjs native|wasm
// Prints, as JSON, the value of each case below and its gradient with respect to each of its float inputs.
import * as tf from '@tensorflow/tfjs-core';
import { loadTensorFlow } from '../../../dist/runtime/native/load.js';

const backend = process.argv[2];
const loaded = await loadTensorFlow({ backend });

/** Deterministic, irregular, in (-1, 1). */
const numbers = (count, seed) => Float32Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 0.97);
const floats = (shape, seed = 1) =>
  tf.tensor(
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
  );
const positive = (shape, seed) => tf.add(tf.abs(floats(shape, seed)), 0.1);
const ints = (values, shape = [values.length]) => tf.tensor(Int32Array.from(values), shape, 'int32');
const bools = (values, shape = [values.length]) => tf.tensor(Uint8Array.from(values), shape, 'bool');

const rotate = (x) => tf.concat([tf.neg(tf.slice(x, [0, 0, 2], [2, 3, 2])), tf.slice(x, [0, 0, 0], [2, 3, 2])], 2);

/** name → [function of float tensors, the tensors] */
const cases = {
  add: [(a, b) => tf.add(a, b), [floats([2, 3]), floats([3], 2)]],
  sub: [(a, b) => tf.sub(a, b), [floats([2, 3]), floats([2, 1], 2)]],
  mul: [(a, b) => tf.mul(a, b), [floats([2, 3, 4]), floats([3, 1], 2)]],
  div: [(a, b) => tf.div(a, b), [floats([2, 3]), positive([3], 2)]],
  maximum: [(a, b) => tf.maximum(a, b), [floats([2, 3]), floats([2, 3], 2)]],
  minimum: [(a, b) => tf.minimum(a, b), [floats([2, 3]), floats([2, 3], 2)]],
  pow: [(a, b) => tf.pow(a, b), [positive([4]), floats([4], 2)]],
  squaredDifference: [(a, b) => tf.squaredDifference(a, b), [floats([2, 3]), floats([2, 3], 2)]],
  neg: [(a) => tf.neg(a), [floats([5])]],
  abs: [(a) => tf.abs(a), [floats([5])]],
  sign: [(a) => tf.mul(tf.sign(a), a), [floats([5])]],
  square: [(a) => tf.square(a), [floats([5])]],
  sqrt: [(a) => tf.sqrt(a), [positive([5])]],
  rsqrt: [(a) => tf.rsqrt(a), [positive([5])]],
  reciprocal: [(a) => tf.reciprocal(a), [positive([5])]],
  exp: [(a) => tf.exp(a), [floats([5])]],
  expm1: [(a) => tf.expm1(a), [floats([5])]],
  log: [(a) => tf.log(a), [positive([5])]],
  log1p: [(a) => tf.log1p(a), [positive([5])]],
  sigmoid: [(a) => tf.sigmoid(a), [floats([5])]],
  logSigmoid: [(a) => tf.logSigmoid(a), [floats([5])]],
  softplus: [(a) => tf.softplus(a), [floats([5])]],
  tanh: [(a) => tf.tanh(a), [floats([5])]],
  relu: [(a) => tf.relu(a), [floats([5])]],
  leakyRelu: [(a) => tf.leakyRelu(a), [floats([5])]],
  elu: [(a) => tf.elu(a), [floats([5])]],
  erf: [(a) => tf.erf(a), [floats([5])]],
  sin: [(a) => tf.sin(a), [floats([5])]],
  cos: [(a) => tf.cos(a), [floats([5])]],
  floor: [(a) => tf.floor(tf.mul(a, 7)), [floats([5])]],
  clip: [(a) => tf.clipByValue(a, -0.5, 0.4), [floats([7])]],
  matMul: [(a, b) => tf.matMul(a, b), [floats([3, 4]), floats([4, 5], 2)]],
  matMulTransposed: [(a, b) => tf.matMul(a, b, true, true), [floats([4, 3]), floats([5, 4], 2)]],
  batchMatMul: [(a, b) => tf.matMul(a, b, false, true), [floats([2, 3, 4, 5]), floats([2, 3, 6, 5], 2)]],
  broadcastMatMul: [(a, b) => tf.matMul(a, b), [floats([2, 4, 5]), floats([1, 5, 3], 2)], { noGradient: true }],
  transpose: [(a) => tf.transpose(a, [0, 2, 1, 3]), [floats([2, 3, 4, 5])]],
  reshape: [(a) => tf.reshape(a, [6, -1]), [floats([2, 3, 4])]],
  expandSqueeze: [(a) => tf.squeeze(tf.expandDims(a, 1), [1]), [floats([2, 3])]],
  concat: [(a, b) => tf.concat([a, b], 1), [floats([2, 3]), floats([2, 4], 2)]],
  stack: [(a, b) => tf.stack([a, b], 1), [floats([2, 3]), floats([2, 3], 2)]],
  unstack: [(a) => tf.unstack(a, 1)[1], [floats([2, 3])]],
  split: [(a) => tf.mul(...tf.split(a, 2, 2)), [floats([2, 3, 8])]],
  unequalSplit: [(a) => tf.split(a, [1, 4, 2], 1)[1], [floats([2, 7])]],
  slice: [(a) => tf.slice(a, [0, 1, 2], [2, -1, 2]), [floats([2, 3, 5])]],
  stridedSlice: [(a) => tf.stridedSlice(a, [0, 1], [3, 6], [1, 2]), [floats([3, 7])], { noGradient: true }],
  pad: [
    (a) =>
      tf.pad(a, [
        [1, 0],
        [2, 3],
      ]),
    [floats([2, 3])],
  ],
  tile: [(a) => tf.tile(a, [2, 3]), [floats([2, 3])]],
  broadcastTo: [(a) => tf.broadcastTo(a, [4, 2, 3]), [floats([2, 1])]],
  reverse: [(a) => tf.reverse(a, [1]), [floats([2, 3])]],
  gather: [(a) => tf.gather(a, ints([3, 0, 3, 1])), [floats([4, 5])]],
  gather2d: [(a) => tf.gather(a, ints([3, 0, 3, 1, 2, 2], [2, 3])), [floats([4, 5])]],
  gatherAxis1: [(a) => tf.gather(a, ints([2, 0, 2]), 1), [floats([2, 3, 4])]],
  gatherND: [(a) => tf.gatherND(a, ints([0, 1, 1, 2], [2, 2])), [floats([2, 3])], { noGradient: true }],
  unsortedSegmentSum: [(a) => tf.unsortedSegmentSum(a, ints([0, 2, 0, 1]), 4), [floats([4, 3])]],
  booleanMaskBySum: [(a) => tf.mul(a, tf.cast(bools([1, 0, 1]), 'float32')), [floats([2, 3])]],
  where: [(a, b) => tf.where(bools([1, 0, 1, 0, 1, 1], [2, 3]), a, b), [floats([2, 3]), floats([2, 3], 2)]],
  whereBroadcast: [(a) => tf.where(bools([1, 0, 1]), a, tf.zerosLike(a)), [floats([2, 3])]],
  whereRows: [(a) => tf.where(bools([1, 0], [2, 1]), a, tf.scalar(-1e9)), [floats([2, 3])]],
  sum: [(a) => tf.sum(a, [0, 2]), [floats([2, 3, 4])]],
  sumKept: [(a) => tf.sum(a, -1, true), [floats([2, 3, 4])]],
  mean: [(a) => tf.mean(a, -1, true), [floats([2, 3, 4])]],
  variance: [(a) => tf.moments(a, -1, true).variance, [floats([2, 3, 4])]],
  max: [(a) => tf.max(a, -1), [floats([2, 3, 4])]],
  min: [(a) => tf.min(a, 1, true), [floats([2, 3, 4])]],
  prod: [(a) => tf.prod(a, 1), [floats([2, 3])], { noGradient: true }],
  cumsum: [(a) => tf.cumsum(a, 1, true), [floats([2, 3])]],
  logSumExp: [(a) => tf.logSumExp(a, -1), [floats([2, 3])]],
  norm: [(a) => tf.norm(a), [floats([2, 3])]],
  softmax: [(a) => tf.softmax(a), [floats([2, 3, 5])]],
  logSoftmax: [(a) => tf.logSoftmax(a), [floats([2, 5])]],
  softmaxCrossEntropy: [(a) => tf.losses.softmaxCrossEntropy(tf.oneHot(ints([1, 0]), 3), a), [floats([2, 3])]],
  sigmoidCrossEntropy: [(a) => tf.losses.sigmoidCrossEntropy(tf.tensor2d([[1, 0, 1]]), a), [floats([1, 3])]],
  dot: [(a, b) => tf.dot(a, b), [floats([5]), floats([5], 2)]],
  layerNorm: [
    (x, gamma, beta) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), gamma), beta);
    },
    [floats([2, 3, 8]), floats([8], 2), floats([8], 3)],
  ],
  rmsNorm: [(x, gamma) => tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6))), gamma), [floats([2, 3, 8]), floats([8], 2)]],
  swiGlu: [
    (x, w) => {
      const [gate, up] = tf.split(tf.matMul(x, w), 2, 1);
      return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
    },
    [floats([3, 4]), floats([4, 12], 2)],
  ],
  gelu: [(x) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.div(x, Math.SQRT2)))), [floats([3, 4])]],
  rotary: [(x) => tf.add(tf.mul(x, tf.cos(floats([3, 4], 5))), tf.mul(rotate(x), tf.sin(floats([3, 4], 5)))), [floats([2, 3, 4])]],
  attention: [
    (q, k, v) => {
      const scores = tf.mul(tf.matMul(q, k, false, true), 0.5);
      const visible = tf.where(bools([1, 1, 1, 1, 0, 1, 1, 1, 0, 0], [2, 1, 1, 5]), scores, tf.fill([2, 2, 3, 5], -1e9));
      return tf.matMul(tf.softmax(visible), v);
    },
    [floats([2, 2, 3, 4]), floats([2, 2, 5, 4], 2), floats([2, 2, 5, 4], 3)],
  ],
  maskedNll: [
    (embedding, w) => {
      const x = tf.gather(embedding, ints([4, 1, 1, 0, 3, 2], [2, 3])); // [2, 3, 4]
      const logits = tf.reshape(tf.matMul(tf.reshape(x, [6, 4]), w), [2, 3, 7]);
      const nll = tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.oneHot(ints([1, 6, 3, 0, 2, 5], [2, 3]), 7)), -1)); // [2, 3]
      const isMasked = tf.cast(tf.less(ints([0, 1, 2, 3, 4, 5], [2, 3]), 4), 'float32');
      return tf.div(tf.sum(tf.mul(nll, isMasked)), tf.maximum(tf.sum(isMasked), 1));
    },
    [floats([5, 4]), floats([4, 7], 2)],
  ],
  // Not differentiated: what serves a batch's indices, counts and comparisons.
  longSum: [() => tf.sum(tf.fill([300_000], 0.1)), []],
  longMean: [() => tf.mean(tf.fill([2, 300_000], 0.1), 1), []],
  intSum: [() => tf.sum(ints([3, 4, 5, 6], [2, 2]), 1), []],
  intArithmetic: [() => tf.sub(tf.mul(tf.add(ints([3, 4]), ints([5, 6])), ints([2, 2])), ints([1, 1])), []],
  intMax: [() => tf.max(ints([3, 9, 5, 6], [2, 2]), 1), []],
  floorDiv: [() => tf.floorDiv(ints([7, -7, 9]), ints([2, 2, 3])), []],
  mod: [() => tf.mod(ints([7, 8, 9]), ints([4, 3, 5])), []],
  range: [() => tf.range(0, 10, 3, 'int32'), []],
  oneHot: [() => tf.oneHot(ints([2, 0, 1]), 4), []],
  equal: [() => tf.equal(ints([2, 0, 1]), ints([2, 1, 1])), []],
  notEqual: [() => tf.notEqual(ints([2, 0, 1]), ints([2, 1, 1])), []],
  compareFloats: [() => tf.logicalAnd(tf.greater(floats([4]), 0), tf.lessEqual(floats([4]), 0.5)), []],
  compareInts: [() => tf.logicalOr(tf.greaterEqual(ints([4, 5]), ints([5, 5])), tf.less(ints([4, 5]), 4)), []],
  logicalNot: [() => tf.logicalNot(bools([1, 0])), []],
  castDown: [() => tf.cast(tf.mul(floats([5]), 7), 'int32'), []],
  castBool: [() => tf.cast(bools([1, 0, 1]), 'int32'), []],
  castToBool: [() => tf.cast(ints([1, 0, 2]), 'bool'), []],
  argMax: [() => tf.argMax(floats([3, 4]), 1), []],
  argMin: [() => tf.argMin(floats([3, 4]), 1), []],
  topk: [() => tf.topk(floats([3, 6]), 2).values, []],
  topkIndices: [() => tf.topk(floats([3, 6]), 2).indices, []],
  isNaN: [() => tf.isNaN(tf.tensor1d([1, NaN, Infinity])), []],
  isFinite: [() => tf.isFinite(tf.tensor1d([1, NaN, Infinity])), []],
  any: [() => tf.any(bools([0, 1, 0, 0], [2, 2]), 1), []],
  all: [() => tf.all(bools([1, 1, 1, 0], [2, 2]), 1), []],
  scatterND: [() => tf.scatterND(ints([1, 3], [2, 1]), floats([2, 3]), [4, 3]), []],
  tensorScatterUpdate: [() => tf.tensorScatterUpdate(floats([4, 3]), ints([1, 3], [2, 1]), floats([2, 3], 2)), []],
  intGather: [() => tf.gather(ints([5, 6, 7, 8], [4, 1]), ints([3, 0])), []],
  intConcat: [() => tf.concat([ints([5, 6]), ints([7])]), []],
  intSlice: [() => tf.slice(ints([5, 6, 7, 8]), [1], [2]), []],
  intWhere: [() => tf.where(bools([1, 0]), ints([1, 2]), ints([3, 4])), []],
  intTranspose: [() => tf.transpose(ints([1, 2, 3, 4, 5, 6], [2, 3])), []],
  intPad: [() => tf.pad(ints([1, 2]), [[1, 1]], 9), []],
  intTile: [() => tf.tile(ints([1, 2]), [2]), []],
  boolConcat: [() => tf.concat([bools([1, 0]), bools([1])]), []],
  boolSlice: [() => tf.slice(bools([1, 0, 1]), [1], [2]), []],
  boolReshape: [() => tf.reshape(bools([1, 0, 1, 1]), [2, 2]), []],
  linspace: [() => tf.linspace(0, 1, 5), []],
  einsum: [() => tf.einsum('bij,bjk->bik', floats([2, 3, 4]), floats([2, 4, 5], 2)), []],
};

const host = async (tensor) => ({ dtype: tensor.dtype, shape: tensor.shape, values: [...(await tensor.data())] });
const results = {};
for (const [name, [fn, inputs, { noGradient = false } = {}]] of Object.entries(cases)) {
  try {
    const value = fn(...inputs);
    const result = { value: await host(value), grads: [] };
    if (inputs.length > 0 && !noGradient) {
      // The upstream gradient is irregular too, so that a transposed or misplaced gradient shows.
      const upstream = floats(value.shape, 9);
      for (const grad of tf.grads((...at) => tf.sum(tf.mul(fn(...at), upstream)))(inputs)) result.grads.push(await host(grad));
    }
    results[name] = result;
  } catch (error) {
    results[name] = { error: String(error?.message ?? error).split('\n')[0] };
  }
}
process.stdout.write(JSON.stringify({ loaded, results }));
