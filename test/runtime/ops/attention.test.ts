// B 2 cells, H 3 heads, T 4 positions, K 6 head width, D = H · K
import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { attention, type AttentionOptions } from '../../../src/runtime/ops/attention.js';
import { applyRotary, rotaryTable } from '../../../src/runtime/ops/rotary.js';
import { checkGradients, leakedTensors, randomTensor } from '../../support/check-gradients.js';
import { expectClose } from '../../support/expect-close.js';
import { useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

const shape = [2, 3, 4, 6] as const;
const draw = (seed: number, of: readonly number[] = shape) => randomTensor(Rng.fromSeed(seed), of) as tf.Tensor4D;
const open = () => tf.tensor2d([1, 1, 1, 1, 1, 1, 0, 0], [2, 4]);

/** Heads [B, H, T, K] as a projection has them, [B, T, H · K]. */
const asRows = (x: tf.Tensor) => tf.reshape(tf.transpose(x as tf.Tensor4D, [0, 2, 1, 3]), [x.shape[0]!, x.shape[2]!, -1]) as tf.Tensor3D;
const side = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => tf.concat([asRows(q), asRows(k), asRows(v)], -1) as tf.Tensor3D;
/** Angles of 0: attention without positions. */
const unturned = (T: number, K: number) => ({ cos: tf.ones([T, K / 2]) as tf.Tensor2D, sin: tf.zeros([T, K / 2]) as tf.Tensor2D });
const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, canAttend: tf.Tensor2D, options: Partial<AttentionOptions> = {}) =>
  attention(side(q, k, v), { numHeads: q.shape[1]!, rotary: unturned(q.shape[2]!, q.shape[3]!), canAttend, ...options });

describe('attention', () => {
  it('equals the sums written out', () => {
    const [q, k, v] = [draw(1), draw(2), draw(3)];
    const [Q, K, V] = [q, k, v].map((t) => t.arraySync()) as [number[][][][], number[][][][], number[][][][]];
    const numOpen = [4, 2];
    const expected = Q.flatMap((cell, b) =>
      cell.flatMap((head, h) =>
        head.flatMap((query) => {
          const weights = K[b]![h]!.slice(0, numOpen[b]).map((key) => Math.exp(key.reduce((sum, x, i) => sum + x * query[i]!, 0) / Math.sqrt(6)));
          const total = weights.reduce((a, b) => a + b);
          return query.map((_, i) => weights.reduce((sum, w, t) => sum + (w / total) * V[b]![h]![t]![i]!, 0));
        }),
      ),
    );
    expectClose(attend(q, k, v, open()), asRows(tf.tensor4d(expected, [...shape])), { atol: 1e-5 });
  });

  it('turns queries and keys by their positions', () => {
    const [q, k, v] = [draw(1), draw(2), draw(3)];
    const rotary = rotaryTable(4, 6, 100);
    expectClose(attend(q, k, v, open(), { rotary }), attend(applyRotary(q, rotary), applyRotary(k, rotary), v, open()), { atol: 1e-5 });
  });

  it('gives closed positions exactly no weight, whatever stands there', () => {
    const [q, k, v] = [draw(1), draw(2), draw(3)];
    const closed = tf.tensor4d([1, 1, 1, 1, 1, 1, 0, 0], [2, 1, 4, 1]);
    const spoil = (t: tf.Tensor4D) => tf.add(t, tf.mul(tf.sub(1, closed), 1e6)) as tf.Tensor4D;
    expectClose(attend(q, spoil(k), spoil(v), open()), attend(q, k, v, open()), {});
  });

  it('answers the first positions alone as it answers them among all, gradients included', () => {
    const at = [draw(1), draw(2), draw(3)];
    const first = (x: tf.Tensor3D) => tf.slice(x, [0, 0, 0], [-1, 2, -1]);
    const few = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => attend(q, k, v, open(), { numQueries: 2, rotary: rotaryTable(4, 6, 100) });
    const all = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => first(attend(q, k, v, open(), { rotary: rotaryTable(4, 6, 100) }));
    const weights = randomTensor(Rng.fromSeed(5), [2, 2, 18]);
    const values = (fn: typeof few) => [
      fn(...(at as [tf.Tensor, tf.Tensor, tf.Tensor])),
      ...tf.grads((q, k, v) => tf.sum(tf.mul(fn(q!, k!, v!), weights)))(at),
    ];
    const expected = values(all);
    values(few).forEach((value, i) => expectClose(value, expected[i]!, { atol: 1e-5 }));
  });

  it('is the same worked on a few heads or a few queries at a time, its gradient included', () => {
    const at = [draw(1), draw(2), draw(3)];
    const weights = asRows(draw(4));
    const values = (pieceEntries?: number) => {
      const fn = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => attend(q, k, v, open(), pieceEntries ? { pieceEntries } : {});
      return [fn(...(at as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D])), ...tf.grads((q, k, v) => tf.sum(tf.mul(fn(q!, k!, v!), weights)))(at)];
    };
    const whole = values();
    for (const entries of [1, 9, 16 * 4, 16 * 5]) values(entries).forEach((value, i) => expectClose(value, whole[i]!, { atol: 1e-5 }));
  });

  it('has the gradient of finite differences', () => {
    const small = [2, 1, 3, 2] as const;
    const canAttend = tf.tensor2d([1, 1, 1, 1, 1, 0], [2, 3]);
    const at = { q: draw(4, small), k: draw(5, small), v: draw(6, small) };
    checkGradients(({ q, k, v }) => attend(q!, k!, v!, canAttend, { rotary: rotaryTable(3, 2, 10) }), at);
  });

  it('has the gradient of finite differences under dropout, the same entries dropped on both ways', () => {
    const small = [1, 2, 3, 2] as const;
    const site = { rate: 0.4, seed: tf.tensor1d([3, 4], 'int32'), index: 5 };
    const at = { q: draw(4, small), k: draw(5, small), v: draw(6, small) };
    checkGradients(({ q, k, v }) => attend(q!, k!, v!, tf.ones([1, 3]), { site }), at);
    checkGradients(({ q, k, v }) => attend(q!, k!, v!, tf.ones([1, 3]), { site, pieceEntries: 1 }), at);
  });

  it('keeps no tensor behind', () => {
    const [qkv, canAttend, rotary] = [side(draw(1), draw(2), draw(3)), open(), unturned(4, 6)];
    expect(leakedTensors(() => attention(qkv, { numHeads: 3, rotary, canAttend }))).toBe(0);
  });
});

