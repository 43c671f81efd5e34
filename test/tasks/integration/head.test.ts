import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { createExecutor } from '../../../src/runtime/program/executor.js';
import { gradients } from '../../../src/runtime/program/gradients.js';
import { isFixedScaling } from '../../../src/tasks/mlp.js';
import { adversaryLoss, directions, initialHead, integratedCells, readHead, type IntegrationHeadInfo } from '../../../src/tasks/integration/head.js';
import { createIntegrator } from '../../../src/tasks/integration/integrator.js';
import { maxDifference } from '../../metrics/golden.js';
import { toTensors } from '../../support/tiny-model.js';
import { useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

const [B, D, E, P, A] = [5, 6, 7, 4, 3];
const info: IntegrationHeadInfo = {
  task: 'integration',
  batchKey: 'donor',
  labelKey: 'k',
  contrastive: 'labels',
  techBatches: ['a', 'b', 'c'],
  embeddingDim: D,
  hiddenDim: E,
  outputDim: P,
  adversaryDim: A,
};
const random = (n: number, seed: number) =>
  Float32Array.from(
    { length: n },
    (
      (rng) => () =>
        rng.normal()
    )(Rng.fromSeed(seed)),
  );
const head = () => initialHead(info, random(9 * D, 1), Rng.fromSeed(1));
const cells = () => tf.tensor2d(random(B * D, 2), [B, D]);
const batches = () => tf.tensor1d([0, 1, 2, 0, 1], 'int32');

describe('the integration head', () => {
  it('compares directions from the middle of the batch: of length 1, and blind to where all places lie', () => {
    const places = integratedCells(toTensors(head()), cells());
    expect(places.shape).toEqual([B, P]);
    const seen = directions(places);
    for (const length of tf.norm(seen, 2, 1).dataSync()) expect(length).toBeCloseTo(1, 5);
    expect(maxDifference(directions(tf.add(places, 7)).dataSync(), seen.dataSync())).toBeLessThan(1e-4);
    expect([...directions(tf.ones([2, 3])).dataSync()]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('teaches the adversary the batches while everything before unlearns them: gradients of opposite sign, none at strength 0', () => {
    const gradientsAt = (strength: number) =>
      gradients((at) => ({ loss: adversaryLoss(at, integratedCells(at, cells()), batches(), tf.scalar(strength)).loss, aux: {} }), learned());
    const learned = () => Object.fromEntries(Object.entries(toTensors(head())));
    const read = (name: string, strength: number) => gradientsAt(strength).grads[name]!.dataSync();
    const projection = 'integration_head.projection.0.weight';
    const adversary = 'integration_head.adversary.0.weight';
    const plain = gradients((at) => {
      // The same loss without a reversal: a strength of -1 turns the turn round.
      return { loss: adversaryLoss(at, integratedCells(at, cells()), batches(), tf.scalar(-1)).loss, aux: {} };
    }, learned()).grads;
    expect(maxDifference(read(adversary, 1), plain[adversary]!.dataSync())).toBeLessThan(1e-6);
    expect(
      maxDifference(
        read(projection, 1),
        plain[projection]!.dataSync().map((x) => -x),
      ),
    ).toBeLessThan(1e-6);
    expect(Math.max(...plain[projection]!.dataSync().map(Math.abs))).toBeGreaterThan(1e-4);
    expect(Math.max(...read(projection, 0).map(Math.abs))).toBe(0);
    expect(Math.max(...read(adversary, 0).map(Math.abs))).toBeGreaterThan(1e-4);
  });

  it('counts what the adversary gets right', () => {
    const { loss, accuracy } = adversaryLoss(toTensors(head()), integratedCells(toTensors(head()), cells()), batches(), tf.scalar(1));
    expect(loss.dataSync()[0]).toBeGreaterThan(0.5);
    expect(loss.dataSync()[0]).toBeLessThan(2);
    expect([0, 0.2, 0.4, 0.6, 0.8, 1].some((share) => Math.abs(share - accuracy.dataSync()[0]!) < 1e-6)).toBe(true);
  });

  it('gives the same places alone as inside the task', async () => {
    const executor = await createExecutor({ kind: 'auto' });
    const integrator = await createIntegrator(executor, { info, parameters: head() });
    const found = await integrator.place(random(B * D, 2));
    expect(maxDifference(found, integratedCells(toTensors(head()), cells()).dataSync())).toBeLessThan(1e-5);
    integrator.dispose();
    executor.dispose();
  });

  it('is read back as it was written, or refused in one line', () => {
    const checkpoint = { folder: 'x', modelConfig: { hiddenDim: D }, head: { info, parameters: head() } };
    expect(readHead(checkpoint)).toEqual({ info, parameters: head() });
    expect(() => readHead({ folder: 'x', modelConfig: { hiddenDim: D } })).toThrow(/^x: has no integration head \(make one with scdiva finetune integration/);
    const withInfo = (change: object) => () => readHead({ ...checkpoint, head: { info: { ...info, ...change }, parameters: head() } });
    expect(withInfo({ task: 'annotation' })).toThrow(/its head is for annotation/);
    expect(withInfo({ outputDim: 0 })).toThrow(/^x\/head\.json: outputDim/);
    expect(withInfo({ embeddingDim: 8 })).toThrow(/embeddingDim: 8 \(expected 6, the model's hidden size/);
    expect(withInfo({ outputDim: 9 })).toThrow(/head\.safetensors: integration_head\.projection\.3\.weight: shape \[4, 7\] \(expected shape \[9, 7\]/);
  });

  it('names what does not learn', () => {
    expect(Object.keys(head()).filter(isFixedScaling)).toEqual(['integration_head.input_mean', 'integration_head.input_std']);
  });
});
