// npm run -s bench -- data [--h5ad cells.h5ad] [--cells 20000] [--workers 1,2] [--tasks convert,rows,stream,starve] [--repeat 1] [--json]
//                          [--corpus corpus/] [--batch 64] [--serialisation entropy] [--depth none] [--memory MB] [--sync true] [--steps 30] [--compiled true]
//
// One line a measurement, each in a process of its own, so that peak memory is its own:
//   convert          file of counts → corpus: all that a build does, hashing the source included; with --sync false not the
//                    disk, as no other program waits for it
//   rows             single cells (ids and values) in random order, nothing done with them
//   stream-top1200   one epoch in a random order of all rows: read, log-normalised, ranked, cut to 1,200 genes, padded, batched; with
//                    --compiled false by WebAssembly
//   starve           training at a small shape (4 layers, hidden 512, 5,000 genes, 1,200 a cell): the share of the run that steps wait for data
// Without --h5ad the cells are synthetic, about 1,600 genes a cell; making them is not counted. With --corpus that corpus is
// streamed and nothing is converted.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { peakRssMb, print, round, timed } from './support/measure.mjs';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    h5ad: { type: 'string' },
    cells: { type: 'string', default: '20000' },
    workers: { type: 'string', default: '1,2' },
    tasks: { type: 'string', default: 'convert,rows,stream' },
    repeat: { type: 'string', default: '1' },
    corpus: { type: 'string' },
    batch: { type: 'string', default: '64' },
    serialisation: { type: 'string', default: 'entropy' },
    depth: { type: 'string', default: 'none' },
    memory: { type: 'string' },
    sync: { type: 'string', default: 'true' },
    steps: { type: 'string', default: '30' },
    compiled: { type: 'string', default: 'true' },
    only: { type: 'string' },
  },
});

const MEASUREMENTS = { synthetic, convert, rows, stream, starve };
if (flags.only) await MEASUREMENTS[flags.only]();
else measureAll();

