// B cells, L genes a cell, M masked positions, D hidden, V gene vocabulary
//
// npm run -s bench -- step [--json] [--task train|embed] [--precision bf16|f32] [--cells 2] [--genes 1200] [--layers 12] …
//
// One training step (forward, dual loss at masked positions, backward, AdamW) or one embedding pass on random cells, as a
// compiled program. Reports the median over the later half of the steps, the most memory the process ever held, and how the
// step used the machine:
//   step_tflop      the products a step cannot do without, by the sizes of the model; mfu is their share of the measured peak
//   executed_tflop  the products that ran, by their shapes in the graph: recomputation included
//   ops_by_type     where the op time went, from the profile of one step (--profile FILE keeps it for Perfetto or Chrome)
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const number = (value) => ({ type: 'string', default: String(value) });
const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    task: { type: 'string', default: 'train' },
    precision: { type: 'string', default: 'bf16' },
    executor: { type: 'string', default: 'graph' },
    dropout: number(0),
    recompute: { type: 'boolean', default: false },
    inter: number(0),
    intra: number(0),
    kernels: { type: 'boolean', default: true },
    optimize: { type: 'boolean', default: true },
    hidden: number(512),
    heads: number(8),
    layers: number(12),
    ffn: number(2048),
    vocab: number(41818),
    genes: number(1200),
    cells: number(2),
    steps: number(8),
    seed: number(0),
    profile: { type: 'string' },
  },
  allowNegative: true,
});
const fail = (message) => {
  console.error(message);
  process.exit(2);
};
if (!['train', 'embed'].includes(flags.task)) fail(`--task ${flags.task}: expected train or embed`);
if (!['f32', 'bf16'].includes(flags.precision)) fail(`--precision ${flags.precision}: expected f32 or bf16`);
const size = (name) => {
  const value = Number(flags[name]);
  if (!Number.isInteger(value) || value < 0) fail(`--${name} ${flags[name]}: expected a whole number`);
  return value;
};

const { loadTensorFlow } = await import('../dist/runtime/native/load.js');
await loadTensorFlow();
const tf = await import('@tensorflow/tfjs-core');
const { Rng } = await import('../dist/rng.js');
const { createExecutor } = await import('../dist/runtime/program/executor.js');
const { gradients } = await import('../dist/runtime/program/gradients.js');
const { crossEntropy } = await import('../dist/runtime/ops/cross-entropy.js');
const { gatherRows } = await import('../dist/runtime/ops/embedding.js');
const { ModelConfig } = await import('../dist/model/config.js');
const { initialParameters } = await import('../dist/model/parameters.js');
const { latentStates, predictedValues, slotStates } = await import('../dist/model/scdiva.js');
const { applyGradients, initialOptimizerState, stepScalars } = await import('../dist/train/optimizer.js');
const { TrainConfig } = await import('../dist/train/config.js');

const [B, L, V, numSteps] = [size('cells'), size('genes'), size('vocab'), size('steps')];
const config = ModelConfig.parse({
  hiddenDim: size('hidden'),
  numLayers: size('layers'),
  numHeads: size('heads'),
  ffnDim: size('ffn'),
  dropout: Number(flags.dropout),
  maxGenes: L,
});
const ids = { padId: 0, padFillId: V - 3 };
const rng = Rng.fromSeed(size('seed'));
const train = TrainConfig.parse({ steps: numSteps });

const batch = randomBatch();
const parameters = initialParameters(config, V, rng.fork('parameters'));
const executor = await createExecutor({
  kind: flags.executor,
  precision: flags.precision,
  session: { fusedKernels: flags.kernels, optimizeGraph: flags.optimize, interOpThreads: size('inter'), intraOpThreads: size('intra') },
});
const state = flags.task === 'train' ? initialOptimizerState(train, parameters, Object.keys(parameters)) : {};
const variables = await executor.createVariables({ ...parameters, ...state });
const names = Object.keys(parameters);

