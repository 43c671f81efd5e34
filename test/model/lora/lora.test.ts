import { beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { LoraConfig } from '../../../src/model/lora/config.js';
import {
  adaptedNames,
  adapterA,
  adapterB,
  adapterNames,
  initialAdapters,
  joinAdapters,
  mergeAdapters,
  type LoraAdapters,
} from '../../../src/model/lora/lora.js';
import { latentStates } from '../../../src/model/scdiva.js';
import { Rng } from '../../../src/rng.js';
import type { HostTensors, Tensors } from '../../../src/runtime/program/program.js';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { loadTensorFlow } from '../../../src/runtime/native/load.js';
import { tinyCells, tinyConfig, tinyIds, tinyParameters, toTensors } from '../../support/tiny-model.js';

const vocabulary = new Vocabulary(Array.from({ length: tinyIds.size - 5 }, (_, i) => ({ symbol: `G${i}`, ensemblId: '' })));
const base = tinyParameters();
const config = LoraConfig.parse({ rank: 3, alpha: 6, targets: ['q_proj', 'v_proj', 'down_proj'] });
const adapters: LoraAdapters = { config, targets: adaptedNames(Object.keys(base), config) };
const fresh = initialAdapters(adapters, base, Rng.fromSeed(3));
/** As if trained: B is no longer zero. */
const trained: HostTensors = Object.fromEntries(
  Object.entries(fresh).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.map((x, i) => x + 0.1 * Math.sin(i)) as Float32Array }]),
);

const embed = (parameters: Tensors) => tf.tidy(() => latentStates(parameters, toTensors(tinyCells()) as never, tinyConfig, vocabulary, {}).dataSync());
const farthest = (a: ArrayLike<number>, b: ArrayLike<number>) => Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)));

beforeAll(async () => void (await loadTensorFlow()));

describe('low-rank adapters', () => {
  it('sit on the matrices the config names, in every layer, and nowhere else', () => {
    expect(adapters.targets).toEqual(
      [0, 1].flatMap((layer) => [`layers.${layer}.attn.q_proj.weight`, `layers.${layer}.attn.v_proj.weight`, `layers.${layer}.mlp.down_proj.weight`]),
    );
    expect(adapterA(adapters.targets[0]!)).toBe('layers.0.attn.q_proj.lora_A.weight');
    expect(fresh[adapterA('layers.0.mlp.down_proj.weight')]!.shape).toEqual([3, 10]); // [r, I]
    expect(fresh[adapterB('layers.0.mlp.down_proj.weight')]!.shape).toEqual([12, 3]); // [O, r]
  });

  it('change nothing before the first step, whatever A is', () => {
    const joined = embed(joinAdapters(adapters, toTensors({ ...base, ...fresh })));
    expect([...joined]).toEqual([...embed(toTensors(base))]);
  });

  it('merged into plain weights give the outputs they gave beside them', () => {
    const beside = embed(joinAdapters(adapters, toTensors({ ...base, ...trained })));
    const merged = mergeAdapters(adapters, { ...base, ...trained });
    expect(Object.keys(merged).toSorted()).toEqual(Object.keys(base).toSorted());
    expect(farthest(embed(toTensors(merged)), beside)).toBeLessThan(1e-5);
    expect(farthest(embed(toTensors(base)), beside)).toBeGreaterThan(1e-2); // they do something
  });

  it('add alpha / rank times B·A', () => {
    const name = adapters.targets[0]!;
    const [a, b] = [trained[adapterA(name)]!.data, trained[adapterB(name)]!.data];
    const [o, i] = [5, 7];
    const product = [0, 1, 2].reduce((sum, k) => sum + b[o * 3 + k]! * a[k * 12 + i]!, 0);
    expect(mergeAdapters(adapters, { ...base, ...trained })[name]!.data[o * 12 + i]).toBeCloseTo(base[name]!.data[o * 12 + i]! + 2 * product, 6);
  });

  it('get gradients: B at once, A as soon as B has moved', () => {
    const gradientOf = (state: HostTensors, name: string) => {
      const all = toTensors({ ...base, ...state });
      const loss = (value: tf.Tensor) =>
        tf.sum(
          tf.square(latentStates(joinAdapters(adapters, { ...all, [name]: value }), toTensors(tinyCells()) as never, tinyConfig, vocabulary, {})),
        ) as tf.Scalar;
      return Math.max(...Array.from(tf.grad(loss)(all[name]!).dataSync(), Math.abs));
    };
    const [a, b] = adapterNames(adapters).slice(0, 2) as [string, string];
    expect(gradientOf(fresh, b)).toBeGreaterThan(1e-6);
    expect(gradientOf(fresh, a)).toBe(0);
    expect(gradientOf(trained, a)).toBeGreaterThan(1e-6);
  });
});