function measureAll() {
  const folder = mkdtempSync(join(tmpdir(), 'scdiva-bench-'));
  try {
    const h5ad = flags.h5ad ?? join(folder, 'cells.h5ad');
    const corpus = flags.corpus ?? join(folder, 'corpus');
    if (!flags.h5ad && !flags.corpus && flags.tasks !== 'starve') inProcess('synthetic', { h5ad, corpus });
    const tasks = flags.tasks.split(',').filter((task) => task !== 'convert' || !flags.corpus);
    for (let run = 0; run < Number(flags.repeat); run++) {
      for (const task of tasks) {
        for (const workers of task === 'rows' || task === 'starve' ? [undefined] : flags.workers.split(',')) {
          if (task === 'convert') rmSync(corpus, { recursive: true, force: true });
          inProcess(task, task === 'starve' ? { corpus: folder } : { h5ad, corpus, workers });
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function inProcess(task, given) {
  const options = { ...flags, ...given, only: task };
  const args = Object.entries(options).flatMap(([key, value]) =>
    value === undefined || value === false ? [] : value === true ? [`--${key}`] : [`--${key}`, String(value)],
  );
  const { status } = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

async function synthetic() {
  const { writeSyntheticCells } = await import('./support/synthetic-cells.mjs');
  await writeSyntheticCells(flags.h5ad, { numCells: Number(flags.cells) });
}

async function convert() {
  const { buildCorpus } = await import('../dist/data/corpus/build.js');
  const numWorkers = Number(flags.workers);
  const sync = flags.sync === 'true';
  const [manifest, ...times] = await timed(() =>
    buildCorpus([flags.h5ad], { out: flags.corpus, numWorkers, sync, ...(flags.memory && { memoryBytes: 1e6 * Number(flags.memory) }) }),
  );
  report('convert', manifest.numCells, times, { workers: numWorkers, sync, ...(flags.memory && { memory: flags.memory }), valueType: manifest.valueType });
}

async function rows() {
  const { openCorpus } = await import('../dist/data/corpus/corpus.js');
  const { Rng } = await import('../dist/rng.js');
  const corpus = await openCorpus(flags.corpus);
  const order = Rng.fromSeed(1).permutation(corpus.numCells);
  let numValues = 0;
  corpus.readCell(0);
  const [, ...times] = await timed(() => {
    for (const row of order) numValues += corpus.readCell(row).values.length;
  });
  if (numValues !== corpus.manifest.numValues) throw new Error('the rows are not those of the corpus');
  report('rows', corpus.numCells, times, { order: 'random' });
}

async function stream() {
  const { openCorpus } = await import('../dist/data/corpus/corpus.js');
  const { createLoader } = await import('../dist/data/loader/loader.js');
  const { DepthCorruption, LoaderConfig, Preprocessing } = await import('../dist/data/loader/config.js');
  const { Rng } = await import('../dist/rng.js');
  const corpus = await openCorpus(flags.corpus);
  const settings = {
    workers: Number(flags.workers),
    batch: Number(flags.batch),
    serialisation: flags.serialisation,
    depth: flags.depth,
    compiled: flags.compiled === 'true',
    shuffle: 'rows',
  };
  // As with the peers, neither imports nor opening are in the clock: that is reading where columns lie, and loading the compiled loops.
  const { loadBatchAddon } = await import('../dist/data/loader/batch-addon.js');
  if (settings.compiled) await loadBatchAddon();
  if (corpus.layouts.length === 0) throw new Error('the corpus is empty');
  const rows = new Int32Array(corpus.numCells).map((_, row) => row);
  const seen = new Uint8Array(corpus.numCells);
  let numCells = 0;
  const [, ...times] = await timed(async () => {
    const loader = createLoader(corpus, {
      rows,
      batchSize: settings.batch,
      preprocessing: Preprocessing.parse({ serialisation: settings.serialisation, maxGenes: 1200 }),
      rng: Rng.fromSeed(2),
      labelKeys: corpus.obsKeys,
      depth: DepthCorruption.parse({ kind: settings.depth }),
      loader: LoaderConfig.parse({ numWorkers: settings.workers, compiledLoops: settings.compiled }),
    });
    for await (const batch of loader) {
      for (const row of batch.cellIndex) seen[row]++;
      numCells += batch.numCells;
      loader.recycle?.(batch);
    }
  });
  if (numCells !== corpus.numCells || seen.some((times) => times !== 1)) throw new Error('not every cell came once');
  report('stream-top1200', numCells, times, settings);
}

/** The first step makes the graph, and waits while the loader's threads start: it is left out of the share and said apart. */
async function starve() {
  const { writeSyntheticCells } = await import('./support/synthetic-cells.mjs');
  const { buildCorpus } = await import('../dist/data/corpus/build.js');
  const { parseConfig } = await import('../dist/config/load.js');
  const { PretrainingConfig } = await import('../dist/tasks/pretraining/config.js');
  const { pretrain } = await import('../dist/tasks/pretraining/pretrain.js');
  const { readMetrics } = await import('../dist/train/metrics-log.js');
  const [h5ad, corpus, out] = ['small.h5ad', 'small.corpus', 'run'].map((name) => join(flags.corpus, name));
  await writeSyntheticCells(h5ad, { numCells: 1000, numGenes: 5000, medianLibrary: 20_000 });
  await buildCorpus([h5ad], { out: corpus, numWorkers: 1, sync: false, fractions: [0.996, 0.002, 0.002] });
  const { openCorpus } = await import('../dist/data/corpus/corpus.js');
  const numGenes = (await openCorpus(corpus)).numGenesPerCell();
  const meanGenes = Math.round(numGenes.reduce((total, n) => total + Math.min(1200, n), 0) / numGenes.length);
  const settings = { layers: 4, hidden: 512, genes: 1200, meanGenes, batch: 2, steps: Number(flags.steps), loaderWorkers: 1 };
  const config = parseConfig(PretrainingConfig, {
    data: { corpus },
    model: { hiddenDim: settings.hidden, numLayers: settings.layers, numHeads: 8, ffnDim: 4 * settings.hidden, maxGenes: settings.genes },
    loader: { numWorkers: settings.loaderWorkers },
    baselineCells: 1,
    train: { steps: settings.steps, batchSize: settings.batch, precision: 'bf16', evaluateEvery: null, checkpointEvery: null },
  });
  await pretrain({ config, out });
  const steps = (await readMetrics(join(out, 'metrics.jsonl'))).filter(({ split }) => split === 'train');
  const sum = (key, from) => from.reduce((total, line) => total + line[key], 0);
  const [first, ...later] = steps;
  const [wait, step] = [sum('waitMs', later), sum('stepMs', later)];
  print(
    {
      peer: 'scdiva',
      task: 'starve',
      waiting_percent: round((100 * wait) / (wait + step), 3),
      wait_ms: round(wait / later.length, 2),
      step_ms: round(step / later.length),
      first_wait_ms: round(first.waitMs),
      rss_mb: Math.round(peakRssMb() * 1.048576),
      settings: flags.json ? settings : JSON.stringify(settings),
    },
    flags.json,
  );
}

function report(task, cells, [seconds, cpuSeconds], settings) {
  const bytes = readdirSync(flags.corpus).reduce((sum, name) => sum + statSync(join(flags.corpus, name)).size, 0);
  print(
    {
      peer: 'scdiva',
      task,
      cells_per_s: round(cells / seconds),
      rss_mb: Math.round(peakRssMb() * 1.048576),
      bytes,
      cells,
      wall_s: round(seconds, 3),
      cpu_s: round(cpuSeconds, 3),
      settings: flags.json ? settings : JSON.stringify(settings),
    },
    flags.json,
  );
}
