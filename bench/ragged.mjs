// L length of a batch
//
// npm run -s bench -- ragged [--json] [--layers 2] [--hidden 256] [--heads 4] [--ffn 1024] [--vocab 5000] [--genes 1200] [--batch 4] [--cells 96]
//                            [--min 200] [--median 500] [--sigma 0.5] [--precision bf16]
//
// Cells of very different lengths, log-normal between 200 and 1,200 genes, trained twice by the pretraining task through the loader's
// batch plan: in length buckets (batches of like length, padded to a multiple of 128) and padded to 1,200. Both see every cell once
// and make every graph before the clock starts.
import { parseArgs } from 'node:util';
import { peakRssMb, print, round } from './support/measure.mjs';

const number = (value) => ({ type: 'string', default: String(value) });
const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    precision: number('bf16'),
    layers: number(2),
    hidden: number(256),
    heads: number(4),
    ffn: number(1024),
    vocab: number(5000),
    genes: number(1200),
    batch: number(4),
    cells: number(96),
    min: number(200),
    median: number(500),
    sigma: number(0.5),
  },
});
const { loadTensorFlow } = await import('../dist/runtime/native/load.js');
await loadTensorFlow({ backend: 'native' });
const { Rng } = await import('../dist/rng.js');
const { Vocabulary } = await import('../dist/data/genes/vocabulary.js');
const { BatchPlan } = await import('../dist/data/loader/batch-plan.js');
const { paddedLength } = await import('../dist/data/loader/batch-maker.js');
const { LoaderConfig, Preprocessing } = await import('../dist/data/loader/config.js');
const { createExecutor } = await import('../dist/runtime/program/executor.js');
const { PretrainingConfig } = await import('../dist/tasks/pretraining/config.js');
const { createPretrainingTask } = await import('../dist/tasks/pretraining/task.js');
const { createTrainStep, createTrainVariables } = await import('../dist/train/step.js');

const [numCells, batchSize, maxGenes, V] = [Number(flags.cells), Number(flags.batch), Number(flags.genes), Number(flags.vocab)];
const rng = Rng.fromSeed(1);
const lengths = Int32Array.from({ length: numCells }, () =>
  Math.round(Math.min(maxGenes, Math.max(Number(flags.min), Number(flags.median) * Math.exp(Number(flags.sigma) * rng.normal())))),
);
const config = PretrainingConfig.parse({
  data: { corpus: 'none' },
  model: { numLayers: Number(flags.layers), hiddenDim: Number(flags.hidden), numHeads: Number(flags.heads), ffnDim: Number(flags.ffn), maxGenes },
  train: { steps: 1000, batchSize, precision: flags.precision },
});
const vocabulary = new Vocabulary(Array.from({ length: V - 5 }, (_, i) => ({ symbol: `GENE${i}`, ensemblId: '' })));
const task = createPretrainingTask(config, { vocabulary, entropy: new Float32Array(V).fill(1) }, rng.fork('model'));

/** One epoch of inputs. @param lengthMultiple 128 = buckets, maxGenes = everything padded to it */
function epoch(lengthMultiple) {
  const preprocessing = Preprocessing.parse({ maxGenes, lengthMultiple });
  const plan = new BatchPlan({
    rows: Int32Array.from({ length: numCells }, (_, row) => row),
    batchSize,
    rng: rng.fork('epoch'),
    length: (row) => lengths[row],
    sortWindow: LoaderConfig.parse({}).sortWindow,
  });
  const seen = new Set();
  const batches = Array.from({ length: plan.numBatches }, (_, index) => {
    const rows = plan.rowsOf(index);
    rows.forEach((row) => seen.add(row));
    return makeBatch(rows, paddedLength(Math.max(...rows.map((row) => lengths[row])), preprocessing), index);
  });
  if (seen.size !== numCells) throw new Error(`${seen.size} of ${numCells} cells came`);
  return batches;
}

function makeBatch(rows, L, index) {
  const geneIds = new Int32Array(rows.length * L);
  const values = new Float32Array(rows.length * L);
  rows.forEach((row, b) => {
    const cell = rng.fork(`cell/${row}`);
    for (let l = 0; l < lengths[row]; l++) {
      geneIds[b * L + l] = 2 + cell.int(V - 5);
      values[b * L + l] = 5 * cell.uniform();
    }
  });
  const batch = { numCells: rows.length, seqLen: L, geneIds, values, numGenes: Int32Array.from(rows, (row) => lengths[row]), cellIndex: rows, labels: {} };
  return { seqLen: L, inputs: task.inputs(batch, rng.fork(`step/${index}`), 'train') };
}

/** Seconds of one epoch with every graph made beforehand, and what making them took. */
async function train(batches) {
  const executor = await createExecutor({ kind: 'graph' });
  const variables = await createTrainVariables(executor, task, config.train);
  const step = createTrainStep({ task, executor, variables, config: config.train, totalSteps: 1000 });
  let index = 0;
  const run = ({ inputs }) => step.run([inputs], index++, { epoch: 0, batchIndex: index });
  const shapes = new Map(batches.map((batch) => [`${batch.seqLen}/${batch.inputs.lossPositions.shape[0]}/${batch.inputs.geneIds.shape[0]}`, batch]));
  const start = performance.now();
  for (const batch of shapes.values()) await run(batch);
  const first = performance.now();
  for (const batch of batches) await run(batch);
  const seconds = (performance.now() - first) / 1e3;
  step.dispose();
  variables.dispose();
  executor.dispose();
  return { seconds, numShapes: shapes.size, firstSeconds: (first - start) / 1e3 };
}

const slots = (batches) => batches.reduce((sum, { inputs }) => sum + inputs.geneIds.data.length, 0);
const genes = lengths.reduce((sum, length) => sum + length, 0);
const [buckets, padded] = [epoch(128), epoch(maxGenes)];
const bucketed = await train(buckets);
const flat = await train(padded);
print(
  {
    bench: 'ragged',
    precision: flags.precision,
    layers: Number(flags.layers),
    hidden: Number(flags.hidden),
    vocab: V,
    cells: numCells,
    batch: batchSize,
    mean_genes: round(genes / numCells),
    bucket_cells_per_s: round(numCells / bucketed.seconds, 2),
    padded_cells_per_s: round(numCells / flat.seconds, 2),
    speedup: round(flat.seconds / bucketed.seconds, 2),
    bucket_padding_share: round(1 - genes / slots(buckets), 3),
    padded_padding_share: round(1 - genes / slots(padded), 3),
    bucket_shapes: bucketed.numShapes,
    padded_shapes: flat.numShapes,
    bucket_first_s: round(bucketed.firstSeconds),
    padded_first_s: round(flat.firstSeconds),
    peak_rss_mb: round(peakRssMb()),
  },
  flags.json,
);
