import { describe, expect, it } from 'vitest';
import { ModelConfig } from '../../src/model/config.js';
import { initialParameters, parameterCount, parameterSpecs } from '../../src/model/parameters.js';
import { MODEL_PRESETS } from '../../src/model/presets.js';
import { Rng } from '../../src/rng.js';
import { expectClose } from '../support/expect-close.js';

const config = ModelConfig.parse({ hiddenDim: 64, numLayers: 1, numHeads: 4, ffnDim: 96 });
const moments = (data: ArrayLike<number>) => {
  const values = Array.from(data);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return {
    mean,
    deviation: Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length),
    largest: values.reduce((m, x) => Math.max(m, Math.abs(x)), 0),
  };
};

describe('parameters', () => {
  it('number 94.5 million at the released size, and what the larger sizes are named after', () => {
    expect(parameterCount(MODEL_PRESETS['ScDiVa'], 41_818)).toBe(94_482_433);
    expect(Math.round(parameterCount(MODEL_PRESETS['ScDiVa-Base'], 41_818) / 1e6)).toBe(343);
    expect(Math.round(parameterCount(MODEL_PRESETS['ScDiVa-Large'], 41_818) / 1e7)).toBe(153);
  });

  it('have unique names in the order of the released state dict', () => {
    const names = parameterSpecs(config, 100).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.slice(0, 8)).toEqual([
      'gene_embedding.weight',
      'value_encoder.0.weight',
      'value_encoder.0.bias',
      'value_encoder.2.weight',
      'value_encoder.2.bias',
      'value_mask_emb',
      'gene_mask_emb',
      'input_proj.weight',
    ]);
    expect(names.filter((name) => name.startsWith('layers.0.')).map((name) => name.slice(9))).toEqual([
      'norm1.weight',
      'attn.q_proj.weight',
      'attn.k_proj.weight',
      'attn.v_proj.weight',
      'attn.o_proj.weight',
      'norm2.weight',
      'mlp.gate_proj.weight',
      'mlp.up_proj.weight',
      'mlp.down_proj.weight',
    ]);
  });

  it('start with the stated moments', () => {
    const initial = initialParameters(config, 1001, Rng.fromSeed(5));
    const embedding = moments(initial['gene_embedding.weight']!.data);
    expect(embedding.mean).toBeCloseTo(0, 1);
    expect(embedding.deviation).toBeCloseTo(1, 1);
    const gate = moments(initial['layers.0.mlp.gate_proj.weight']!.data);
    expect(gate.largest).toBeLessThanOrEqual(1 / 8);
    expect(gate.largest).toBeGreaterThan(0.99 / 8);
    expect(gate.deviation).toBeCloseTo(1 / 8 / Math.sqrt(3), 2);
    expect(moments(initial['value_encoder.0.bias']!.data).largest).toBeGreaterThan(0.9);
    for (const name of ['gene_mask_emb', 'value_mask_emb', 'latent_encoder.mlp.1.bias']) expectClose(initial[name]!.data, new Float32Array(64), {});
    for (const name of ['final_norm.weight', 'layers.0.norm1.weight', 'latent_encoder.mlp.1.weight'])
      expectClose(initial[name]!.data, new Float32Array(64).fill(1), {});
  });

  it('depend on seed and name alone: another layer moves none of those there', () => {
    const shallow = initialParameters(config, 50, Rng.fromSeed(5));
    const deep = initialParameters({ ...config, numLayers: 2 }, 50, Rng.fromSeed(5));
    for (const [name, { data }] of Object.entries(shallow)) expectClose(deep[name]!.data, data, {});
    expect(initialParameters(config, 50, Rng.fromSeed(6))['gene_head.weight']!.data).not.toEqual(shallow['gene_head.weight']!.data);
  });

  it('are finite', () => {
    for (const { data } of Object.values(initialParameters(config, 77, Rng.fromSeed(1)))) expect(Array.from(data).every(Number.isFinite)).toBe(true);
  });
});
