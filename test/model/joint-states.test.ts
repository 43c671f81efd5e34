// B 3 cells, L 7 genes, P 4 further tokens, D 12 hidden
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { hiddenStates, jointStates } from '../../src/model/scdiva.js';
import { loadTensorFlow } from '../../src/runtime/native/load.js';
import { expectClose } from '../support/expect-close.js';
import { tinyCells, tinyConfig, tinyIds, tinyParameters, toTensors } from '../support/tiny-model.js';

await loadTensorFlow(); // tensors are made outside the tests, too
const state = toTensors(tinyParameters());
const { geneIds, values, isReplaced } = toTensors(tinyCells() as never);
const cells = { geneIds: geneIds as tf.Tensor2D, values: values as tf.Tensor2D, isReplaced: isReplaced as tf.Tensor2D };
const tokens = tf.tensor3d(
  Float32Array.from({ length: 3 * 4 * 12 }, (_, i) => Math.sin(3 * i)),
  [3, 4, 12],
);

describe('tokens of another kind behind the genes', () => {
  it('have the states that the whole pass gives them, and so have the chosen gene slots', () => {
    const whole = hiddenStates(state, { ...cells, further: tokens }, tinyConfig, tinyIds);
    expect(whole.shape).toEqual([3, 1 + 7 + 4, 12]);
    const { slots, further } = jointStates(state, cells, tokens, tf.tensor1d([1, 6, 9, 14], 'int32'), tinyConfig, tinyIds);
    expectClose(further, tf.slice(whole, [0, 8, 0], [3, 4, 12]), { atol: 1e-5 });
    const rows = whole.arraySync();
    expectClose(slots, tf.tensor2d([rows[0]![2]!, rows[0]![7]!, rows[1]![3]!, rows[2]![1]!]), { atol: 1e-5 });
  });

  it('have no order: turning them round turns their states round and leaves the genes as they are', () => {
    const positions = tf.tensor1d([0, 8], 'int32');
    const given = jointStates(state, cells, tokens, positions, tinyConfig, tinyIds);
    const turned = jointStates(state, cells, tf.reverse(tokens, 1), positions, tinyConfig, tinyIds);
    expectClose(tf.reverse(turned.further, 1), given.further, { atol: 1e-5 });
    expectClose(turned.slots, given.slots, { atol: 1e-5 });
  });

  it('are seen by the genes, and leave the pass without them as it was', () => {
    const positions = tf.tensor1d([0], 'int32');
    const other = jointStates(state, cells, tf.mul(tokens, -1), positions, tinyConfig, tinyIds);
    const given = jointStates(state, cells, tokens, positions, tinyConfig, tinyIds);
    expect(tf.max(tf.abs(tf.sub(other.slots, given.slots))).dataSync()[0]).toBeGreaterThan(1e-3);
  });
});