const cells = ({ geneIds, values, isReplaced }) => ({ geneIds, values, isReplaced });
const embed = (p, inputs) => ({ outputs: { value: tf.sum(latentStates(p, cells(inputs), config, ids)) } });
const trainStep = (all, inputs) => {
  const { loss, grads } = gradients(
    (p) => {
      const rows = slotStates(p, cells(inputs), inputs.maskedAt, config, ids, {
        dropoutSeed: config.dropout > 0 ? inputs.seed : undefined,
        recomputesBlocks: flags.recompute,
      }); // [M, D]
      const targets = gatherRows(tf.reshape(inputs.geneIds, [B * L]), inputs.maskedAt);
      const wanted = gatherRows(tf.reshape(inputs.values, [B * L]), inputs.maskedAt);
      const identity = tf.mean(crossEntropy(rows, p['gene_head.weight'], targets));
      const value = tf.mean(tf.squaredDifference(predictedValues(p, rows), wanted));
      return { loss: tf.add(identity, tf.mul(value, 10)), aux: {} };
    },
    Object.fromEntries(names.map((name) => [name, all[name]])),
  );
  const { updates } = applyGradients(train, all, grads, inputs, loss);
  return { outputs: { value: loss }, updates };
};

const program = executor.compile(flags.task === 'train' ? trainStep : embed, { variables, precision: flags.precision, name: flags.task });
const stepMs = [];
const cpuMs = [];
let last = NaN;
for (let step = 0; step < numSteps; step++) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const out = await program.run(inputsOf(step));
  stepMs.push(performance.now() - start);
  const used = process.cpuUsage(cpu);
  cpuMs.push((used.user + used.system) / 1e3);
  last = out.value.data[0];
}
const { timesByType, toChromeTrace } = await import('../dist/runtime/program/graph/profile.js');
const { flopOf } = await import('../dist/runtime/program/graph/product.js');
const peak_rss_mb = peakRssMb(); // before anything that only measures
const profiled = executor.kind === 'graph' ? await executor.profile(() => program.run(inputsOf(numSteps))) : undefined;
if (flags.profile && profiled) writeFileSync(flags.profile, toChromeTrace(profiled.opTimes));
const median = (xs) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];
const later = (xs) => xs.slice(Math.floor(xs.length / 2));
const step_ms = median(later(stepMs));
const result = {
  peer: `scdiva ${executor.kind}`,
  mode: flags.precision,
  task: flags.task,
  cells: B,
  genes: L,
  layers: config.numLayers,
  vocab: V,
  step_ms: round(step_ms, 1),
  cells_per_s: round((B / step_ms) * 1e3, 3),
  peak_rss_mb,
  last: round(last, 4),
  first_step_ms: round(stepMs[0], 1),
  cpu_ms: round(median(later(cpuMs)), 1),
  ops: executor.numOps ?? null,
  step_tflop: round(stepFlops() / 1e12, 4),
  ...(profiled && (await utilisation(profiled.opTimes))),
};
executor.dispose();
if (flags.json) console.log(JSON.stringify(result));
else printTable(result);

/** How much of what this machine can multiply the step made use of, and where the rest of its time went. */
async function utilisation(opTimes) {
  const peaks = { bf16: await productPeak('bf16'), f32: await productPeak('f32') };
  const types = timesByType(opTimes, executor.products);
  const isProduct = ({ type }) => /MatMul/.test(type);
  const sum = (list, pick) => list.reduce((total, op) => total + pick(op), 0);
  const opMs = sum(types, ({ ms }) => ms);
  const products = opTimes.filter(isProduct);
  const executed = products.reduce((total, { name }) => total + flopOf(executor.products.get(name)), 0);
  const productMs = sum(types.filter(isProduct), ({ ms }) => ms);
  return {
    executed_tflop: round(executed / 1e12, 4),
    peak_bf16_tflops: round(peaks.bf16, 3),
    peak_f32_tflops: round(peaks.f32, 3),
    mfu: round(stepFlops() / 1e9 / step_ms / peaks[flags.precision], 3),
    executed_share_of_peak: round(executed / 1e9 / step_ms / peaks[flags.precision], 3),
    product_tflops: round(executed / 1e9 / productMs, 3),
    product_share_of_op_time: round(productMs / opMs, 3),
    op_ms: round(opMs, 1),
    ops_by_type: types.slice(0, 16).map(({ type, count, ms, share, tflopPerSec }) => ({
      type,
      count,
      ms: round(ms, 1),
      share: round(share, 3),
      ...(tflopPerSec && { tflops: round(tflopPerSec, 3) }),
    })),
    products_by_shape: productsByShape(products),
  };
}

