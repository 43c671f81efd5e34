import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { deRankingLoss, weightedSquaredError } from '../../../src/tasks/perturbation/loss.js';

beforeAll(() => loadTensorFlow());

const SHAPE: [number, number] = [2, 5];
const predicted = [0.1, -0.4, 0.9, 0.05, 0.3, 0, 0.2, -0.7, 0.4, -0.1];
const real = [0.5, -0.6, 0.2, 0, 0.1, -0.3, 0.8, -0.2, 0.1, 0];
const isChanged = [1, 1, 0, 0, 0, 0, 1, 0, 0, 0];
const isValid = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0];
const at = (values: readonly number[]): tf.Tensor2D => tf.tensor2d(values as number[], SHAPE);

function expectGradient(loss: (x: tf.Tensor2D) => tf.Scalar): void {
  const analytic = tf
    .grad((x) => loss(x as tf.Tensor2D))(at(predicted))
    .dataSync();
  const step = 1e-2;
  predicted.forEach((_, i) => {
    const shifted = (sign: number) => loss(at(predicted.map((v, k) => (k === i ? v + sign * step : v)))).dataSync()[0]!;
    expect(analytic[i]).toBeCloseTo((shifted(1) - shifted(-1)) / (2 * step), 2);
  });
}

describe('weightedSquaredError', () => {
  const weights = isValid.map((v, i) => v * (1 + 2 * isChanged[i]!));

  it('is the sum of weighted squares over the sum of weights', () => {
    const sum = predicted.reduce((total, v, i) => total + weights[i]! * (v - real[i]!) ** 2, 0);
    expect(weightedSquaredError(at(predicted), at(real), at(weights)).dataSync()[0]).toBeCloseTo(sum / weights.reduce((a, b) => a + b), 6);
  });

  it('has the gradient that finite differences find', () => expectGradient((x) => weightedSquaredError(x, at(real), at(weights))));

  it('is 0 where nothing counts', () => expect(weightedSquaredError(at(predicted), at(real), at(predicted.map(() => 0))).dataSync()[0]).toBe(0));
});

describe('deRankingLoss', () => {
  const loss = (x: readonly number[], changed = isChanged, valid = isValid) => deRankingLoss(at(x), at(real), at(changed), at(valid), 0.5).dataSync()[0]!;

  it('is what its formula says over the pairs one and three slots apart', () => {
    let [sum, total] = [0, 0];
    for (const row of [0, 5])
      for (const shift of [1, 3])
        for (let i = 0; i < 5; i++) {
          const [a, b] = [row + i, row + ((i + shift) % 5)];
          const weight = Math.abs(real[a]! - real[b]!) * Math.max(isChanged[a]!, isChanged[b]!) * isValid[a]! * isValid[b]!;
          sum += weight * Math.log1p(Math.exp((-Math.sign(real[a]! - real[b]!) * (predicted[a]! - predicted[b]!)) / 0.5));
          total += weight;
        }
    expect(loss(predicted)).toBeCloseTo(sum / total, 5);
  });

  it('has the gradient that finite differences find', () => expectGradient((x) => deRankingLoss(x, at(real), at(isChanged), at(isValid), 0.5)));

  it('falls when the order becomes right, whatever the scale', () => {
    expect(loss(real.map((v) => 3 * v))).toBeLessThan(loss(predicted));
    expect(loss(predicted)).toBeLessThan(loss(real.map((v) => -3 * v)));
  });

  it('asks nothing where no gene changes, and nothing of padding', () => {
    expect(
      loss(
        predicted,
        predicted.map(() => 0),
      ),
    ).toBe(0);
    expect(loss([...predicted.slice(0, 9), 50])).toBeCloseTo(loss(predicted), 6);
  });
});
