import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { gradients } from '../../../src/runtime/program/gradients.js';
import { contrastiveLoss } from '../../../src/tasks/integration/contrastive.js';
import { checkGradients, leakedTensors, randomTensor } from '../../support/check-gradients.js';
import { expectClose } from '../../support/expect-close.js';
import { useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

interface Golden {
  readonly inputs: { readonly z: { readonly shape: number[]; readonly data: number[] } };
  readonly constants: { readonly kinds: number[]; readonly temperature: number };
  readonly value: number;
  readonly gradients: { readonly z: { readonly shape: number[]; readonly data: number[] } };
}
/** Made by test/fixtures/tasks/make.py. */
const golden = (JSON.parse(readFileSync(new URL('../../fixtures/tasks/tasks.json', import.meta.url), 'utf8')) as { contrastive: Golden }).contrastive;
const kindsOf = (...codes: number[]) => tf.tensor1d(codes, 'int32');
const unit = (rows: number[][]) => tf.tensor2d(rows.map((row) => row.map((x) => x / Math.hypot(...row))));
const valueOf = (loss: tf.Scalar) => loss.dataSync()[0]!;

describe('the supervised contrastive loss', () => {
  it('has the value and gradient that PyTorch gives the published formula, a cell of no kind left out', () => {
    const { inputs, constants, value, gradients: expected } = golden;
    const { loss, grads } = gradients(
      (at) => ({ loss: contrastiveLoss(at['z'] as tf.Tensor2D, kindsOf(...constants.kinds), constants.temperature), aux: {} }),
      { z: tf.tensor2d(inputs.z.data, inputs.z.shape as [number, number]) },
    );
    expect(valueOf(loss)).toBeCloseTo(value, 5);
    expectClose(
      { dtype: 'float32', shape: [7, 5], data: grads['z']!.dataSync() },
      { dtype: 'float32', shape: [7, 5], data: Float32Array.from(expected.z.data) },
      { atol: 1e-5, rtol: 1e-4 },
    );
  });

  it('has a gradient that finite differences agree with', () => {
    checkGradients(({ z }) => contrastiveLoss(z as tf.Tensor2D, kindsOf(0, 1, 0, -1, 1), 0.5), { z: randomTensor(Rng.fromSeed(3), [5, 3], 0.5) });
  });

  it('is lower where cells of one kind lie together', () => {
    const kinds = kindsOf(0, 0, 1, 1);
    const together = valueOf(
      contrastiveLoss(
        unit([
          [1, 0],
          [1, 0.1],
          [-1, 0],
          [-1, 0.1],
        ]),
        kinds,
        0.1,
      ),
    );
    const apart = valueOf(
      contrastiveLoss(
        unit([
          [1, 0],
          [-1, 0.1],
          [-1, 0],
          [1, 0.1],
        ]),
        kinds,
        0.1,
      ),
    );
    expect(together).toBeLessThan(0.01);
    expect(apart).toBeGreaterThan(5);
  });

  it('is 0 and not NaN where no two cells are of one kind, and where none is known', () => {
    const z = unit([
      [1, 0],
      [0, 1],
      [1, 1],
    ]);
    for (const kinds of [
      [0, 1, 2],
      [-1, -1, -1],
    ]) {
      const { loss, grads } = gradients((at) => ({ loss: contrastiveLoss(at['z'] as tf.Tensor2D, kindsOf(...kinds), 0.1), aux: {} }), { z });
      expect(valueOf(loss)).toBe(0);
      expect(Array.from(grads['z']!.dataSync(), Math.abs)).toEqual([0, 0, 0, 0, 0, 0]);
    }
  });

  it('leaks no tensor', () => {
    const z = unit([
      [1, 0],
      [0, 1],
    ]);
    const kinds = kindsOf(0, 0);
    expect(leakedTensors(() => contrastiveLoss(z, kinds, 0.1))).toBe(0);
  });
});
