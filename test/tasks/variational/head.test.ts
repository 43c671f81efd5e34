// B 3 cells, D 5, Z 4, G 6 genes, C 3 classes, N 2 batches: no two sizes equal but by chance
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { Rng } from '../../../src/rng.js';
import {
  decodeGenes,
  decodeLabels,
  encodeLatent,
  initialHead,
  klToPrior,
  readHead,
  reparameterise,
  type VariationalHeadInfo,
} from '../../../src/tasks/variational/head.js';
import { drawCell, expectedValues, hurdleNll, hurdleNllOf, SMALLEST_SPREAD } from '../../../src/tasks/variational/hurdle.js';
import { drawFromPosterior } from '../../../src/tasks/variational/make-cells.js';
import { toTensors } from '../../support/tiny-model.js';

await loadTensorFlow(); // tensors are made outside the tests, too

const info: VariationalHeadInfo = {
  task: 'variational',
  embeddingDim: 5,
  latentDim: 4,
  likelihood: 'hurdle',
  klWeight: 1,
  hiddenDim: 7,
  labelKey: 'cell_type',
  classes: ['B', 'NK', 'T'],
  labelDim: 8,
  batchKey: 'donor',
  techBatches: ['a', 'b'],
  geneIds: [2, 3, 5, 6, 7, 9],
};
const summary = { shares: [0.9, 0.5, 0.1, 0.3, 1, 0], means: [1.8, 0.5, 0.1, 0.6, 3, 0] };
const fresh = () =>
  initialHead(
    info,
    Float32Array.from({ length: 20 }, (_, i) => Math.sin(i)),
    summary,
    Rng.fromSeed(1),
  );

describe('the KL to the prior', () => {
  it('is 0 at the prior and half the squared distance of the means at variance 1', () => {
    const zero = klToPrior({ mu: tf.zeros([2, 4]), logvar: tf.zeros([2, 4]) });
    expect([...zero.dataSync()]).toEqual([0, 0]);
    const moved = klToPrior({ mu: tf.tensor2d([[1, 2, 0, 0]]), logvar: tf.zeros([1, 4]) });
    expect(moved.dataSync()[0]).toBeCloseTo(2.5, 6);
    const wide = klToPrior({ mu: tf.zeros([1, 1]), logvar: tf.fill([1, 1], Math.log(4)) });
    expect(wide.dataSync()[0]).toBeCloseTo(0.5 * (4 - 1 - Math.log(4)), 6);
  });
});

describe('a draw of the latent state', () => {
  it('is the mean without noise and one standard deviation off it at noise 1', () => {
    const posterior = { mu: tf.tensor2d([[1, -2]]), logvar: tf.tensor2d([[Math.log(9), 0]]) };
    expect([...reparameterise(posterior, tf.zeros([1, 2])).dataSync()]).toEqual([1, -2]);
    const [a, b] = reparameterise(posterior, tf.ones([1, 2])).dataSync();
    expect(a).toBeCloseTo(4, 5);
    expect(b).toBeCloseTo(-1, 5);
  });

  it('passes gradients to mean and log variance', () => {
    const [dMu, dLogvar] = tf.grads((mu: tf.Tensor, logvar: tf.Tensor) =>
      tf.sum(reparameterise({ mu: mu as tf.Tensor2D, logvar: logvar as tf.Tensor2D }, tf.tensor2d([[2, -1]]))),
    )([tf.zeros([1, 2]), tf.zeros([1, 2])]);
    expect([...dMu!.dataSync()]).toEqual([1, 1]);
    expect([...dLogvar!.dataSync()]).toEqual([1, -0.5]);
  });
});

describe('the likelihood of a cell', () => {
  const levels = { logits: tf.tensor2d([[0, 2, -1]]), means: tf.tensor2d([[1, 3, 2]]), spreads: tf.tensor1d([0.5, 1, 2]) };

  it('is that of being silent, or of being shown and of its value there', () => {
    const normal = (x: number, mean: number, sd: number) => 0.5 * ((x - mean) / sd) ** 2 + Math.log(sd) + 0.5 * Math.log(2 * Math.PI);
    const shown = (logit: number) => Math.log(1 + Math.exp(-logit));
    const silent = (logit: number) => Math.log(1 + Math.exp(logit));
    const expected = shown(0) + normal(1.5, 1, 0.5) + (shown(2) + normal(2, 3, 1)) + silent(-1);
    expect(hurdleNll(levels, tf.tensor2d([[1.5, 2, 0]])).dataSync()[0]).toBeCloseTo(expected, 5);
    expect(hurdleNllOf([0, 2, -1, 1, 3, 2], [0.5, 1, 2], [1.5, 2, 0])).toBeCloseTo(expected, 6);
  });

  it('stays a number where the decoder is all but sure', () => {
    const sure = { ...levels, logits: tf.tensor2d([[80, -80, 80]]) };
    expect(Number.isFinite(hurdleNll(sure, tf.tensor2d([[0, 2, 0]])).dataSync()[0])).toBe(true);
  });

  it('gives cells whose shares and means are those it was told', () => {
    const rng = Rng.fromSeed(3);
    const cells = Array.from({ length: 4000 }, (_, i) => drawCell([0, 2, -1], [4, 6, 5], [0.5, 1, 0.3], rng.fork(`${i}`)));
    const share = (g: number) => cells.filter((cell) => cell[g]! > 0).length / cells.length;
    const mean = (g: number) => cells.reduce((sum, cell) => sum + cell[g]!, 0) / cells.length;
    const told = expectedValues({ logits: tf.tensor2d([[0, 2, -1]]), means: tf.tensor2d([[4, 6, 5]]), spreads: tf.tensor1d([0.5, 1, 0.3]) }).dataSync();
    for (const [g, logit] of [0, 2, -1].entries()) {
      expect(Math.abs(share(g) - 1 / (1 + Math.exp(-logit)))).toBeLessThan(0.03);
      expect(Math.abs(mean(g) - told[g]!)).toBeLessThan(0.15);
    }
  });
});

