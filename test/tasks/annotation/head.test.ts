import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../../src/rng.js';
import { createExecutor } from '../../../src/runtime/program/executor.js';
import { gradients } from '../../../src/runtime/program/gradients.js';
import type { Tensors } from '../../../src/runtime/program/program.js';
import { headLogits, initialHead, readHead, type AnnotationHeadInfo } from '../../../src/tasks/annotation/head.js';
import { createHeadClassifier } from '../../../src/tasks/annotation/head-classifier.js';
import { classificationLoss, classificationLossOf } from '../../../src/tasks/annotation/loss.js';
import { maxDifference } from '../../metrics/golden.js';
import { useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

const [B, D, E, C] = [5, 6, 7, 3];
const info: AnnotationHeadInfo = {
  task: 'annotation',
  labelKey: 'k',
  classes: ['a', 'b', 'c'],
  classSizes: [3, 2, 1],
  embeddingDim: D,
  hiddenDim: E,
  temperature: 1,
  unknownThreshold: 0,
  calibration: null,
};
const sample = Float32Array.from({ length: 9 * D }, (_, i) => (i % D) + 0.1 * ((i * 7919) % 13)); // [9, D]
const head = () => initialHead({ embeddingDim: D, hiddenDim: E, numClasses: C }, sample, Rng.fromSeed(1));
const toTensors = (): Tensors => Object.fromEntries(Object.entries(head()).map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]));
const random = (n: number, seed: number) =>
  Float32Array.from(
    { length: n },
    (
      (rng) => () =>
        rng.normal()
    )(Rng.fromSeed(seed)),
  );