describe('rotary positions', () => {
  it('leave position 0 unchanged and turn entry i with entry i + K/2', () => {
    const x = tf.tensor4d([1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0], [1, 1, 3, 4]);
    const slow = 1 / 100 ** 0.5;
    const expected = [1, 0, 0, 0, Math.cos(1), 0, Math.sin(1), 0, 0, Math.cos(2 * slow), 0, Math.sin(2 * slow)];
    expectClose(applyRotary(x, rotaryTable(3, 4, 100)), { dtype: 'float32', shape: [1, 1, 3, 4], data: expected }, { atol: 1e-6 });
  });

  it('make scores depend on the distance of two positions alone', () => {
    const table = rotaryTable(7, 6, 10_000);
    const everywhere = (seed: number) => applyRotary(tf.tile(draw(seed, [1, 1, 1, 6]), [1, 1, 7, 1]) as tf.Tensor4D, table);
    const scores = tf.matMul(everywhere(1), everywhere(2), false, true).arraySync() as unknown as number[][][][];
    for (let i = 1; i < 7; i++) for (let j = 1; j < 7; j++) expectClose(scores[0]![0]![i]![j]!, scores[0]![0]![i - 1]![j - 1]!, { atol: 1e-5 });
  });

  it('keep every vector its length', () => {
    const x = draw(3);
    expectClose(tf.norm(applyRotary(x, rotaryTable(4, 6, 10_000)), 2, -1), tf.norm(x, 2, -1), { rtol: 1e-5 });
  });

  it('have the gradient of finite differences', () => {
    const table = rotaryTable(3, 4, 10_000);
    checkGradients(({ x }) => applyRotary(x as tf.Tensor4D, table), { x: draw(1, [1, 2, 3, 4]) });
  });
});
