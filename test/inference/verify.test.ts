import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { CheckpointError } from '../../src/errors.js';
import { deviation, EXPECTED_FILE, verifyCheckpoint } from '../../src/inference/verify.js';
import { parameterSpecs } from '../../src/model/parameters.js';
import { readReleaseConfig } from '../../src/model/release-config.js';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.js';
import { createExecutor } from '../../src/runtime/program/executor.js';
import type { HostTensor } from '../../src/runtime/program/program.js';
import { hasShared, shared } from '../support/shared.js';
import { executorKinds, useTensorFlow } from '../support/tensorflow.js';

useTensorFlow();

const fixture = fileURLToPath(new URL('../fixtures/parity-small', import.meta.url));
const limits = { tolerance: 1e-5, gradientTolerance: 1e-4 };

async function verify(folder: string, kind: 'eager' | 'graph' = 'eager', options = limits) {
  const executor = await createExecutor({ kind });
  try {
    return await verifyCheckpoint(folder, executor, options);
  } finally {
    executor.dispose();
  }
}

const folders: [string, string][] = [
  ['parity-small', fixture],
  ...(hasShared ? [['the shared parity/tiny', shared('fixtures/parity/tiny')] as [string, string]] : []),
];

describe.each(folders)('the golden vectors of %s', (_, folder) => {
  it.each(executorKinds)('are met by the %s executor: outputs and losses to 1e-5, every gradient to 1e-4', async (kind) => {
    const { ok, deviations } = await verify(folder, kind);
    expect(deviations.filter(({ deviation, limit }) => !(deviation <= limit))).toEqual([]);
    expect(ok).toBe(true);
    const { config, ids } = await readReleaseConfig(join(folder, 'config.json'));
    const names = new Set(deviations.map(({ name }) => name));
    for (const { name } of parameterSpecs(config, ids.size)) expect(names).toContain(`grad.${name}`);
    for (const name of ['cell_embedding', 'gene_logits', 'value_pred', 'identity_loss', 'value_loss', 'loss']) expect(names).toContain(name);
  });
});

describe('verify', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scdiva-verify-'));
    await cp(fixture, folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function change(file: 'model.safetensors' | typeof EXPECTED_FILE, edit: (tensors: Record<string, HostTensor>) => void): Promise<void> {
    const tensors = { ...(await readSafetensors(join(folder, file))) };
    edit(tensors);
    await writeSafetensors(join(folder, file), tensors);
  }
  const nudge = (tensor: HostTensor, by: number): HostTensor => ({ ...tensor, data: tensor.data.map((x, i) => (i === 0 ? x + by : x)) as Float32Array });
  const over = async () => (await verify(folder)).deviations.filter(({ deviation, limit }) => !(deviation <= limit)).map(({ name }) => name);

  it('finds one weight that is off by 0.01', async () => {
    await change('model.safetensors', (t) => (t['layers.1.mlp.up_proj.weight'] = nudge(t['layers.1.mlp.up_proj.weight']!, 0.01)));
    const { ok } = await verify(folder);
    expect(ok).toBe(false);
    expect(await over()).toContain('gene_logits');
  });

  it('names the one tensor that deviates', async () => {
    await change(EXPECTED_FILE, (t) => (t['grad.input_proj.weight'] = nudge(t['grad.input_proj.weight']!, 0.1)));
    expect(await over()).toEqual(['grad.input_proj.weight']);
  });

  it('is not fooled by NaN', async () => {
    await change(EXPECTED_FILE, (t) => (t['value_pred'] = nudge(t['value_pred']!, NaN)));
    expect(await over()).toEqual(['value_pred']);
  });

  it('compares outputs alone where nothing else is stored', async () => {
    await change(EXPECTED_FILE, (t) => {
      for (const name of Object.keys(t)) if (/^grad|loss|is_masked/.test(name)) delete t[name];
    });
    const { ok, deviations } = await verify(folder);
    expect(ok).toBe(true);
    expect(deviations.map(({ name }) => name).sort()).toEqual(['cell_embedding', 'gene_logits', 'value_pred']);
  });

  it('keeps no tensor behind', async () => {
    await verify(folder);
    const before = tf.memory().numTensors;
    await verify(folder);
    expect(tf.memory().numTensors).toBe(before);
  });

  const wrong: [string, () => Promise<void>, RegExp][] = [
    [
      'weights of other sizes',
      () => change('model.safetensors', (t) => (t['final_norm.weight'] = { dtype: 'float32', shape: [21], data: new Float32Array(21) })),
      /model\.safetensors: final_norm\.weight: shape \[21\] \(expected \[20\] by config\.json\)/,
    ],
    [
      'a missing weight',
      () => change('model.safetensors', (t) => void delete t['layers.2.norm2.weight']),
      /layers\.2\.norm2\.weight: missing \(1 of \d+ tensors are/,
    ],
    [
      'a weight too many',
      () => change('model.safetensors', (t) => (t['layers.3.norm2.weight'] = t['layers.2.norm2.weight']!)),
      /layers\.3\.norm2\.weight: no such parameter in this model/,
    ],
    [
      'integer weights',
      () => change('model.safetensors', (t) => (t['final_norm.weight'] = { dtype: 'int32', shape: [20], data: new Int32Array(20) })),
      /final_norm\.weight: type I32/,
    ],
    ['no inputs', () => change(EXPECTED_FILE, (t) => void delete t['values']), /expected\.safetensors: values: missing/],
    ['losses without masked slots', () => change(EXPECTED_FILE, (t) => void delete t['is_masked']), /is_masked: missing/],
    [
      'inputs of unequal shapes',
      () => change(EXPECTED_FILE, (t) => (t['values'] = { ...t['values']!, shape: [9, 4] })),
      /values: shape \[9, 4\] \(expected \[4, 9\], as gene_ids\)/,
    ],
    ['ids beyond the vocabulary', () => change(EXPECTED_FILE, (t) => (t['gene_ids'] = nudge(t['gene_ids']!, 37))), /gene_ids: id \d+ \(expected 0 … 36/],
    [
      'a result of another shape',
      () => change(EXPECTED_FILE, (t) => (t['value_pred'] = { ...t['value_pred']!, shape: [9, 4] })),
      /value_pred: shape \[9, 4\] \(expected \[4, 9\]/,
    ],
    ['a result nobody knows', () => change(EXPECTED_FILE, (t) => (t['grad.rotary'] = t['loss']!)), /grad\.rotary: neither an input nor a result/],
    [
      'no result at all',
      () =>
        change(EXPECTED_FILE, (t) => {
          for (const name of Object.keys(t)) if (/^grad|loss|embedding|logits|pred/.test(name)) delete t[name];
        }),
      /no result to compare with/,
    ],
    ['no expected.safetensors', () => rm(join(folder, EXPECTED_FILE)), /expected\.safetensors: no such file/],
  ];
  it.each(wrong)('refuses %s', async (_, spoil, message) => {
    await spoil();
    const error = await verify(folder).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(message);
  });
});

describe('deviation', () => {
  it('is absolute up to a size of 1 and relative beyond for outputs, relative for gradients', () => {
    expect(deviation([0.2], [0.1], 1)).toBeCloseTo(0.1);
    expect(deviation([0.2], [0.1], 0)).toBeCloseTo(1);
    expect(deviation([99, 0], [100, 0], 1)).toBeCloseTo(0.01);
    expect(deviation([1e-9], [0], 0)).toBe(1e-9);
    expect(deviation([Infinity], [Infinity], 0)).toBe(Infinity);
  });
});
