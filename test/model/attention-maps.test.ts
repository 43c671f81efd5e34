import type * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { attentionMaps } from '../../src/model/attention-maps.js';
import { ModelConfig } from '../../src/model/config.js';
import { initialParameters } from '../../src/model/parameters.js';
import { hiddenStates } from '../../src/model/scdiva.js';
import { Rng } from '../../src/rng.js';
import { loadTensorFlow } from '../../src/runtime/native/load.js';
import { createExecutor } from '../../src/runtime/program/executor.js';

const config = ModelConfig.parse({ hiddenDim: 24, numLayers: 3, numHeads: 2, ffnDim: 20, maxGenes: 7, dropout: 0.1 });
const ids = { padId: 0, padFillId: 17 };
const parameters = initialParameters(config, 20, Rng.fromSeed(4));
const inputs = {
  geneIds: { dtype: 'int32' as const, shape: [2, 7], data: Int32Array.of(3, 9, 4, 12, 8, 2, 5, 11, 6, 7, 0, 0, 17, 0) },
  values: { dtype: 'float32' as const, shape: [2, 7], data: Float32Array.of(3, 2.5, 2, 1.5, 1, 0.7, 0.2, 4, 2, 1, 0, 0, 0, 0) },
  isReplaced: { dtype: 'float32' as const, shape: [2, 7], data: Float32Array.of(0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0) },
};

beforeAll(() => loadTensorFlow());

describe('attentionMaps', () => {
  it.each(['eager', 'graph'] as const)('ends in the states of the model’s own pass (%s)', async (kind) => {
    const executor = await createExecutor({ kind });
    try {
      const variables = await executor.createVariables(parameters);
      const program = executor.compile(
        (state, given) => {
          const cells = { geneIds: given['geneIds'] as tf.Tensor2D, values: given['values'] as tf.Tensor2D, isReplaced: given['isReplaced'] as tf.Tensor2D };
          const maps = attentionMaps(state, cells, config, ids);
          return { outputs: { slow: maps.hidden, fast: hiddenStates(state, cells, config, ids), first: maps.probabilities[0]!, last: maps.probabilities[2]! } };
        },
        { variables },
      );
      const { slow, fast, first, last } = await program.run(inputs);
      for (const [b, numGenes] of [7, 3].entries())
        for (let i = b * 8 * 24; i < (b * 8 + numGenes + 1) * 24; i++) expect(slow!.data[i]).toBeCloseTo(fast!.data[i]!, 4);
      for (const { shape, data: values } of [first!, last!]) {
        const data = values as Float32Array;
        expect(shape).toEqual([2, 2, 8, 8]);
        for (let row = 0; row < 32; row++) expect(data.subarray(row * 8, (row + 1) * 8).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
        // The second cell has three genes behind [LAT]: nobody attends to its padding.
        for (let row = 16; row < 32; row++) for (let t = 4; t < 8; t++) expect(data[row * 8 + t]).toBe(0);
      }
    } finally {
      executor.dispose();
    }
  });
});
