// npm run -s bench -- allreduce [--json] [--layers 12] [--hidden 512] [--vocab 41818] [--genes 1200] [--cells 1] [--wire f32|bf16] [--hosts] [--rate 1gbit]
//
// What it costs two workers to be two. Every figure is the median of some steps of the real training step (dual loss, backward pass, AdamW)
// on random cells, one thread a worker:
//   alone_ms      one process, nothing else on the machine
//   apart_ms      two processes at once that know nothing of each other: what sharing this machine costs by itself
//   together_ms   the same two as workers, gradients summed inside the step
//   reduce_ms     the gradients' sums alone, in the same buffers, nothing else computed
//   overlapped    share of reduce_ms that is hidden behind the backward pass: 1 - (together - apart) / reduce
//   efficiency    alone / together: cells a second of two workers, as a share of twice those of one
// --hosts puts the workers into network namespaces of their own, joined by a cable (needs root), as fast as --rate says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { withHosts } from './support/hosts.mjs';
import { print, round } from './support/measure.mjs';

const text = (value) => ({ type: 'string', default: String(value) });
const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    layers: text(12),
    hidden: text(512),
    heads: text(8),
    ffn: text(2048),
    vocab: text(41818),
    genes: text(1200),
    cells: text(1),
    precision: text('bf16'),
    wire: text('f32'),
    bucket: text(16),
    steps: text(4),
    hosts: { type: 'boolean', default: false },
    rate: { type: 'string' },
    role: { type: 'string' },
  },
});

if (flags.role) await work();
else if (flags.hosts) await withHosts(flags.rate ? { rate: flags.rate } : {}, (hosts) => measure(hosts.addresses, hosts.command));
else await measure(['127.0.0.1', '127.0.0.1'], (_, ...args) => [args[0], args.slice(1)]);

async function measure(addresses, command) {
  const [alone] = await round1('apart', 1);
  const apart = await round1('apart', 2);
  const together = await round1('together', 2);
  const slowest = (of, key) => Math.max(...of.map((one) => one[key]));
  const [aloneMs, apartMs, togetherMs, reduceMs] = [alone.stepMs, slowest(apart, 'stepMs'), slowest(together, 'stepMs'), slowest(together, 'reduceMs')];
  print(
    {
      parameters: alone.numParameters,
      megabytes: round((alone.numParameters * (flags.wire === 'bf16' ? 2 : 4)) / 1e6),
      buffers: together[0].numBuckets,
      wire: flags.wire,
      cable: flags.hosts ? (flags.rate ?? 'unlimited') : 'loopback',
      alone_ms: round(aloneMs),
      apart_ms: round(apartMs),
      together_ms: round(togetherMs),
      reduce_ms: round(reduceMs),
      overlapped: round(1 - (togetherMs - apartMs) / reduceMs, 2),
      efficiency: round(aloneMs / togetherMs, 2),
      // What it changes of the sum to send it so, by the norm of the difference.
      wire_error: Number(together[0].wireError.toExponential(2)),
    },
    flags.json,
  );

  async function round1(role, count) {
    const ports = [25_117, 25_118];
    const worker = addresses.map((address, i) => `${address}:${ports[i]}`);
    const processes = Array.from({ length: count }, (_, i) => {
      const [file, args] = command(
        i,
        process.execPath,
        fileURLToPath(import.meta.url),
        ...process.argv.slice(2).filter((arg) => !['--json', '--hosts'].includes(arg)),
        '--role',
        role,
      );
      return spawn(file, args, {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: {
          ...process.env,
          TF_NUM_INTRAOP_THREADS: '1',
          OMP_NUM_THREADS: '1',
          ...(role === 'together' && { TF_CONFIG: JSON.stringify({ cluster: { worker }, task: { type: 'worker', index: i } }) }),
        },
      });
    });
    return Promise.all(
      processes.map(async (child) => {
        let last = '';
        createInterface(child.stdout).on('line', (line) => (last = line));
        const [code] = await once(child, 'close');
        if (code !== 0) throw new Error(`a worker ended with exit code ${code}`);
        return JSON.parse(last);
      }),
    );
  }
}

