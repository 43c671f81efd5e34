import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../../src/rng.js';
import { Vocabulary } from '../../src/data/genes/vocabulary.js';
import { Preprocessing } from '../../src/data/loader/config.js';
import { initialParameters } from '../../src/model/parameters.js';
import { ModelConfig } from '../../src/model/config.js';
import type { ModelDescription } from '../../src/train/checkpoint.js';
import type { CellBatch } from '../../src/data/batch.js';
import type { HostTensor, HostTensors } from '../../src/runtime/program/program.js';
import type { Metrics, Task } from '../../src/train/task.js';

// B cells, L = 3 values a cell, H = 4 hidden

const L = 3;
const H = 4;

export interface TinyTaskOptions {
  /** This training batch (counted over the whole run, from the seed's first) carries a NaN. */
  readonly nanAtBatch?: number;
  readonly frozen?: readonly string[];
  readonly numCells?: number;
  /** Scores a validation pass reports beside its loss, one entry a pass; the last repeats. */
  readonly scores?: readonly number[];
  /** Parameters that stand beside the task's own and are not trained: those of a model, whose head the task's then are. */
  readonly beside?: HostTensors;
}

/**
 * A two-layer perceptron that learns sum(values): small enough that a run takes milliseconds. Cells whose index is divisible by
 * three do not count in the loss, so that its denominator differs between micro-batches.
 */
export function tinyTask({ nanAtBatch, frozen = [], numCells = 24, scores = [], beside = {} }: TinyTaskOptions = {}): Task {
  const rng = Rng.fromSeed(3);
  const normal = (...shape: number[]): HostTensor => ({
    dtype: 'float32',
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.5 * rng.normal()),
  });
  const own = { 'hidden.weight': normal(L, H), 'hidden.bias': normal(H), 'out.weight': normal(H, 1), 'unit.scale': normal(1) };
  const values = Float32Array.from({ length: numCells * L }, () => rng.uniform());
  let numPasses = 0;
  let trainBatches = 0;
  return {
    name: 'tiny',
    parameters: { ...beside, ...own },
    trainable: Object.keys(own).filter((name) => !frozen.includes(name)),
    batches(split, { rng, batchSize, skipBatches = 0 }) {
      const order = split === 'train' ? rng.fork('shuffle').permutation(numCells) : Int32Array.from({ length: numCells }, (_, i) => i);
      const numBatches = Math.ceil(numCells / batchSize);
      return {
        numBatches,
        async *[Symbol.asyncIterator]() {
          for (let i = skipBatches; i < numBatches; i++) yield batchOf(values, order.subarray(i * batchSize, (i + 1) * batchSize));
        },
        async close() {},
      };
    },
    inputs(batch, _rng, split) {
      const x = batch.values.slice();
      if (split === 'train' && trainBatches++ === nanAtBatch) x[1] = NaN;
      const y = Float32Array.from({ length: batch.numCells }, (_, b) => batch.values.subarray(b * L, b * L + L).reduce((a, c) => a + c, 0));
      const counts = Float32Array.from(batch.cellIndex, (cell) => (cell % 3 === 0 ? 0 : 1));
      return {
        x: { dtype: 'float32', shape: [batch.numCells, L], data: x },
        y: { dtype: 'float32', shape: [batch.numCells, 1], data: y },
        counts: { dtype: 'float32', shape: [batch.numCells, 1], data: counts },
      };
    },
    lossWeight: ({ counts }) => (counts!.data as Float32Array).reduce((a, b) => a + b, 0),
    loss(p, { x, y, counts }) {
      const hidden = tf.tanh(tf.add(tf.matMul(x as tf.Tensor2D, p['hidden.weight'] as tf.Tensor2D), p['hidden.bias']!)); // [B, H]
      const out = tf.mul(tf.matMul(hidden as tf.Tensor2D, p['out.weight'] as tf.Tensor2D), p['unit.scale']!); // [B, 1]
      const error = tf.mul(tf.sub(out, y!), counts!);
      const denominator = tf.maximum(tf.sum(counts!), 1);
      return { loss: tf.div(tf.sum(tf.square(error)), denominator) as tf.Scalar, aux: { absError: tf.div(tf.sum(tf.abs(error)), denominator) as tf.Scalar } };
    },
    async evaluate(split, context): Promise<Metrics> {
      const score = scores[Math.min(numPasses++, scores.length - 1)];
      return { ...(await context.meanLoss(split)), ...(score !== undefined && { score }) };
    },
  };
}

function batchOf(values: Float32Array, cells: Int32Array): CellBatch {
  const rows = [...cells].map((cell) => values.subarray(cell * L, cell * L + L));
  return {
    numCells: cells.length,
    seqLen: L,
    geneIds: new Int32Array(cells.length * L).fill(2),
    values: Float32Array.from(rows.flatMap((row) => [...row])),
    numGenes: new Int32Array(cells.length).fill(L),
    cellIndex: Int32Array.from(cells),
    labels: {},
  };
}

/** The smallest model a checkpoint can hold: three genes, one layer. */
export function tinyModel(): ModelDescription & { readonly parameters: HostTensors } {
  const modelConfig = ModelConfig.parse({ hiddenDim: 4, numLayers: 1, numHeads: 2, ffnDim: 6, maxGenes: 3 });
  const vocabulary = new Vocabulary([
    { symbol: 'CD3D', ensemblId: 'ENSG00000167286' },
    { symbol: 'LYZ', ensemblId: 'ENSG00000090382' },
    { symbol: 'NKG7', ensemblId: '' },
  ]);
  const entropy = Float32Array.of(1, 1, 0.3, 0.7000000001, 1 / 3, 1, 1, 1);
  return {
    modelConfig,
    vocabulary,
    entropy,
    preprocessing: Preprocessing.parse({ maxGenes: 3 }),
    parameters: initialParameters(modelConfig, vocabulary.size, Rng.fromSeed(5)),
  };
}
