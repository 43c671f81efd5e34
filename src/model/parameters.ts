// D hidden, F inner width of the feed-forward part, V gene vocabulary, N layers
import type { HostTensor, HostTensors } from '../runtime/program/program.js';
import type { Rng } from '../rng.js';
import type { ModelConfig } from './config.js';

/** How a parameter starts: see `initialParameters`. */
type Initialisation = { readonly kind: 'zeros' | 'ones' | 'normal' } | { readonly kind: 'uniform'; readonly limit: number };

export interface ParameterSpec {
  /** The released state-dict name; the one name in checkpoint, optimiser state, log and error. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly initialisation: Initialisation;
}

/** Every parameter in state-dict order. Linear weights are (out, in), as released checkpoints hold them. */
export function parameterSpecs({ hiddenDim: D, ffnDim: F, numLayers: N }: ModelConfig, vocabSize: number): readonly ParameterSpec[] {
  const spec = (name: string, shape: readonly number[], initialisation: Initialisation): ParameterSpec => ({ name, shape, initialisation });
  const linear = (name: string, numOut: number, numIn: number, hasBias: boolean) => {
    const initialisation = { kind: 'uniform', limit: 1 / Math.sqrt(numIn) } as const;
    return [spec(`${name}.weight`, [numOut, numIn], initialisation), ...(hasBias ? [spec(`${name}.bias`, [numOut], initialisation)] : [])];
  };
  const norm = (name: string) => spec(`${name}.weight`, [D], { kind: 'ones' });
  const zeros = (name: string) => spec(name, [D], { kind: 'zeros' });
  return [
    spec('gene_embedding.weight', [vocabSize, D], { kind: 'normal' }),
    ...linear('value_encoder.0', D, 1, true),
    ...linear('value_encoder.2', D, D, true),
    zeros('value_mask_emb'),
    zeros('gene_mask_emb'),
    ...linear('input_proj', D, D, false),
    ...linear('latent_encoder.mlp.0', D, D, true),
    norm('latent_encoder.mlp.1'),
    zeros('latent_encoder.mlp.1.bias'),
    ...linear('latent_encoder.mlp.3', D, D, true),
    ...Array.from({ length: N }, (_, i) => [
      norm(`layers.${i}.norm1`),
      ...['q_proj', 'k_proj', 'v_proj', 'o_proj'].flatMap((part) => linear(`layers.${i}.attn.${part}`, D, D, false)),
      norm(`layers.${i}.norm2`),
      ...linear(`layers.${i}.mlp.gate_proj`, F, D, false),
      ...linear(`layers.${i}.mlp.up_proj`, F, D, false),
      ...linear(`layers.${i}.mlp.down_proj`, D, F, false),
    ]).flat(),
    norm('final_norm'),
    ...linear('gene_head', vocabSize, D, false),
    ...linear('value_head.0', D, D, true),
    ...linear('value_head.2', 1, D, true),
  ];
}

/** Number of trainable values. */
export function parameterCount(config: ModelConfig, vocabSize: number): number {
  return parameterSpecs(config, vocabSize).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/**
 * Fresh parameters. Linear weights and biases are uniform in ±1/√inputs, so that a narrow model starts as lively as a wide one and the value
 * encoder's first layer has its bends spread over the range of expression; gene embeddings are standard normal, norms are the
 * identity, the two mask vectors zero.
 * @param rng every parameter draws from its own stream, named after it: adding a layer changes no other
 * @returns float32 by state-dict name
 */
export function initialParameters(config: ModelConfig, vocabSize: number, rng: Rng): HostTensors {
  return Object.fromEntries(parameterSpecs(config, vocabSize).map((spec) => [spec.name, initialParameter(spec, rng.fork(`init/${spec.name}`))]));
}

function initialParameter({ shape, initialisation }: ParameterSpec, rng: Rng): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  switch (initialisation.kind) {
    case 'zeros':
      break;
    case 'ones':
      data.fill(1);
      break;
    case 'uniform':
      for (let i = 0; i < data.length; i++) data[i] = initialisation.limit * (rng.uint32() / 2 ** 31 - 1);
      break;
    case 'normal':
      fillNormal(data, rng);
      break;
  }
  return { dtype: 'float32', shape, data };
}

/** Standard normal draws, both of every Box-Muller pair: an embedding has tens of millions of entries. */
function fillNormal(data: Float32Array, rng: Rng): void {
  for (let i = 0; i < data.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((rng.uint32() + 1) / 2 ** 32));
    const angle = (2 * Math.PI * rng.uint32()) / 2 ** 32;
    data[i] = radius * Math.cos(angle);
    if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, n) => size * n, 1);
}
