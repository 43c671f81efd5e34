// npm run -s bench -- load [--json] [--checkpoint DIR] [--rounds 3]
//
// Loading a checkpoint, each time in a process of its own, with the file in the page cache. Without --checkpoint: random weights of the
// released shape, 94.5M parameters, written to a temporary folder first.
//   load_ms       ScDiVa.fromPretrained, native TensorFlow loaded before: checks, genes, entropy table, weights into TensorFlow
//   whole_ms      every parameter into TensorFlow, the two output heads included, which embedding does not need
//   *_peak_mb     the most memory while loading, less what the process held before with TensorFlow loaded
//   *_ratio       that over the bytes of the weights that are held
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { peakRssMb, print, round } from './support/measure.mjs';

const { values: flags } = parseArgs({
  options: { json: { type: 'boolean', default: false }, checkpoint: { type: 'string' }, rounds: { type: 'string', default: '3' }, only: { type: 'string' } },
});

if (flags.only) {
  process.stdout.write(JSON.stringify(await measure(flags.only, flags.checkpoint)));
  process.exit(0);
}
const folder = flags.checkpoint ?? (await randomCheckpoint());
try {
  const runs = { load: [], whole: [] };
  for (let i = 0; i < Number(flags.rounds); i++) for (const name of Object.keys(runs)) runs[name].push(child(name, folder));
  const median = (name, field) => runs[name].map((run) => run[field]).sort((a, b) => a - b)[runs[name].length >> 1];
  print(
    {
      bench: 'load',
      rounds: Number(flags.rounds),
      weights_mb: round(median('whole', 'weights_mb')),
      native_ms: round(median('load', 'native_ms'), 0),
      load_ms: round(median('load', 'ms'), 0),
      load_held_mb: round(median('load', 'weights_mb')),
      load_peak_mb: round(median('load', 'peak_mb')),
      load_ratio: round(median('load', 'peak_mb') / median('load', 'weights_mb'), 2),
      whole_ms: round(median('whole', 'ms'), 0),
      whole_peak_mb: round(median('whole', 'peak_mb')),
      whole_ratio: round(median('whole', 'peak_mb') / median('whole', 'weights_mb'), 2),
      process_peak_mb: round(median('whole', 'process_peak_mb')),
    },
    flags.json,
  );
} finally {
  if (!flags.checkpoint) rmSync(join(folder, '..'), { recursive: true, force: true });
}

function child(name, checkpoint) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), '--only', name, '--checkpoint', checkpoint], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

async function measure(name, checkpoint) {
  const start = performance.now();
  const { loadTensorFlow } = await import('../dist/runtime/native/load.js');
  await loadTensorFlow();
  const { createExecutor } = await import('../dist/runtime/program/executor.js');
  const { ScDiVa } = await import('../dist/inference/scdiva.js');
  const { addParameters } = await import('../dist/inference/add-parameters.js');
  const { isOfEmbedding } = await import('../dist/tasks/cell-encoder.js');
  const { openCheckpoint } = await import('../dist/train/checkpoint.js');
  await createExecutor({ kind: 'auto' }); // the project's own ops, once a process
  const nativeMs = performance.now() - start;
  globalThis.gc();
  writeFileSync('/proc/self/clear_refs', '5'); // the peak starts anew from here
  const before = Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  const from = performance.now();
  let isHeld = isOfEmbedding;
  if (name === 'load') await ScDiVa.fromPretrained(checkpoint);
  else {
    isHeld = () => true;
    const executor = await createExecutor({ kind: 'auto' });
    await addParameters(await executor.createVariables({}), (await openCheckpoint(checkpoint)).readParameters());
  }
  const ms = performance.now() - from;
  const peak = peakRssMb();
  let bytes = 0;
  for await (const [, { data }] of (await openCheckpoint(checkpoint)).readParameters(isHeld)) bytes += data.byteLength;
  return { native_ms: nativeMs, ms, peak_mb: peak - before, process_peak_mb: peak, weights_mb: bytes / 2 ** 20 };
}

async function randomCheckpoint() {
  const { saveCheckpoint } = await import('../dist/train/checkpoint.js');
  const { Preprocessing } = await import('../dist/data/loader/config.js');
  const { ModelConfig } = await import('../dist/model/config.js');
  const { initialParameters } = await import('../dist/model/parameters.js');
  const { Vocabulary } = await import('../dist/data/genes/vocabulary.js');
  const { Rng } = await import('../dist/rng.js');
  const path = join(mkdtempSync(join(tmpdir(), 'scdiva-load-')), 'checkpoint');
  const modelConfig = ModelConfig.parse({});
  const vocabulary = new Vocabulary(Array.from({ length: 41_813 }, (_, i) => ({ symbol: `GENE${i}`, ensemblId: '' })));
  const state = {
    task: 'pretraining',
    step: 0,
    cursor: { epoch: 0, batchIndex: 0 },
    validation: null,
    best: null,
    evaluationsWithoutImprovement: 0,
    seed: 0,
    dataFingerprint: 'none',
    config: {},
    versions: {},
  };
  await saveCheckpoint(path, {
    modelConfig,
    vocabulary,
    entropy: new Float32Array(vocabulary.size).fill(0.5),
    preprocessing: Preprocessing.parse({}),
    parameters: initialParameters(modelConfig, vocabulary.size, Rng.fromSeed(0)),
    optimizer: {},
    state,
    card: '# random\n',
  });
  return path;
}
