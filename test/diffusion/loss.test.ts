import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { DiffusionConfig } from '../../src/diffusion/config.js';
import { maskGenes, numMasked } from '../../src/diffusion/forward.js';
import { diffusionLoss, dualLoss, weightedMean } from '../../src/diffusion/loss.js';
import { Rng } from '../../src/rng.js';
import { createEagerExecutor } from '../../src/runtime/program/eager.js';
import { gradients } from '../../src/runtime/program/gradients.js';
import { createGraphExecutor } from '../../src/runtime/program/graph/executor.js';
import type { Executor, ProgramFn, Tensors } from '../../src/runtime/program/program.js';
import { drawBatch } from '../support/cell-batches.js';
import { leakedTensors, randomTensor } from '../support/check-gradients.js';
import { expectClose } from '../support/expect-close.js';
import { hasNative, useTensorFlow } from '../support/tensorflow.js';
import { tinyConfig, tinyIds, tinyParameters, toTensors } from '../support/tiny-model.js';

useTensorFlow();

const config = DiffusionConfig.parse({});
const model = { config: tinyConfig, ids: tinyIds };
const masked = (t = 0.6, seed = 4) => maskGenes(drawBatch([7, 5, 1], 7, tinyIds), [t, t, t], tinyIds, config, Rng.fromSeed(seed));
const seed = () => tf.tensor1d([1, 2], 'int32');

describe('the dual loss', () => {
  it('is the two means over masked slots written out', () => {
    const parameters = toTensors(tinyParameters());
    const [rows, ids, values] = [randomTensor(Rng.fromSeed(1), [4, 12]) as tf.Tensor2D, [3, 8, 3, 0], [1, 2, 3, 99]];
    const out = dualLoss(parameters, rows, tf.tensor1d(ids, 'int32'), tf.tensor1d(values), tf.tensor1d([1, 1, 1, 0]), 10);
    const logits = tf.matMul(rows, parameters['gene_head.weight'] as tf.Tensor2D, false, true).arraySync() as number[][];
    const identity = [0, 1, 2].reduce((sum, m) => sum + Math.log(logits[m]!.reduce((s, x) => s + Math.exp(x), 0)) - logits[m]![ids[m]!]!, 0) / 3;
    const inner = tf.relu(tf.add(tf.matMul(rows, parameters['value_head.0.weight'] as tf.Tensor2D, false, true), parameters['value_head.0.bias']!));
    const predicted = tf
      .add(tf.matMul(inner as tf.Tensor2D, parameters['value_head.2.weight'] as tf.Tensor2D, false, true), parameters['value_head.2.bias']!)
      .dataSync();
    const value = [0, 1, 2].reduce((sum, m) => sum + (predicted[m]! - values[m]!) ** 2, 0) / 3;
    expectClose(out.identityLoss, identity, { rtol: 1e-5 });
    expectClose(out.valueLoss, value, { rtol: 1e-5 });
    expectClose(out.loss, identity + 10 * value, { rtol: 1e-5 });
  });

  it('does not change with the number of filling rows', () => {
    const parameters = toTensors(tinyParameters());
    const inputs = masked();
    const numRows = numMasked(inputs);
    const cut = Object.fromEntries(
      Object.entries(inputs).map(([name, tensor]) => [
        name,
        tensor.shape.length === 1 ? { ...tensor, shape: [numRows], data: tensor.data.slice(0, numRows) } : tensor,
      ]),
    );
    expect(numRows).toBeLessThan(inputs.lossWeights.data.length);
    expectClose(diffusionLoss(parameters, toTensors(inputs), model, config).loss, diffusionLoss(parameters, toTensors(cut), model, config).loss, {
      rtol: 1e-6,
    });
  });

  it('is 0 with gradients of 0 when nothing is masked', () => {
    const inputs = toTensors(masked(0));
    const { loss, grads } = gradients((at) => ({ loss: diffusionLoss(at, inputs, model, config).loss, aux: {} }), toTensors(tinyParameters()));
    expectClose(loss, 0, {});
    for (const grad of Object.values(grads)) expectClose(grad, new Float32Array(grad.size), {});
  });

  it('reaches every parameter with a finite gradient that is not zero', () => {
    const inputs = toTensors(masked());
    const { grads } = gradients((at) => ({ loss: diffusionLoss(at, inputs, model, config, seed()).loss, aux: {} }), toTensors(tinyParameters()));
    for (const [name, grad] of Object.entries(grads)) {
      const values = Array.from(grad.dataSync());
      expect(values.every(Number.isFinite), name).toBe(true);
      expect(
        values.some((x) => x !== 0),
        name,
      ).toBe(true);
    }
  });

  it('keeps no tensor behind, gradients included, nor after a throw', () => {
    const [parameters, inputs, dropoutSeed] = [toTensors(tinyParameters()), toTensors(masked()), seed()];
    const loss = (at: Tensors) => ({ ...diffusionLoss(at, inputs, model, config, dropoutSeed) });
    expect(leakedTensors(() => loss(parameters))).toBe(0);
    expect(
      leakedTensors(() => gradients((at) => ({ loss: tf.add(loss(at).loss, 0) as tf.Scalar, aux: {} }), parameters) as unknown as tf.TensorContainer),
    ).toBe(0);
    const before = tf.memory().numTensors;
    const wrong = { ...inputs, lossWeights: tf.ones([2]) };
    expect(() => diffusionLoss(parameters, wrong, model, config)).toThrow();
    tf.dispose(wrong.lossWeights);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('weightedMean', () => {
  it('divides by the sum of weights, and is 0 without any', () => {
    expectClose(weightedMean(tf.tensor1d([1, 5, 100]), tf.tensor1d([0.25, 0.25, 0])), 3, { rtol: 1e-6 });
    expectClose(weightedMean(tf.tensor1d([1, 5]), tf.zeros([2])), 0, {});
  });
});

describe.runIf(hasNative)('both executors', () => {
  it('give one loss and one set of gradients, dropout included', async () => {
    const step: ProgramFn = (variables, inputs) => {
      const { loss, aux, grads } = gradients((at) => {
        const { loss, identityLoss, valueLoss } = diffusionLoss(at, inputs, model, config, inputs['dropoutSeed'] as tf.Tensor1D);
        return { loss, aux: { identityLoss, valueLoss } };
      }, variables);
      return { outputs: { loss, ...aux, ...grads } };
    };
    const inputs = { ...masked(), dropoutSeed: { dtype: 'int32', shape: [2], data: Int32Array.of(3, 4) } as const };
    const run = async (executor: Executor) => {
      const variables = await executor.createVariables(tinyParameters());
      const out = await executor.compile(step, { variables }).run(inputs);
      variables.dispose();
      executor.dispose();
      return out;
    };
    const [eager, graph] = [await run(createEagerExecutor()), await run(createGraphExecutor())];
    expect(Object.keys(graph).sort()).toEqual(Object.keys(eager).sort());
    for (const [name, tensor] of Object.entries(eager)) expectClose(graph[name]!, tensor, { atol: 1e-5, rtol: 1e-4 });
  });
});
