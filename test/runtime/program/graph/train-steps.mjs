// usage: node train-steps.mjs PRECISION FIRST LAST [STATE]: takes training steps FIRST … LAST-1 of a small model with dropout, starting from the
// state file when there is one, and writes it back. Prints the losses of the steps and a hash of the state.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { loadTensorFlow } from '../../../../dist/runtime/native/load.js';
import { ModelConfig } from '../../../../dist/model/config.js';
import { initialParameters } from '../../../../dist/model/parameters.js';
import { readSafetensors, writeSafetensors } from '../../../../dist/model/safetensors.js';
import { geneHidden, hiddenStates, predictedValues } from '../../../../dist/model/scdiva.js';
import { Rng } from '../../../../dist/rng.js';
import { crossEntropy } from '../../../../dist/runtime/ops/cross-entropy.js';
import { gatherRows } from '../../../../dist/runtime/ops/embedding.js';
import { createExecutor } from '../../../../dist/runtime/program/executor.js';
import { gradients } from '../../../../dist/runtime/program/gradients.js';
import { TrainConfig } from '../../../../dist/train/config.js';
import { applyGradients, initialOptimizerState, stepScalars } from '../../../../dist/train/optimizer.js';

const [precision, first, last, stateFile] = process.argv.slice(2);
await loadTensorFlow();
const [B, L, V] = [4, 150, 400]; // large enough for TensorFlow to divide its ops among threads
const config = ModelConfig.parse({ hiddenDim: 64, numLayers: 2, numHeads: 4, ffnDim: 96, dropout: 0.1, maxGenes: L });
const train = TrainConfig.parse({ steps: 100 });
const parameters = initialParameters(config, V, Rng.fromSeed(1));
const names = Object.keys(parameters);

const step = (all, { geneIds, values, isReplaced, seed, ...scalars }) => {
  const { loss, grads } = gradients(
    (p) => {
      const hidden = hiddenStates(p, { geneIds, values, isReplaced }, config, { padId: 0, padFillId: V - 3 }, { dropoutSeed: seed });
      const rows = tf.reshape(geneHidden(hidden), [B * L, config.hiddenDim]);
      const identity = tf.mean(crossEntropy(rows, p['gene_head.weight'], tf.reshape(geneIds, [B * L])));
      return {
        loss: tf.add(
          identity,
          tf.mean(tf.squaredDifference(predictedValues(p, gatherRows(rows, tf.range(0, B * L, 1, 'int32'))), tf.reshape(values, [B * L]))),
        ),
        aux: {},
      };
    },
    Object.fromEntries(names.map((name) => [name, all[name]])),
  );
  return { outputs: { loss }, updates: applyGradients(train, all, grads, scalars, loss).updates };
};

const state = stateFile && existsSync(stateFile) ? await readSafetensors(stateFile) : { ...parameters, ...initialOptimizerState(train, parameters, names) };
const executor = await createExecutor({ kind: 'graph', precision });
const variables = await executor.createVariables(state);
const program = executor.compile(step, { variables, name: 'train' });
const losses = [];
for (let i = Number(first); i < Number(last); i++) {
  const rng = Rng.fromSeed(2).fork(`step/${i}`);
  const out = await program.run({
    geneIds: { dtype: 'int32', shape: [B, L], data: Int32Array.from({ length: B * L }, () => 2 + rng.int(V - 5)) },
    values: { dtype: 'float32', shape: [B, L], data: Float32Array.from({ length: B * L }, () => rng.uniform()) },
    isReplaced: { dtype: 'float32', shape: [B, L], data: Float32Array.from({ length: B * L }, () => Number(rng.uniform() < 0.5)) },
    seed: { dtype: 'int32', shape: [2], data: Int32Array.from(rng.seedPair()) },
    ...stepScalars(train, i, 100),
  });
  losses.push(out.loss.data[0]);
}
const end = await variables.read();
if (stateFile) await writeSafetensors(stateFile, end);
const hash = createHash('sha256');
for (const name of Object.keys(end).sort()) hash.update(end[name].data);
console.log(JSON.stringify({ losses, state: hash.digest('hex') }));
executor.dispose();
