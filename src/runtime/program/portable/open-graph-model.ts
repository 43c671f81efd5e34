import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import type { HostTensor, HostTensors } from '../program.js';

/** A graph model of a folder, as TensorFlow.js runs it on whatever backend is active. */
export interface RunnableGraphModel {
  /** @param outputs names; only what these need is computed */
  run(inputs: HostTensors, outputs: readonly string[]): HostTensors;
  dispose(): void;
}

export async function openGraphModel(folder: string): Promise<RunnableGraphModel> {
  const model = await loadGraphModel({ load: () => readArtifacts(folder) });
  return {
    run(inputs, outputs) {
      const results = tf.tidy(() => {
        const given = Object.fromEntries(Object.entries(inputs).map(([name, { data, shape, dtype }]) => [name, tf.tensor(data, [...shape], dtype)]));
        return [model.execute(given, [...outputs])].flat();
      });
      const values = results.map((tensor): HostTensor => ({ dtype: tensor.dtype as HostTensor['dtype'], shape: tensor.shape, data: tensor.dataSync() }));
      tf.dispose(results);
      return Object.fromEntries(outputs.map((name, i) => [name, values[i]!]));
    },
    dispose: () => model.dispose(),
  };
}

async function readArtifacts(folder: string): Promise<tf.io.ModelArtifacts> {
  const { weightsManifest, ...rest } = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')) as {
    weightsManifest: tf.io.WeightsManifestConfig;
  } & tf.io.ModelArtifacts;
  const shards = await Promise.all(weightsManifest.flatMap(({ paths }) => paths.map((path) => readFile(join(folder, path)))));
  const all = Uint8Array.from(Buffer.concat(shards));
  return { ...rest, weightSpecs: weightsManifest.flatMap(({ weights }) => weights), weightData: all.buffer };
}
