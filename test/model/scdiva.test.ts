import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import {
  cellEmbedding,
  geneHidden,
  geneLogits,
  hiddenStates,
  latentAndSlotStates,
  latentStates,
  predictedValues,
  slotStates,
  type ModelInputs,
} from '../../src/model/scdiva.js';
import { gradients } from '../../src/runtime/program/gradients.js';
import type { Tensors } from '../../src/runtime/program/program.js';
import { checkGradients, leakedTensors } from '../support/check-gradients.js';
import { expectClose } from '../support/expect-close.js';
import { useTensorFlow } from '../support/tensorflow.js';
import { tinyCells, tinyConfig, tinyIds, tinyParameters, toTensors } from '../support/tiny-model.js';

useTensorFlow();

let parameters: Tensors;
let inputs: ModelInputs;
beforeEach(() => {
  parameters = toTensors(tinyParameters());
  inputs = toTensors(tinyCells()) as unknown as ModelInputs;
});
afterEach(() => tf.dispose([parameters, { ...inputs }]));

const forward = (changed: Partial<ModelInputs> = {}, dropoutSeed?: tf.Tensor1D) =>
  hiddenStates(parameters, { ...inputs, ...changed }, tinyConfig, tinyIds, { dropoutSeed });
const int2d = (rows: number[][]) => tf.tensor2d(rows, undefined, 'int32');

/** States of [LAT] and the real genes alone: those at padding mean nothing. */
function realStates(hidden: tf.Tensor3D): number[] {
  const states = hidden.arraySync();
  return [7, 5, 1].flatMap((numGenes, b) => states[b]!.slice(0, 1 + numGenes).flat());
}

describe('the mean of gene vectors as cell embedding', () => {
  const config = { ...tinyConfig, cellState: 'genes' as const };

  it('weighs every real gene by its expression, padding by nothing', () => {
    const [ids, values, table] = [inputs.geneIds.arraySync(), inputs.values.arraySync(), (parameters['gene_embedding.weight'] as tf.Tensor2D).arraySync()];
    const expected = [7, 5, 1].map((numGenes, b) => {
      const total = values[b]!.slice(0, numGenes).reduce((sum, v) => sum + v, 0);
      return table[0]!.map((_, d) => ids[b]!.slice(0, numGenes).reduce((sum, id, l) => sum + (values[b]![l]! * table[id]![d]!) / total, 0));
    });
    expectClose(
      latentStates(
        parameters,
        { ...inputs, values: tf.where(tf.equal(inputs.geneIds, tinyIds.padFillId), tf.fill([3, 7], 9), inputs.values) },
        config,
        tinyIds,
      ),
      expected.flat(),
      { atol: 1e-5 },
    );
  });

  it('is that of the whole cell beside its masked slots, whose states are as ever', () => {
    const positions = tf.tensor1d([0, 2, 8], 'int32');
    const { latent, slots } = latentAndSlotStates(parameters, inputs, positions, config, tinyIds);
    expectClose(latent, latentStates(parameters, inputs, config, tinyIds), { atol: 1e-6 });
    expectClose(slots, slotStates(parameters, inputs, positions, tinyConfig, tinyIds), { atol: 1e-6 });
  });
});