describe('the annotation head', () => {
  it('has the names and shapes of a PyTorch Sequential of Linear, GELU, Dropout and Linear, behind a fixed scaling', () => {
    expect(Object.entries(head()).map(([name, { shape }]) => [name, shape])).toEqual([
      ['annotation_head.input_mean', [D]],
      ['annotation_head.input_std', [D]],
      ['annotation_head.0.weight', [E, D]],
      ['annotation_head.0.bias', [E]],
      ['annotation_head.3.weight', [C, E]],
      ['annotation_head.3.bias', [C]],
    ]);
  });

  it('computes scaling, Linear, exact GELU, Linear', () => {
    // Weights of one make the sum over inner units visible: gelu(1) = 0.8413447 (the normal distribution at 1), gelu(-1) = -0.1586553.
    const scaling = { 'annotation_head.input_mean': tf.tensor1d([3]), 'annotation_head.input_std': tf.tensor1d([2]) };
    const ones = {
      ...scaling,
      'annotation_head.0.weight': tf.ones([2, 1]),
      'annotation_head.0.bias': tf.zeros([2]),
      'annotation_head.3.weight': tf.ones([1, 2]),
      'annotation_head.3.bias': tf.tensor1d([10]),
    };
    const logits = headLogits(ones, tf.tensor2d([[5], [1], [3]])).dataSync();
    expect(maxDifference(logits, [10 + 2 * 0.8413447, 10 - 2 * 0.1586553, 10])).toBeLessThan(1e-5);
  });

  it('scales its input by the training cells, a dimension without spread left at a thousandth', () => {
    const { 'annotation_head.input_mean': mean, 'annotation_head.input_std': std } = initialHead(
      { embeddingDim: 2, hiddenDim: E, numClasses: C },
      Float32Array.of(1, 7, 3, 7, 5, 7),
      Rng.fromSeed(1),
    );
    expect([...mean!.data]).toEqual([3, 7]);
    expect(std!.data[0]).toBeCloseTo(Math.sqrt(8 / 3), 5);
    expect(std!.data[1]).toBeCloseTo(1e-3, 8);
  });

  it('gives every parameter a gradient and leaks no tensor', () => {
    const step = () =>
      tf.tidy(() => {
        const { grads } = gradients(
          (at) => ({
            loss: classificationLoss(headLogits(at, tf.tensor2d(random(B * D, 2), [B, D])), tf.tensor1d([0, 1, 2, 0, 1], 'int32'), tf.ones([B]), 0).loss,
            aux: {},
          }),
          toTensors(),
        );
        return Object.values(grads).map((grad) => tf.sum(tf.abs(grad)).dataSync()[0]!);
      });
    for (const size of step()) expect(size).toBeGreaterThan(1e-4);
    const before = tf.memory().numTensors;
    step();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('gives the same logits alone as inside a task, whatever the number of cells at once', async () => {
    const executor = await createExecutor({ kind: 'auto' });
    const classifier = await createHeadClassifier(executor, { info, parameters: head() });
    const cells = random(4100 * D, 3);
    const logits = await classifier.logits(cells);
    const expected = tf.tidy(() => headLogits(toTensors(), tf.tensor2d(cells, [4100, D])).dataSync());
    expect(maxDifference(logits, expected)).toBeLessThan(1e-5);
    classifier.dispose();
    executor.dispose();
  });
});

describe('the classification loss', () => {
  const logits = random(B * C, 4);
  const labels = Int32Array.of(0, 2, 1, 1, 0);
  const weights = Float32Array.of(1, 0.5, 2, 0, 1);
  const onDevice = (w: Float32Array, smoothing: number) =>
    tf.tidy(() => {
      const { loss, accuracy } = classificationLoss(tf.tensor2d(logits, [B, C]), tf.tensor1d(labels, 'int32'), tf.tensor1d(w), smoothing);
      return { loss: loss.dataSync()[0]!, accuracy: accuracy.dataSync()[0]! };
    });

  it('is the weighted mean of the negative log-likelihoods', () => {
    const nll = Array.from(labels, (label, i) => {
      const row = [...logits.subarray(i * C, (i + 1) * C)];
      return Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0)) - row[label]!;
    });
    const expected = nll.reduce((sum, v, i) => sum + weights[i]! * v, 0) / 4.5;
    expect(onDevice(weights, 0).loss).toBeCloseTo(expected, 5);
  });

  it('is the same from logits that were read back, smoothing included', () => {
    for (const smoothing of [0, 0.1]) expect(classificationLossOf(logits, labels, weights, C, smoothing)).toBeCloseTo(onDevice(weights, smoothing).loss, 5);
  });

  it('does not fall below the entropy of the smoothed target', () => {
    const certain = Float32Array.of(50, 0, 0);
    expect(classificationLossOf(certain, [0], [1], C, 0)).toBeCloseTo(0, 6);
    expect(classificationLossOf(certain, [0], [1], C, 0.3)).toBeCloseTo(0.3 * (2 / 3) * 50, 4);
  });

  it('is 0, not NaN, over cells without weight', () => {
    expect(onDevice(new Float32Array(B), 0)).toEqual({ loss: 0, accuracy: 0 });
    expect(classificationLossOf(logits, labels, new Float32Array(B), C, 0)).toBe(0);
  });

  it('says which share of the weight is rightly labelled', () => {
    const right = Array.from(labels, (label, i) => Math.max(...logits.subarray(i * C, (i + 1) * C)) === logits[i * C + label]);
    expect(onDevice(weights, 0).accuracy).toBeCloseTo(right.reduce((sum, is, i) => sum + (is ? weights[i]! : 0), 0) / 4.5, 5);
  });
});

describe('the head of a checkpoint', () => {
  const checkpoint = { folder: 'x', modelConfig: { hiddenDim: D }, head: { info, parameters: head() } };

  it('is read back as it was written', () => {
    expect(readHead(checkpoint)).toEqual({ info, parameters: head() });
  });

  it('is refused in one line when it is absent, of another task, damaged or of other sizes', () => {
    expect(() => readHead({ folder: 'x', modelConfig: { hiddenDim: D } })).toThrow(/^x: has no annotation head \(make one with scdiva finetune annotation/);
    const withInfo = (change: object) => () => readHead({ ...checkpoint, head: { info: { ...info, ...change }, parameters: head() } });
    expect(withInfo({ task: 'integration' })).toThrow(/its head is for integration/);
    expect(withInfo({ temperature: 0 })).toThrow(/^x\/head\.json: temperature/);
    expect(withInfo({ embeddingDim: 8 })).toThrow(/embeddingDim: 8 \(expected 6, the model's hidden size/);
    expect(withInfo({ hiddenDim: 9 })).toThrow(/head\.safetensors: annotation_head\.0\.weight: shape \[7, 6\] \(expected shape \[9, 6\]/);
    expect(withInfo({ classSizes: [1] })).toThrow(/classSizes/);
  });
});
