// B 3 cells, L 7 genes, D 12 hidden, H 3 heads, V 23 gene vocabulary: no two sizes equal
import * as tf from '@tensorflow/tfjs-core';
import { ModelConfig } from '../../src/model/config.js';
import type { GeneIdLayout } from '../../src/model/gene-ids.js';
import { initialParameters } from '../../src/model/parameters.js';
import { Rng } from '../../src/rng.js';
import type { HostTensor, HostTensors, Tensors } from '../../src/runtime/program/program.js';

export const tinyIds: GeneIdLayout = { size: 23, padId: 0, maskId: 1, padFillId: 20, bosId: 21, eosId: 22 };
export const tinyConfig: ModelConfig = ModelConfig.parse({ hiddenDim: 12, numLayers: 2, numHeads: 3, ffnDim: 10, maxGenes: 7, dropout: 0.2 });

/** Initial parameters with every zero and one of the initialisation moved, so that nothing is right by symmetry. */
export function tinyParameters(seed = 1, config = tinyConfig): HostTensors {
  const rng = Rng.fromSeed(seed);
  const initial = initialParameters(config, tinyIds.size, rng);
  return Object.fromEntries(
    Object.entries(initial).map(([name, tensor]) => [name, { ...tensor, data: Float32Array.from(tensor.data, (x) => x + 0.1 * rng.normal()) }]),
  );
}

/** Three cells of 7, 5 and 1 genes; padding of both kinds. */
export function tinyCells(): { geneIds: HostTensor; values: HostTensor; isReplaced: HostTensor } {
  const shape = [3, 7];
  return {
    geneIds: { dtype: 'int32', shape, data: Int32Array.of(5, 9, 2, 14, 19, 3, 8, 7, 2, 11, 6, 17, 0, 0, 4, 20, 20, 20, 0, 20, 20) },
    values: { dtype: 'float32', shape, data: Float32Array.of(4, 3.5, 3, 2.5, 2, 1.5, 0.5, 5, 4, 3, 2, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0) },
    isReplaced: { dtype: 'float32', shape, data: Float32Array.of(0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0) },
  };
}

export function toTensors(host: HostTensors): Tensors {
  return Object.fromEntries(Object.entries(host).map(([name, { data, shape, dtype }]) => [name, tf.tensor(data, [...shape], dtype)]));
}