/** One process: takes steps, and as a worker also sums alone. */
async function work() {
  const tf = await import('@tensorflow/tfjs-core');
  const { loadTensorFlow } = await import('../dist/runtime/native/load.js');
  const { joinCluster, membersOf } = await import('../dist/runtime/cluster/cluster.js');
  const { Team } = await import('../dist/runtime/cluster/team.js');
  const { createExecutor } = await import('../dist/runtime/program/executor.js');
  const { Rng } = await import('../dist/rng.js');
  const { Vocabulary } = await import('../dist/data/genes/vocabulary.js');
  const { PretrainingConfig } = await import('../dist/tasks/pretraining/config.js');
  const { createPretrainingTask } = await import('../dist/tasks/pretraining/task.js');
  const { createTrainStep, createTrainVariables } = await import('../dist/train/step.js');
  const { createTeamStep } = await import('../dist/train/team-step.js');
  const { gradientBuckets, sumGradients } = await import('../dist/train/gradient-buckets.js');
  const [B, L, V, steps] = [flags.cells, flags.genes, flags.vocab, flags.steps].map(Number);
  const members = membersOf(process.env);
  const config = PretrainingConfig.parse({
    data: { corpus: 'none' },
    model: {
      numLayers: Number(flags.layers),
      hiddenDim: Number(flags.hidden),
      numHeads: Number(flags.heads),
      ffnDim: Number(flags.ffn),
      maxGenes: L,
      dropout: 0,
    },
    train: { steps: 1000, batchSize: 2 * B, precision: flags.precision, cluster: { wire: flags.wire, bucketMb: Number(flags.bucket), joinSeconds: 60 } },
  });
  await loadTensorFlow({ backend: 'native' });
  const cluster = members && (await joinCluster(members, { cluster: config.train.cluster }));
  const executor = await createExecutor({ kind: 'graph', cluster });
  const team = cluster && (await Team.create(cluster, executor));
  const rng = Rng.fromSeed(1 + (cluster?.rank ?? 0));
  const vocabulary = new Vocabulary(Array.from({ length: V - 5 }, (_, i) => ({ symbol: `GENE${i}`, ensemblId: '' })));
  const task = createPretrainingTask(config, { vocabulary, entropy: new Float32Array(V).fill(1) }, Rng.fromSeed(0));
  const variables = await createTrainVariables(executor, task, config.train);
  const setup = { task, executor, variables, config: config.train, totalSteps: 1000 };
  const step = team ? createTeamStep(setup, team) : createTrainStep(setup);
  const batch = {
    numCells: B,
    seqLen: L,
    geneIds: Int32Array.from({ length: B * L }, () => 2 + rng.int(V - 5)),
    values: Float32Array.from({ length: B * L }, () => 5 * rng.uniform()),
    numGenes: new Int32Array(B).fill(L),
    cellIndex: Int32Array.from({ length: B }, (_, b) => b),
    labels: {},
  };
  const inputs = task.inputs(batch, Rng.fromSeed(7), 'train'); // the same number of masked genes each step: one graph
  const times = [];
  for (let i = 0; i < steps + 2; i++) times.push(await timed(() => step.run([inputs], i, { epoch: 0, batchIndex: i })));
  const buckets = gradientBuckets(task.parameters, task.trainable, Number(flags.bucket) * 1e6);
  const result = {
    stepMs: median(times.slice(2)),
    numParameters: task.trainable.reduce((sum, name) => sum + task.parameters[name].data.length, 0),
    numBuckets: buckets.length,
  };
  if (team) {
    // Weights stand in for gradients: all workers hold the same ones, so every sum is known.
    const key = cluster.reserveKeys(2 * buckets.length);
    const own = (state) => Object.fromEntries(task.trainable.map((name) => [name, state[name]]));
    const compile = (fn, name) => executor.compile(fn, { variables, precision: 'f32', name });
    const reduce = compile((state) => {
      const sums = sumGradients(own(state), buckets, { key, wire: flags.wire });
      return { outputs: { first: tf.addN(Object.values(sums).map((total) => tf.squeeze(tf.slice(tf.reshape(total, [-1]), 0, 1)))) } };
    }, 'reduce');
    const check = compile((state) => {
      const sums = sumGradients(own(state), buckets, { key: key + buckets.length, wire: flags.wire });
      const squares = (of) => tf.addN(Object.entries(sums).map(([name, total]) => tf.sum(tf.square(of(total, tf.mul(state[name], 2))))));
      return { outputs: { error: squares((total, exact) => tf.sub(total, exact)), norm: squares((_, exact) => exact) } };
    }, 'check');
    const alone = [];
    for (let i = 0; i < 7; i++) alone.push(await timed(() => reduce.run({})));
    result.reduceMs = median(alone.slice(2));
    const { error, norm } = await check.run({});
    result.wireError = Math.sqrt(error.data[0] / norm.data[0]);
    cluster.leave();
  }
  console.log(JSON.stringify(result));
  await new Promise((resolve) => setTimeout(resolve, 500));
}

async function timed(run) {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
