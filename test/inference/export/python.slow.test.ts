import { execFile, execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { outputsOf, syntheticBatches } from '../../../src/inference/export/check.js';
import { exportCheckpoint } from '../../../src/inference/export/export.js';
import { runSignatures } from '../../../src/inference/export/run-signatures.js';
import { signaturesOf } from '../../../src/inference/export/signatures.js';
import type { HostTensor } from '../../../src/runtime/program/program.js';
import { openCheckpoint } from '../../../src/train/checkpoint.js';
import { headedCheckpoint } from '../../support/headed-checkpoint.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { hasNative, useTensorFlow } from '../../support/tensorflow.js';
import { pythonWith } from '../../support/python.js';

useTensorFlow();
const newFolder = temporaryFolder('python');
const python = pythonWith('tensorflow');

/** Loads the SavedModel, runs every signature on the inputs of the JSON file and prints the results. */
const SCRIPT = `
import json, sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
results = []
for call in json.load(open(sys.argv[2])):
    inputs = {name: tf.constant(np.array(data, dtype).reshape(shape)) for name, (dtype, shape, data) in call["inputs"].items()}
    found = model.signatures[call["signature"]](**inputs)
    results.append({name: [list(value.shape), [x.decode() if isinstance(x, bytes) else float(x) for x in value.numpy().ravel()]] for name, value in found.items()})
names = [name for name, _ in tf.train.list_variables(sys.argv[1] + "/variables/variables")]
print(json.dumps({"results": results, "variables": names}))
`;

describe.runIf(hasNative && python !== undefined)('a SavedModel in Python', () => {
  it('gives the labels, embeddings and reconstructions of this package, at sizes of the caller’s', async () => {
    const folder = await newFolder();
    const checkpoint = await openCheckpoint(await headedCheckpoint(folder));
    const out = join(folder, 'served');
    await exportCheckpoint(checkpoint, out, { format: 'saved-model' });
    const own = await runSignatures(checkpoint);
    const calls = [];
    for (const { numCells, seqLen, geneIds, values } of syntheticBatches(
      checkpoint,
      [
        [5, 11],
        [1, 24],
        [2, 1],
      ],
      9,
    ))
      for (const signature of signaturesOf(checkpoint)) {
        const shape = [numCells, seqLen];
        const all: Record<string, HostTensor> = {
          gene_ids: { dtype: 'int32', shape, data: geneIds },
          values: { dtype: 'float32', shape, data: values },
          is_masked: { dtype: 'bool', shape, data: Uint8Array.from(geneIds, (id) => id % 2) },
        };
        const inputs = Object.fromEntries(Object.keys(signature.inputs).map((name) => [name, all[name]!]));
        calls.push({ signature, inputs, expected: await own.run(signature, inputs, outputsOf(signature)) });
      }
    own.dispose();
    const [script, file] = [join(folder, 'run.py'), join(folder, 'calls.json')];
    await writeFile(script, SCRIPT);
    await writeFile(
      file,
      JSON.stringify(
        calls.map(({ signature, inputs }) => ({
          signature: signature.name,
          inputs: Object.fromEntries(Object.entries(inputs).map(([name, { dtype, shape, data }]) => [name, [dtype, shape, [...data]]])),
        })),
      ),
    );
    const { stdout } = await promisify(execFile)(python!, [script, out, file], { maxBuffer: 1 << 26, env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' } });
    const { results, variables } = JSON.parse(stdout.trim().split('\n').at(-1)!) as {
      results: Record<string, [number[], (number | string)[]]>[];
      variables: string[];
    };
    expect(variables).toEqual(expect.arrayContaining(['gene_embedding.weight', 'layers.1.mlp.down_proj.weight', 'annotation_head.3.bias']));
    const labels = [...['B', 'NK', 'T'], 'unknown'];
    for (const [i, { signature, expected }] of calls.entries()) {
      for (const [name, tensor] of Object.entries(expected)) {
        const [shape, data] = results[i]![name]!;
        expect(shape).toEqual([...tensor.shape]);
        const largest = Array.from(tensor.data).reduce((most, value, at) => Math.max(most, Math.abs(value - Number(data[at]))), 0);
        expect(largest, `${signature.name} ${name}`).toBeLessThan(1e-5);
      }
      if (signature.name === 'annotate') expect(results[i]!['labels']![1]).toEqual([...expected['label_ids']!.data].map((id) => labels[id]));
    }
  });
});

describe.runIf(pythonWith('safetensors') !== undefined)('safetensors in Python', () => {
  it('have the released names and layout', async () => {
    const folder = await newFolder();
    const out = join(folder, 'released');
    await exportCheckpoint(await openCheckpoint(await headedCheckpoint(folder)), out, { format: 'safetensors' });
    const script =
      'import sys, json; from safetensors import safe_open; f = safe_open(sys.argv[1], "numpy"); print(json.dumps({"metadata": f.metadata(), "shapes": {k: list(f.get_slice(k).get_shape()) for k in f.keys()}}))';
    const { metadata, shapes } = JSON.parse(execFileSync(pythonWith('safetensors')!, ['-c', script, join(out, 'model.safetensors')], { encoding: 'utf8' })) as {
      metadata: unknown;
      shapes: Record<string, number[]>;
    };
    expect(metadata).toEqual({ format: 'pt' });
    expect(shapes).toMatchObject({
      'gene_embedding.weight': [45, 12],
      'value_encoder.0.weight': [12, 1],
      'layers.0.attn.q_proj.weight': [12, 12],
      'layers.1.mlp.gate_proj.weight': [10, 12],
      'latent_encoder.mlp.1.bias': [12],
      'gene_head.weight': [45, 12],
      'value_head.2.weight': [1, 12],
    });
  });
});