describe('the head', () => {
  it('begins with what training cells are on average', () => {
    const state = toTensors(fresh());
    const weightless = { ...state, 'variational_head.genes.3.weight': tf.zerosLike(state['variational_head.genes.3.weight']!) };
    const levels = decodeGenes(weightless, tf.randomNormal([3, 4]), tf.zeros([3, 2]));
    expect(levels.logits.shape).toEqual([3, 6]);
    const [first, , , , fifth] = levels.means.arraySync()[0]!;
    expect(first).toBeCloseTo(2, 5);
    expect(fifth).toBeCloseTo(3, 5);
    expect(levels.logits.arraySync()[1]![1]).toBeCloseTo(0, 5);
    expect(Math.min(...levels.spreads.dataSync())).toBeGreaterThan(SMALLEST_SPREAD);
  });

  it('has a gradient for every tensor that learns', () => {
    const state = fresh();
    const names = Object.keys(state).filter((name) => !/input_(mean|std)$/.test(name));
    const fixed = toTensors(Object.fromEntries(Object.entries(state).filter(([name]) => !names.includes(name))));
    const start = toTensors(state);
    const grads = tf.grads((...given: tf.Tensor[]) => {
      const all = { ...fixed, ...Object.fromEntries(names.map((name, i) => [name, given[i]!])) };
      const posterior = encodeLatent(
        all,
        tf.tensor2d([
          [1, -1, 0.5, 2, 0],
          [0, 1, 1, -1, 3],
          [2, 0, -2, 1, 1],
        ]),
      );
      const z = reparameterise(
        posterior,
        tf.tensor2d([
          [1, 0.5, -1, 2],
          [0.3, 1, 1, -2],
          [1, 1, 0.5, 0.1],
        ]),
      );
      const levels = decodeGenes(
        all,
        z,
        tf.tensor2d([
          [1, 0],
          [0, 1],
          [0, 0],
        ]),
      );
      const nll = tf.sum(
        hurdleNll(
          levels,
          tf.tensor2d([
            [1, 0, 0, 2, 1, 1],
            [0, 1, 0, 0, 2, 1],
            [2, 0, 1, 1, 0, 1],
          ]),
        ),
      );
      return tf.add(tf.add(nll, tf.sum(klToPrior(posterior))), tf.sum(tf.square(decodeLabels(all, z)))) as tf.Scalar;
    })(names.map((name) => start[name]!));
    grads.forEach((grad, i) => {
      const size = Math.max(...Array.from(grad.dataSync(), Math.abs));
      expect(Number.isFinite(size) && size > 0, names[i]).toBe(true);
    });
  });

  it('is read back, and a foreign or damaged one refused in one line', () => {
    const folder = 'runs/x';
    const modelConfig = { hiddenDim: 5 };
    expect(readHead({ folder, modelConfig, head: { info, parameters: fresh() } }).info).toEqual(info);
    expect(() => readHead({ folder, modelConfig })).toThrow(/has no variational head.*finetune variational/);
    const less = Object.fromEntries(Object.entries(fresh()).filter(([name]) => name !== 'variational_head.mu.weight'));
    expect(() => readHead({ folder, modelConfig, head: { info, parameters: less } })).toThrow(/variational_head\.mu\.weight: missing/);
  });
});

describe('draws from the aggregate posterior', () => {
  it('lie where the cells of the wanted class lie', () => {
    const stored = {
      mu: Float32Array.of(0, 0, 10, 10, 11, 11),
      logvar: new Float32Array(6).fill(-8),
      labels: Int32Array.of(0, 1, 1),
      techBatches: Int32Array.of(0, 1, 0),
    };
    const { z, labels, techBatches } = drawFromPosterior(stored, 50, Rng.fromSeed(1), 1);
    expect(Math.min(...z)).toBeGreaterThan(9);
    expect(new Set(labels)).toEqual(new Set([1]));
    expect(new Set(techBatches)).toEqual(new Set([0, 1]));
    expect(() => drawFromPosterior(stored, 1, Rng.fromSeed(1), 7)).toThrow(RangeError);
  });
});
