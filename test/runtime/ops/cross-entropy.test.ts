// M 3 rows, D 4 hidden, V 5 classes
import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { crossEntropy } from '../../../src/runtime/ops/cross-entropy.js';
import { gatherRows } from '../../../src/runtime/ops/embedding.js';
import { checkGradients, leakedTensors, randomTensor } from '../../support/check-gradients.js';
import { expectClose } from '../../support/expect-close.js';
import { useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

describe('crossEntropy', () => {
  const targets = () => tf.tensor1d([4, 0, 4], 'int32');

  it('is ln V where every class is equally likely', () => {
    expectClose(crossEntropy(tf.zeros([3, 4]), tf.ones([5, 4]), targets()), { dtype: 'float32', shape: [3], data: Array(3).fill(Math.log(5)) }, { atol: 1e-6 });
  });

  it('equals -log softmax at the target', () => {
    const rows = randomTensor(Rng.fromSeed(1), [3, 4]) as tf.Tensor2D;
    const head = randomTensor(Rng.fromSeed(2), [5, 4]) as tf.Tensor2D;
    const logits = tf.matMul(rows, head, false, true).arraySync() as number[][];
    const expected = [4, 0, 4].map((target, m) => Math.log(logits[m]!.reduce((sum, x) => sum + Math.exp(x), 0)) - logits[m]![target]!);
    expectClose(crossEntropy(rows, head, targets()), expected, { atol: 1e-5 });
  });

  it('stays finite for logits far apart', () => {
    const rows = tf.tensor2d([200], [1, 1]);
    expectClose(crossEntropy(rows, tf.tensor2d([1, -1], [2, 1]), tf.tensor1d([1], 'int32')), [400], { rtol: 1e-6 });
  });

  it('has the gradient of finite differences', () => {
    const at = { rows: randomTensor(Rng.fromSeed(3), [3, 4]), head: randomTensor(Rng.fromSeed(4), [5, 4]) };
    checkGradients(({ rows, head }) => crossEntropy(rows as tf.Tensor2D, head as tf.Tensor2D, targets()), at);
  });

  it.each([
    ['in pieces', { pieceEntries: 7, keptEntries: 100 }],
    ['in pieces, computed anew for the backward pass', { pieceEntries: 7, keptEntries: 1 }],
    ['a row at a time', { pieceEntries: 1, keptEntries: 1 }],
  ])('is the same worked on %s', (_, limits) => {
    const at = [randomTensor(Rng.fromSeed(3), [6, 4]), randomTensor(Rng.fromSeed(4), [5, 4])];
    const classes = tf.tensor1d([4, 0, 4, 2, 1, 3], 'int32');
    const weights = randomTensor(Rng.fromSeed(5), [6]);
    const values = (given?: typeof limits) => {
      const fn = (rows: tf.Tensor, head: tf.Tensor) => tf.sum(tf.mul(crossEntropy(rows as tf.Tensor2D, head as tf.Tensor2D, classes, given), weights));
      return [crossEntropy(at[0] as tf.Tensor2D, at[1] as tf.Tensor2D, classes, given), ...tf.grads(fn)(at)];
    };
    const whole = values();
    values(limits).forEach((value, i) => expectClose(value, whole[i]!, { atol: 1e-5 }));
  });

  it('keeps no tensor behind, its gradient included', () => {
    const [rows, head, classes] = [tf.ones([3, 4]) as tf.Tensor2D, tf.ones([5, 4]) as tf.Tensor2D, targets()];
    expect(leakedTensors(() => tf.grads((rows, head) => tf.sum(crossEntropy(rows as tf.Tensor2D, head as tf.Tensor2D, classes)))([rows, head]))).toBe(0);
  });
});

describe('gatherRows', () => {
  it('gives the rows asked for, in the shape of the indices', () => {
    const table = tf.tensor2d([0, 1, 10, 11, 20, 21], [3, 2]);
    expectClose(
      gatherRows(table, tf.tensor2d([2, 0, 2, 1], [2, 2], 'int32')),
      { dtype: 'float32', shape: [2, 2, 2], data: [20, 21, 0, 1, 20, 21, 10, 11] },
      {},
    );
  });

  it('takes vectors and int32 tables', () => {
    const indices = tf.tensor1d([1, 1, 0], 'int32');
    expectClose(gatherRows(tf.tensor1d([5, 6]), indices), { dtype: 'float32', shape: [3], data: [6, 6, 5] }, {});
    expectClose(gatherRows(tf.tensor1d([5, 6], 'int32'), indices), { dtype: 'int32', shape: [3], data: [6, 6, 5] }, {});
  });

  it('has the gradient of finite differences, rows asked for twice counted twice', () => {
    const indices = tf.tensor2d([2, 0, 2], [1, 3], 'int32');
    checkGradients(({ table }) => gatherRows(table!, indices), { table: randomTensor(Rng.fromSeed(5), [4, 2]) });
    checkGradients(({ table }) => gatherRows(table!, tf.tensor1d([1, 1], 'int32')), { table: randomTensor(Rng.fromSeed(6), [3]) });
  });

  it('keeps no tensor behind, its gradient included', () => {
    const [table, indices] = [tf.ones([4, 2]), tf.tensor1d([1, 1], 'int32')];
    expect(leakedTensors(() => tf.grad((table) => tf.sum(tf.square(gatherRows(table, indices))))(table))).toBe(0);
  });
});