/** The product shapes that take most of the time, with their rates. */
function productsByShape(ops) {
  const shapes = new Map();
  for (const { name, durationUs } of ops) {
    const product = executor.products.get(name);
    if (!product) continue;
    const { batch, m, k, n } = product;
    const key = `${batch > 1 ? `${batch} × ` : ''}[${m}, ${k}]·[${k}, ${n}]`;
    const sum = shapes.get(key) ?? { count: 0, us: 0, flop: 0 };
    shapes.set(key, { count: sum.count + 1, us: sum.us + durationUs, flop: sum.flop + flopOf(product) });
  }
  return [...shapes]
    .sort(([, a], [, b]) => b.us - a.us)
    .slice(0, 12)
    .map(([shape, { count, us, flop }]) => ({ shape, count, ms: round(us / 1e3, 1), tflops: round(flop / us / 1e6, 3) }));
}

/** TFLOP/s of the best of some large plain products, [2048, 2048] · [2048, 2048], one at a time. */
async function productPeak(precision) {
  const N = 2048;
  const weights = await executor.createVariables({
    w: { dtype: 'float32', shape: [N, N], data: Float32Array.from({ length: N * N }, () => rng.uniform() / N) },
  });
  const chain = ({ w }) => {
    let x = w;
    for (let i = 0; i < 4; i++) x = tf.matMul(x, w);
    return { outputs: { value: tf.max(x) } };
  };
  const multiply = executor.compile(chain, { variables: weights, precision, name: `peak_${precision}` });
  let best = 0;
  for (let i = 0; i < 4; i++) {
    const { opTimes } = await executor.profile(() => multiply.run({}));
    for (const { type, name, durationUs } of opTimes) if (/MatMul/.test(type)) best = Math.max(best, flopOf(executor.products.get(name)) / durationUs / 1e6);
  }
  weights.dispose();
  return best;
}

function printTable({ ops_by_type, products_by_shape, ...facts }) {
  for (const [key, value] of Object.entries(facts)) console.log(`${key.padEnd(26)} ${value}`);
  if (!ops_by_type) return;
  console.log(
    `\nreached ${(100 * facts.mfu).toFixed(0)} % of the ${facts.mode} product peak (${(100 * facts.executed_share_of_peak).toFixed(0)} % with what is computed twice). Where the op time goes:`,
  );
  for (const { type, count, ms, share, tflops } of ops_by_type)
    console.log(
      `${(100 * share).toFixed(1).padStart(6)} %${ms.toFixed(1).padStart(9)} ms${String(count).padStart(6)} × ${type.padEnd(28)}${tflops ? `${tflops.toFixed(2)} TFLOP/s` : ''}`,
    );
  console.log('\nproducts by shape:');
  for (const { shape, count, ms, tflops } of products_by_shape)
    console.log(`${ms.toFixed(1).padStart(9)} ms${String(count).padStart(6)} × ${shape.padEnd(44)}${tflops.toFixed(2)} TFLOP/s`);
}

function inputsOf(step) {
  return { ...batch, seed: { dtype: 'int32', shape: [2], data: Int32Array.of(1, step) }, ...(flags.task === 'train' && stepScalars(train, step, numSteps)) };
}

/** Random cells without padding; half of the genes masked, as in the middle of the time range. */
function randomBatch() {
  const geneIds = Int32Array.from({ length: B * L }, () => 2 + rng.int(V - 5));
  const values = Float32Array.from({ length: B * L }, () => 5 * rng.uniform());
  const isReplaced = Float32Array.from({ length: B * L }, () => Number(rng.uniform() < 0.5));
  const maskedAt = Int32Array.from(isReplaced.keys())
    .filter((i) => isReplaced[i] === 1)
    .slice(0, Math.floor(B * L * 0.45));
  return {
    geneIds: { dtype: 'int32', shape: [B, L], data: geneIds },
    values: { dtype: 'float32', shape: [B, L], data: values },
    isReplaced: { dtype: 'float32', shape: [B, L], data: isReplaced },
    maskedAt: { dtype: 'int32', shape: [maskedAt.length], data: maskedAt },
  };
}

/** Multiplications and additions of the matrix products a step cannot do without: recomputation is not counted. */
function stepFlops() {
  const { hiddenDim: D, ffnDim: F, numLayers } = config;
  const T = L + 1;
  const block = B * T * (4 * D * D + 3 * D * F) + 2 * B * T * T * D;
  const encoder = B * L * 2 * D * D;
  const heads = flags.task === 'train' ? batch.maskedAt.data.length * (V * D + D * D) : 0;
  return 2 * (numLayers * block + encoder + heads) * (flags.task === 'train' ? 3 : 1);
}

function peakRssMb() {
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024);
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}