describe('hiddenStates', () => {
  it('give one state for [LAT] and one for every gene slot, all finite', () => {
    const hidden = forward();
    expect(hidden.shape).toEqual([3, 8, 12]);
    expect(Array.from(hidden.dataSync()).every(Number.isFinite)).toBe(true);
    expect(cellEmbedding(hidden).shape).toEqual([3, 12]);
    expect(geneHidden(hidden).shape).toEqual([3, 7, 12]);
    expectClose(tf.concat([tf.expandDims(cellEmbedding(hidden), 1), geneHidden(hidden)], 1), hidden, {});
  });

  it('do not change with the amount of padding, nor with its kind or what stands in it', () => {
    const expected = realStates(forward());
    const longer = forward({
      geneIds: tf.concat(
        [
          inputs.geneIds,
          int2d([
            [0, 20],
            [20, 20],
            [0, 0],
          ]),
        ],
        1,
      ) as tf.Tensor2D,
      values: tf.concat([inputs.values, tf.fill([3, 2], 9)], 1) as tf.Tensor2D,
      isReplaced: tf.concat([inputs.isReplaced, tf.ones([3, 2])], 1) as tf.Tensor2D,
    });
    expectClose(realStates(longer), expected, { atol: 1e-5 });
    const isFill = tf.equal(inputs.geneIds, tinyIds.padFillId);
    const otherKind = forward({ geneIds: tf.where(isFill, tf.zerosLike(inputs.geneIds), inputs.geneIds) });
    expectClose(realStates(otherKind), expected, { atol: 1e-6 });
  });

  it('of one cell do not depend on the cells beside it', () => {
    const row = (t: tf.Tensor2D) => tf.slice(t, [1, 0], [1, 7]);
    const alone = forward({ geneIds: row(inputs.geneIds), values: row(inputs.values), isReplaced: row(inputs.isReplaced) });
    expectClose(alone, tf.slice(forward(), [1, 0, 0], [1, 8, 12]), { atol: 1e-5 });
  });

  it('know gene order through positions alone: without turning, a swap of two genes swaps their states', () => {
    const swapped = (t: tf.Tensor2D) => tf.gather(t, tf.tensor1d([0, 3, 2, 1, 4, 5, 6], 'int32'), 1);
    const cell = (t: tf.Tensor2D) => tf.slice(t, [0, 0], [1, 7]);
    const run = (change: (t: tf.Tensor2D) => tf.Tensor2D, ropeTheta: number) => {
      const cells = { geneIds: change(cell(inputs.geneIds)), values: change(cell(inputs.values)), isReplaced: change(cell(inputs.isReplaced)) };
      return hiddenStates(parameters, cells, { ...tinyConfig, hiddenDim: 12, numHeads: 3, ropeTheta }, tinyIds);
    };
    const back = (hidden: tf.Tensor3D) => tf.gather(hidden, tf.tensor1d([0, 1, 4, 3, 2, 5, 6, 7], 'int32'), 1);
    const same = (t: tf.Tensor2D) => t;
    const difference = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;
    expect(difference(back(run(swapped, 10_000)), run(same, 10_000))).toBeGreaterThan(1e-2);
    const unordered = (change: (t: tf.Tensor2D) => tf.Tensor2D) => {
      const cells = { geneIds: change(cell(inputs.geneIds)), values: change(cell(inputs.values)), isReplaced: change(cell(inputs.isReplaced)) };
      return hiddenStates(parameters, cells, { ...tinyConfig, positions: 'none' }, tinyIds);
    };
    expect(difference(back(unordered(swapped)), unordered(same))).toBeLessThan(1e-5);
    expect(difference(unordered(same), run(same, 10_000))).toBeGreaterThan(1e-2);
    // With q and k silenced every position is attended to alike and turning has nothing to turn.
    for (const layer of [0, 1])
      for (const name of ['q_proj', 'k_proj']) parameters = { ...parameters, [`layers.${layer}.attn.${name}.weight`]: tf.zeros([12, 12]) };
    expect(difference(back(run(swapped, 10_000)), run(same, 10_000))).toBeLessThan(1e-5);
  });

  it('know nothing of [LAT] in a model whose genes do not see it, while [LAT] sees them', () => {
    const blind = (summarised: tf.Tensor2D) =>
      hiddenStates(parameters, { ...inputs, isSummarised: summarised }, { ...tinyConfig, genesSeeLatent: false }, tinyIds);
    const [all, none] = [blind(tf.onesLike(inputs.values)), blind(tf.zerosLike(inputs.values))];
    const genes = (hidden: tf.Tensor3D) => tf.slice(hidden, [0, 1, 0], [1, 7, 12]); // of the cell without padding
    expectClose(genes(all), genes(none), { atol: 1e-6 });
    const latent = (hidden: tf.Tensor3D) => tf.slice(hidden, [0, 0, 0], [3, 1, 12]);
    expect(() => expectClose(latent(all), latent(none), { atol: 1e-2 })).toThrow();
    const seeing = (isSummarised: tf.Tensor2D) => genes(forward({ isSummarised }));
    expect(() => expectClose(seeing(tf.zerosLike(inputs.values)), seeing(tf.onesLike(inputs.values)), { atol: 1e-3 })).toThrow();
  });

  it('see nothing of a replaced gene but through [LAT], and not even there when it is not summarised', () => {
    const isKnown = tf.mul(tf.sub(1, inputs.isReplaced), tf.tensor2d([Array(7).fill(1), [1, 1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0]])) as tf.Tensor2D;
    const changed = {
      geneIds: tf.sub(inputs.geneIds, tf.cast(inputs.isReplaced, 'int32')) as tf.Tensor2D,
      values: tf.add(inputs.values, inputs.isReplaced) as tf.Tensor2D,
    };
    expectClose(realStates(forward({ ...changed, isSummarised: isKnown })), realStates(forward({ isSummarised: isKnown })), {});
    expect(() => expectClose(realStates(forward(changed)), realStates(forward()), { atol: 1e-3 })).toThrow();
  });

  it('are finite for a cell of which nothing is known', () => {
    const hidden = forward({ isSummarised: tf.zerosLike(inputs.values) });
    expect(Array.from(hidden.dataSync()).every(Number.isFinite)).toBe(true);
  });

  it('take dropout from the seed: equal seeds agree, others differ, none is deterministic', () => {
    const seed = (n: number) => tf.tensor1d([n, 3], 'int32');
    expectClose(forward({}, seed(1)), forward({}, seed(1)), {});
    expect(() => expectClose(forward({}, seed(1)), forward({}, seed(2)), { atol: 1e-3 })).toThrow();
    expect(() => expectClose(forward({}, seed(1)), forward(), { atol: 1e-3 })).toThrow();
    expectClose(forward(), forward(), {});
  });

  it('name a parameter that is not there', () => {
    const before = tf.memory().numTensors;
    const { ['layers.1.norm2.weight']: lost, ...rest } = parameters;
    expect(() => hiddenStates(rest, inputs, tinyConfig, tinyIds)).toThrow('no parameter layers.1.norm2.weight');
    expect(lost).toBeDefined();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('keep no tensor behind, gradients and dropout included', () => {
    expect(leakedTensors(() => forward())).toBe(0);
    const seed = tf.tensor1d([1, 2], 'int32');
    const step = () =>
      gradients((at) => ({ loss: tf.sum(tf.square(hiddenStates(at, inputs, tinyConfig, tinyIds, { dropoutSeed: seed }))) as tf.Scalar, aux: {} }), trunk());
    expect(leakedTensors(() => step() as unknown as tf.TensorContainer)).toBe(0);
  });
});

describe('latentStates and slotStates', () => {
  const all = (at: Tensors) => hiddenStates({ ...parameters, ...at }, inputs, tinyConfig, tinyIds);
  /** Value and gradients of a projection. */
  const look = (fn: (at: Tensors) => tf.Tensor) => {
    const { aux, grads } = gradients((at) => {
      const value = fn(at);
      return { loss: tf.sum(tf.mul(value, tf.reshape(tf.sin(tf.range(1, 1 + value.size)), value.shape))) as tf.Scalar, aux: { value } };
    }, trunk());
    return { ...grads, ...aux };
  };
  const expectEqual = (found: Tensors, expected: Tensors) => {
    for (const [name, tensor] of Object.entries(expected)) expectClose(found[name]!, tensor, { atol: 2e-5, rtol: 1e-4 });
  };

  it('are the rows of hiddenStates, gradients included', () => {
    const positions = tf.tensor1d([0, 3, 6, 7, 11, 14, 3], 'int32'); // of three cells; one of them twice
    expectEqual(
      look((at) => latentStates({ ...parameters, ...at }, inputs, tinyConfig, tinyIds)),
      look((at) => cellEmbedding(all(at))),
    );
    expectEqual(
      look((at) => slotStates({ ...parameters, ...at }, inputs, positions, tinyConfig, tinyIds)),
      look((at) => tf.gather(tf.reshape(geneHidden(all(at)), [21, 12]), positions)),
    );
  });

  it('come from one pass where both are wanted', () => {
    const positions = tf.tensor1d([0, 3, 6, 7, 11, 14, 3], 'int32');
    const both = (at: Tensors) => {
      const { latent, slots } = latentAndSlotStates({ ...parameters, ...at }, inputs, positions, tinyConfig, tinyIds);
      return tf.concat([latent, slots]);
    };
    expectEqual(
      look(both),
      look((at) => tf.concat([cellEmbedding(all(at)), tf.gather(tf.reshape(geneHidden(all(at)), [21, 12]), positions)])),
    );
  });

  it('compute blocks a second time on the way back where they are told to', async () => {
    const numProducts = async (recomputesBlocks: boolean) => {
      const { kernels } = await tf.profile(() => {
        look((at) => latentStates({ ...parameters, ...at }, inputs, tinyConfig, tinyIds, { recomputesBlocks }));
        return tf.scalar(0);
      });
      return kernels.filter(({ name }) => /MatMul/.test(name)).length;
    };
    expect(await numProducts(true)).toBeGreaterThan(await numProducts(false));
  });

  it('are the same with blocks computed a second time on the way back, dropout included', () => {
    const dropoutSeed = tf.tensor1d([3, 1], 'int32');
    const positions = tf.tensor1d([2, 9], 'int32');
    const states = (recomputesBlocks: boolean) =>
      look((at) => slotStates({ ...parameters, ...at }, inputs, positions, tinyConfig, tinyIds, { dropoutSeed, recomputesBlocks }));
    expectEqual(states(true), states(false));
  });
});

/** Parameters the hidden states depend on: all but the heads. */
const trunk = (): Tensors => Object.fromEntries(Object.entries(parameters).filter(([name]) => !/^(gene|value)_head/.test(name)));

describe('the gradient of the model', () => {
  // Narrow enough for four evaluations an entry; finite differences of norms in float32 need a wide step and a wide tolerance.
  const names = ['layers.0.norm1.weight', 'value_encoder.0.bias', 'latent_encoder.mlp.1.weight', 'gene_mask_emb', 'value_mask_emb', 'final_norm.weight'];
  it.each(names)('for %s equals finite differences', (name) => {
    checkGradients(
      (at) => cellEmbedding(hiddenStates({ ...parameters, ...at }, inputs, tinyConfig, tinyIds)),
      { [name]: parameters[name]! },
      { step: 3e-3, atol: 6e-3, rtol: 1e-2 },
    );
  });

  it('for a matrix equals finite differences along its columns', () => {
    const name = 'layers.1.attn.k_proj.weight';
    const shifted = (shift: tf.Tensor) => ({ ...parameters, [name]: tf.add(parameters[name]!, shift) });
    checkGradients(
      ({ shift }) => cellEmbedding(hiddenStates(shifted(shift!), inputs, tinyConfig, tinyIds)),
      { shift: tf.zeros([12]) },
      { step: 3e-3, atol: 6e-3, rtol: 1e-2 },
    );
  });

  it('for the heads equals finite differences', () => {
    const rows = tf.tensor2d([0.3, -1, 0.5, 2, 1, 0.1, -0.4, 0.2, 1.5, -2, 0.7, 0.9], [1, 12]);
    checkGradients((at) => predictedValues({ ...parameters, ...at }, at['rows'] as tf.Tensor2D), {
      rows,
      'value_head.2.weight': parameters['value_head.2.weight']!,
      'value_head.0.bias': parameters['value_head.0.bias']!,
    });
    checkGradients((at) => geneLogits(parameters, at['rows'] as tf.Tensor2D), { rows });
  });
});
