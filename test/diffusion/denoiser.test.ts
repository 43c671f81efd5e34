import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { SamplerConfig } from '../../src/diffusion/config.js';
import { createDenoiser } from '../../src/diffusion/denoiser.js';
import { blankGenes } from '../../src/diffusion/partial-cells.js';
import { completeCells } from '../../src/diffusion/sampler.js';
import { geneHidden, geneLogits, hiddenStates, predictedValues } from '../../src/model/scdiva.js';
import { Rng } from '../../src/rng.js';
import { createExecutor } from '../../src/runtime/program/executor.js';
import { drawBatch } from '../support/cell-batches.js';
import { expectClose } from '../support/expect-close.js';
import { executorKinds, useTensorFlow } from '../support/tensorflow.js';
import { tinyConfig, tinyIds, tinyParameters, toTensors } from '../support/tiny-model.js';

useTensorFlow();

const batch = drawBatch([7, 4, 1], 7, tinyIds);
const partial = () => blankGenes(batch, { maskRatio: 0.5, numExtraGenes: 2, maxGenes: 8 }, tinyIds, Rng.fromSeed(2));

describe('the denoiser', () => {
  it.each(executorKinds)('gives the model’s logits and values at the slots asked for, [LAT] summarising the known genes (%s)', async (kind) => {
    const cells = partial();
    const slots = Array.from(cells.isUnknown.keys()).filter((slot) => cells.isUnknown[slot]);
    const executor = await createExecutor({ kind });
    const variables = await executor.createVariables(tinyParameters());
    const denoiser = createDenoiser(executor, variables, tinyConfig, tinyIds);
    const found: { slot: number; logits: number[]; value: number }[] = [];
    await denoiser.predict(cells, slots, (slot, logits, value) => found.push({ slot, logits: [...logits], value }));
    denoiser.dispose();
    variables.dispose();
    executor.dispose();
    expect(found.map(({ slot }) => slot)).toEqual(slots);
    tf.tidy(() => {
      const parameters = toTensors(tinyParameters());
      const shape: [number, number] = [3, 8];
      const isReplaced = tf.tensor2d(Float32Array.from(cells.isUnknown), shape);
      const isReal = Float32Array.from(cells.geneIds, (id) => Number(id !== 0 && id !== tinyIds.padFillId));
      const inputs = {
        geneIds: tf.tensor2d(cells.geneIds, shape, 'int32'),
        values: tf.tensor2d(cells.values, shape),
        isReplaced,
        isSummarised: tf.mul(tf.tensor2d(isReal, shape), tf.sub(1, isReplaced)) as tf.Tensor2D,
      };
      const rows = tf.gather(
        tf.reshape(geneHidden(hiddenStates(parameters, inputs, tinyConfig, tinyIds)), [3 * 8, -1]),
        tf.tensor1d(slots, 'int32'),
      ) as tf.Tensor2D;
      expectClose(
        found.flatMap(({ logits }) => logits),
        geneLogits(parameters, rows).dataSync(),
        { atol: 1e-5 },
      );
      expectClose(
        found.map(({ value }) => value),
        predictedValues(parameters, rows).dataSync(),
        { atol: 1e-5 },
      );
    });
  });

  it('completes cells with a real model and keeps no tensor behind', async () => {
    const executor = await createExecutor({ kind: 'eager' });
    const before = tf.memory().numTensors;
    const variables = await executor.createVariables(tinyParameters());
    const denoiser = createDenoiser(executor, variables, tinyConfig, tinyIds);
    const after = await completeCells(partial(), denoiser, tinyIds, SamplerConfig.parse({ steps: 3 }), Rng.fromSeed(1), ['a', 'b', 'c']);
    expect(after.isUnknown.some(Boolean)).toBe(false);
    denoiser.dispose();
    variables.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
