// B cells, L genes a cell, M masked slots, D hidden
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import { expectClose } from '../../../support/expect-close.js';
import { hasShared, shared } from '../../../support/shared.js';
import { hasNative, useTensorFlow } from '../../../support/tensorflow.js';
import { ModelConfig } from '../../../../src/model/config.js';
import { readSafetensors } from '../../../../src/model/safetensors.js';
import { cellEmbedding, geneHidden, geneLogits, hiddenStates, predictedValues } from '../../../../src/model/scdiva.js';
import { crossEntropy } from '../../../../src/runtime/ops/cross-entropy.js';
import { gatherRows } from '../../../../src/runtime/ops/embedding.js';
import { createExecutor } from '../../../../src/runtime/program/executor.js';
import { gradients } from '../../../../src/runtime/program/gradients.js';
import type { Executor, HostTensor, HostTensors, ProgramFn } from '../../../../src/runtime/program/program.js';

useTensorFlow();

describe.runIf(hasShared && hasNative)('the whole model as a graph, against golden vectors', () => {
  let weights: HostTensors;
  let expected: HostTensors;
  let inputs: HostTensors;
  let fn: ProgramFn;
  const executors: Executor[] = [];
  beforeAll(async () => {
    const folder = shared('fixtures/parity/tiny');
    const keys = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as Record<string, number>;
    const config = ModelConfig.parse({
      hiddenDim: keys['HIDDEN_DIM'],
      numLayers: keys['N_LAYERS'],
      numHeads: keys['N_HEADS'],
      ffnDim: keys['D_HID'],
      dropout: 0,
      maxGenes: keys['MAX_GENE_LEN'],
    });
    weights = await readSafetensors(`${folder}/model.safetensors`);
    expected = await readSafetensors(`${folder}/expected.safetensors`);
    const isMasked = expected['is_masked']!.data;
    const maskedAt = Int32Array.from(isMasked.keys()).filter((i) => isMasked[i] === 1);
    inputs = {
      geneIds: expected['gene_ids']!,
      values: expected['values']!,
      isReplaced: { ...expected['is_replaced']!, dtype: 'float32', data: Float32Array.from(expected['is_replaced']!.data) },
      maskedAt: { dtype: 'int32', shape: [maskedAt.length], data: maskedAt },
    };
    fn = (all, { geneIds, values, isReplaced, maskedAt, seed }) => {
      const [B, L] = geneIds!.shape as [number, number];
      const { loss, aux, grads } = gradients((p) => {
        const hidden = hiddenStates(
          p,
          { geneIds: geneIds as tf.Tensor2D, values: values as tf.Tensor2D, isReplaced: isReplaced as tf.Tensor2D },
          { ...config, dropout: seed ? 0.2 : 0 },
          { padId: keys['PAD_TOKEN_ID']!, padFillId: keys['PAD_FILL_GENE_ID']! },
          { dropoutSeed: seed as tf.Tensor1D | undefined },
        );
        const states = tf.reshape(geneHidden(hidden), [B * L, config.hiddenDim]);
        const rows = gatherRows(states, maskedAt!) as tf.Tensor2D; // [M, D]
        const flat = (x: tf.Tensor) => gatherRows(tf.reshape(x, [B * L]), maskedAt!) as tf.Tensor1D;
        const identity_loss = tf.mean(crossEntropy(rows, p['gene_head.weight'] as tf.Tensor2D, flat(geneIds!)));
        const value_loss = tf.mean(tf.squaredDifference(predictedValues(p, rows), flat(values!)));
        const loss = tf.add(identity_loss, tf.mul(value_loss, 10)) as tf.Scalar;
        return {
          loss,
          aux: {
            identity_loss,
            value_loss,
            cell_embedding: cellEmbedding(hidden),
            gene_logits: tf.reshape(geneLogits(p, states as tf.Tensor2D), [B, L, -1]),
            value_pred: tf.reshape(predictedValues(p, states as tf.Tensor2D), [B, L]),
          },
        };
      }, all);
      return { outputs: { loss, ...aux, ...Object.fromEntries(Object.entries(grads).map(([name, grad]) => [`grad.${name}`, grad])) } };
    };
  });
  afterAll(() => executors.forEach((executor) => executor.dispose()));

  const run = async (kind: 'eager' | 'graph', precision: 'f32' | 'bf16' = 'f32', extra: HostTensors = {}, fusedKernels = true) => {
    const executor = await createExecutor({ kind, precision, session: { fusedKernels } });
    executors.push(executor);
    const variables = await executor.createVariables(weights);
    const out = await executor.compile(fn, { variables }).run({ ...inputs, ...extra });
    variables.dispose();
    return out;
  };
  const largest = ({ data }: HostTensor) => (data as Float32Array).reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  /** At every gene: the logits and values at padding mean nothing and are not compared. */
  const atGenes = (name: string, { shape, data }: HostTensor) => {
    const ids = expected['gene_ids']!.data;
    const isReal = (slot: number) => ids[slot] !== 0 && ids[slot] !== Number(expected['gene_logits']!.shape[2]) - 3;
    const width = data.length / ids.length;
    return /gene_logits|value_pred/.test(name)
      ? { shape: [data.length], dtype: 'float32', data: (data as Float32Array).map((x, i) => (isReal(Math.floor(i / width)) ? x : 0)) }
      : { shape: shape.length === 0 ? [1] : shape, dtype: 'float32', data };
  };

  it('gives the outputs and losses to 1e-5 and every gradient to 1e-4', async () => {
    const out = await run('graph');
    for (const name of ['cell_embedding', 'gene_logits', 'value_pred', 'identity_loss', 'value_loss', 'loss'])
      expectClose(atGenes(name, out[name]!), atGenes(name, expected[name]!), { atol: 1e-5, rtol: 1e-5 });
    const names = Object.keys(expected).filter((name) => name.startsWith('grad.'));
    expect(names).toHaveLength(Object.keys(weights).length);
    for (const name of names) expectClose(out[name]!, expected[name]!, { rtol: 1e-4, atol: 1e-4 * largest(expected[name]!) + 1e-7 });
  });

  const seed: HostTensor = { dtype: 'int32', shape: [2], data: Int32Array.of(3, 4) };
  it.each([
    ['', {}],
    [', with the same entries dropped out', { seed }],
  ])('gives what eager execution gives, to 1e-5%s', async (_, extra) => {
    // The fused kernels draw from a generator of their own: the same entries fall out without them.
    const [graph, eager] = [await run('graph', 'f32', extra, !('seed' in extra)), await run('eager', 'f32', extra)];
    expect(Math.abs(graph['loss']!.data[0]! - expected['loss']!.data[0]!) > 1e-3).toBe('seed' in extra);
    for (const [name, value] of Object.entries(eager)) expectClose(graph[name]!, value, { rtol: 1e-5, atol: 1e-5 * Math.max(1, largest(value)) });
  });

  it('gives the same without fused kernels, as on a GPU', async () => {
    const out = await run('graph', 'f32', {}, false);
    for (const name of Object.keys(expected).filter((key) => key.startsWith('grad.')))
      expectClose(out[name]!, expected[name]!, { rtol: 1e-4, atol: 1e-4 * largest(expected[name]!) + 1e-7 });
  });

  it('stays within 3 % in bf16', async () => {
    const out = await run('graph', 'bf16');
    for (const name of Object.keys(expected).filter((key) => /loss|embedding$|^grad\./.test(key)))
      expectClose(atGenes(name, out[name]!), atGenes(name, expected[name]!), { atol: 0.03 * Math.max(largest(expected[name]!), 1e-3) });
    expect(out['gene_logits']!.data).not.toEqual((await run('graph'))['gene_logits']!.data);
  });
});
