// O outputs, I inputs of a matrix, r rank
import * as tf from '@tensorflow/tfjs-core';
import type { Rng } from '../../rng.js';
import type { HostTensor, HostTensors, Tensors } from '../../runtime/program/program.js';
import type { LoraConfig } from './config.js';

/**
 * Low-rank adapters (Hu et al., 2021): W + alpha / r · B·A, where W [O, I] stays as it is and A [r, I] and B [O, r] learn. They are
 * joined to the weights before the model sees these, so that every path (composed, fused, recomputed, bf16) is the one of a plain
 * model; there is no activation of their own to drop, hence no adapter dropout.
 */
export interface LoraAdapters {
  readonly config: LoraConfig;
  /** Names of the adapted matrices. */
  readonly targets: readonly string[];
}

/** Adapter names as the PEFT library gives them, without its wrapper's prefix. */
export const adapterA = (target: string): string => target.replace(/weight$/, 'lora_A.weight');
export const adapterB = (target: string): string => target.replace(/weight$/, 'lora_B.weight');

/** Names of the matrices, among those given, that a config adapts. */
export function adaptedNames(names: readonly string[], { targets }: LoraConfig): string[] {
  return names.filter((name) => targets.some((target) => new RegExp(`(^|\\.)${target}\\.weight$`).test(name)));
}

export function adapterNames({ targets }: LoraAdapters): string[] {
  return targets.flatMap((name) => [adapterA(name), adapterB(name)]);
}

/**
 * Fresh adapters: A uniform in ±1/√I, B zero, so that the adapted model starts as the base model.
 * @param parameters holds the targets
 */
export function initialAdapters({ config: { rank }, targets }: LoraAdapters, parameters: HostTensors, rng: Rng): HostTensors {
  return Object.fromEntries(
    targets.flatMap((name): [string, HostTensor][] => {
      const [numOut, numIn] = parameters[name]!.shape as [number, number];
      const limit = 1 / Math.sqrt(numIn);
      const stream = rng.fork(`lora/${name}`);
      return [
        [
          adapterA(name),
          { dtype: 'float32', shape: [rank, numIn], data: Float32Array.from({ length: rank * numIn }, () => limit * (2 * stream.uniform() - 1)) },
        ],
        [adapterB(name), { dtype: 'float32', shape: [numOut, rank], data: new Float32Array(numOut * rank) }],
      ];
    }),
  );
}

const scaleOf = ({ config: { alpha, rank } }: LoraAdapters): number => alpha / rank;

/**
 * The parameters the model is to see: adapted matrices in the place of the base ones, adapters left out. Differentiable.
 * @param state base parameters, adapters and anything else by name
 */
export function joinAdapters(adapters: LoraAdapters, state: Tensors): Tensors {
  const own = new Set(adapterNames(adapters));
  const joined: Record<string, tf.Tensor> = Object.fromEntries(Object.entries(state).filter(([name]) => !own.has(name)));
  for (const name of adapters.targets) {
    const product = tf.matMul(state[adapterB(name)] as tf.Tensor2D, state[adapterA(name)] as tf.Tensor2D); // [O, I]
    joined[name] = tf.add(state[name]!, tf.mul(product, scaleOf(adapters)));
  }
  return joined;
}

/** The same on the host, for good: plain weights that need no adapter any more. */
export function mergeAdapters(adapters: LoraAdapters, parameters: HostTensors): HostTensors {
  const own = new Set(adapterNames(adapters));
  const merged: Record<string, HostTensor> = Object.fromEntries(Object.entries(parameters).filter(([name]) => !own.has(name)));
  for (const name of adapters.targets) merged[name] = mergeOne(parameters[name]!, parameters[adapterA(name)]!, parameters[adapterB(name)]!, scaleOf(adapters));
  return merged;
}

function mergeOne(base: HostTensor, { data: a }: HostTensor, { data: b, shape: [numOut, rank] }: HostTensor, scale: number): HostTensor {
  const numIn = base.shape[1]!;
  const data = Float32Array.from(base.data);
  for (let o = 0; o < numOut!; o++)
    for (let i = 0; i < numIn; i++) {
      let sum = 0;
      for (let k = 0; k < rank!; k++) sum += b[o * rank! + k]! * a[k * numIn + i]!;
      data[o * numIn + i]! += scale * sum;
    }
  return { ...base, data };
}
