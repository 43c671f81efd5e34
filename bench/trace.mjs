// npm run -s bench -- trace [--json] [--layers 12] [--hidden 512] [--heads 8] [--ffn 2048] [--vocab 41818] [--genes 1200] [--cells 2] [--precision bf16]
//
// What it takes to turn a training step (the pretraining task's loss, backward, clip, AdamW) into a graph: nothing is computed.
// `trace_mb` is what the process holds more afterwards, beyond the weights.
import { parseArgs } from 'node:util';
import { print, round } from './support/measure.mjs';

const number = (value) => ({ type: 'string', default: String(value) });
const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    precision: number('bf16'),
    layers: number(12),
    hidden: number(512),
    heads: number(8),
    ffn: number(2048),
    vocab: number(41818),
    genes: number(1200),
    cells: number(2),
  },
});
const { loadTensorFlow } = await import('../dist/runtime/native/load.js');
await loadTensorFlow({ backend: 'native' });
const { createExecutor } = await import('../dist/runtime/program/executor.js');
const { gradients } = await import('../dist/runtime/program/gradients.js');
const { applyGradients, stepScalars } = await import('../dist/train/optimizer.js');
const { createTrainVariables } = await import('../dist/train/step.js');
const { imagineTask } = await import('../dist/plan/imagined-task.js');
const { PretrainingConfig } = await import('../dist/tasks/pretraining/config.js');
const { Rng } = await import('../dist/rng.js');

const [cells, genes, vocab] = [Number(flags.cells), Number(flags.genes), Number(flags.vocab)];
const config = PretrainingConfig.parse({
  data: { corpus: 'none' },
  model: { numLayers: Number(flags.layers), hiddenDim: Number(flags.hidden), numHeads: Number(flags.heads), ffnDim: Number(flags.ffn), maxGenes: genes },
  train: { steps: 100, batchSize: cells, precision: flags.precision },
});
const { task, batch } = imagineTask({
  training: { task: 'pretraining', config },
  model: config.model,
  numGenes: vocab - 5,
  numClasses: 0,
  numCells: cells,
  lengths: [{ seqLen: genes, share: 1 }],
  goal: 'time',
});
const executor = await createExecutor({ kind: 'graph' });
const variables = await createTrainVariables(executor, task, config.train);
const inputs = { ...task.inputs(batch(genes), Rng.fromSeed(1), 'train'), ...stepScalars(config.train, 0, 100) };
const program = executor.compile(
  (state, fed) => {
    const { loss, grads } = gradients(
      (trainable) => task.loss(trainable, fed, { isTraining: true }),
      Object.fromEntries(task.trainable.map((name) => [name, state[name]])),
    );
    return { outputs: { loss }, updates: applyGradients(config.train, state, grads, fed, loss).updates };
  },
  { variables, precision: flags.precision, name: 'train' },
);
const before = { mb: residentMb(), ops: executor.numOps, cpu: process.cpuUsage(), at: performance.now() };
program.trace(inputs);
const wallMs = performance.now() - before.at;
const { user, system } = process.cpuUsage(before.cpu);
print(
  {
    bench: 'trace',
    precision: flags.precision,
    layers: config.model.numLayers,
    hidden: config.model.hiddenDim,
    vocab,
    genes,
    cells,
    ops: executor.numOps - before.ops,
    trace_ms: round(wallMs),
    trace_cpu_ms: round((user + system) / 1e3),
    trace_mb: round(residentMb() - before.mb),
    us_per_op: round((1e3 * wallMs) / (executor.numOps - before.ops)),
  },
  flags.json,
);
executor.dispose();

function residentMb() {
  return process.memoryUsage.rss() / 1e6;
}
