import { Rng } from '../rng.js';
import type { CellBatch } from '../data/batch.js';
import { loadTensorFlow } from '../runtime/native/load.js';
import { createExecutor } from '../runtime/program/executor.js';
import type { HostTensors } from '../runtime/program/program.js';
import { createCellEncoder } from '../tasks/cell-encoder.js';
import { createEvaluator } from '../train/evaluation.js';
import { takeSnapshot } from '../train/snapshot.js';
import { createTrainStep, createTrainVariables } from '../train/step.js';
import type { Task } from '../train/task.js';
import { imagineTask } from './imagined-task.js';
import type { MeasuredStep, ProbeResult, ProbeSpec } from './probe-spec.js';

// Run by probe.ts as a process of its own, so that its peak memory is the training's: node probe-process.js SPEC. The last line of
// stdout is the answer. It does what a run does, in the same order and with the same parts, only on a few batches.

/** Batches whose masks are drawn to learn how much there is to predict in one. */
const NUM_DRAWS = 128;
const REPEATS = 2;
/** Short steps are repeated for this long: their times scatter more. */
const REPEAT_MS = 2_000;
const MAX_REPEATS = 15;

const spec = JSON.parse(process.argv[2]!) as ProbeSpec;
const result = await probe(spec);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

async function probe(spec: ProbeSpec): Promise<ProbeResult> {
  const { training, lengths, goal } = spec;
  const longest = lengths.at(-1)!.seqLen;
  const started = performance.now();
  const train = training.config.train;
  const { device } = await loadTensorFlow();
  const loaded = process.memoryUsage.rss();
  const { task, model, batch } = imagineTask(spec);
  const executor = await createExecutor({ kind: train.executor, session: train.session });
  const root = Rng.fromSeed(train.seed);

  let embeddingMs: number | undefined;
  if (training.task === 'annotation') {
    const encoder = await createCellEncoder(executor, model, train.precision);
    const cells = batch(longest);
    await encoder.encode(cells);
    embeddingMs = await timed(() => encoder.encode(cells));
    encoder.dispose();
  }

  const variables = await createTrainVariables(executor, task, train);
  const withVariables = process.memoryUsage.rss();
  const step = createTrainStep({ task, executor, variables, config: train, totalSteps: 1000 });
  const evaluator = createEvaluator({ task, executor, variables, config: train, root });
  const evaluate = (): Promise<unknown> => evaluator.evaluate('validation');
  await evaluate();
  const evaluationMs = goal === 'time' ? await timed(evaluate) : 0;
  const peakBeforeSteps = peakBytes();

  let numSteps = 0;
  const runStep = (microBatches: readonly HostTensors[]): Promise<unknown> => step.run(microBatches, numSteps++, { epoch: 0, batchIndex: 0 });
  const firstMs: number[] = [];
  const laterMs: number[] = [];
  const rss: number[] = [];
  const measure = async ({ seqLen, meanInputSize }: Drawn, inputs: HostTensors, isTypical: boolean): Promise<MeasuredStep> => {
    firstMs.push(await timed(() => runStep([inputs])));
    rss.push(process.memoryUsage.rss());
    const step = { seqLen, inputSize: sizeOf(inputs), meanInputSize };
    if (goal === 'memory') return { ...step, ms: firstMs.at(-1)! };
    const ms = await median(() => runStep([inputs]), isTypical ? REPEATS : 1);
    laterMs.push(ms);
    return { ...step, ms, ...(isTypical && train.accumulation > 1 && { ms2: await median(() => runStep([inputs, inputs]), 1) }) };
  };

  const draws = lengths.map(({ seqLen }) => drawInputs(task, batch(seqLen), root));
  const last = draws.at(-1)!;
  const isUniform = sizeOf(last.largest) === sizeOf(last.typical);
  const steps = [await measure(last, last.largest, isUniform)];
  for (const drawn of isUniform ? draws.slice(0, -1) : draws) steps.push(await measure(drawn, drawn.typical, true));
  const peakAfterSteps = peakBytes();

  const snapshotMs = await timed(() => takeSnapshot(variables, { task, config: train }));
  return {
    seconds: (performance.now() - started) / 1e3,
    device,
    executor: executor.kind,
    parameters: countByPart(task),
    numTrainable: task.trainable.reduce((sum, name) => sum + task.parameters[name]!.data.length, 0),
    steps,
    compileMs: Math.max(0, mean(firstMs.slice(0, laterMs.length)) - mean(laterMs)),
    bytesPerShape: rss.length > 1 ? Math.max(0, (rss.at(-1)! - rss[0]!) / (rss.length - 1)) : 0,
    numShapes: firstMs.length,
    numShapesOfRun: draws.reduce((sum, { numShapes }) => sum + numShapes, 0),
    evaluationMs,
    ...(embeddingMs !== undefined && { embeddingMs }),
    snapshotMs,
    memory: { loaded, withVariables, peakBeforeSteps, peakAfterSteps, peak: peakBytes() },
  };
}

interface Drawn {
  readonly seqLen: number;
  /** Inputs of about the mean size, and the largest seen. */
  readonly typical: HostTensors;
  readonly largest: HostTensors;
  readonly meanInputSize: number;
  readonly numShapes: number;
}

/** What the inputs of many batches of one length look like: masks differ, and with them the number of loss rows. */
function drawInputs(task: Task, batch: CellBatch, root: Rng): Drawn {
  // Drawn one at a time and again when wanted: all of them together would count as the training's memory.
  const draw = (i: number): HostTensors => task.inputs(batch, root.fork(`draw/${i}`), 'train');
  const sizes = Array.from({ length: NUM_DRAWS }, (_, i) => sizeOf(draw(i)));
  const meanInputSize = mean(sizes);
  const by = (distance: (size: number) => number): HostTensors =>
    draw(sizes.reduce((best, size, i) => (distance(size) < distance(sizes[best]!) ? i : best), 0));
  return {
    seqLen: batch.seqLen,
    typical: by((size) => Math.abs(size - meanInputSize)),
    largest: by((size) => -size),
    meanInputSize,
    numShapes: new Set(sizes).size,
  };
}

function sizeOf(inputs: HostTensors): number {
  return Object.values(inputs).reduce((sum, { data }) => sum + data.length, 0);
}

/** Values by part of the model: the name up to its first dot, transformer blocks together. */
function countByPart({ parameters }: Task): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, { data }] of Object.entries(parameters)) {
    const part = name.split('.')[0]!;
    counts[part] = (counts[part] ?? 0) + data.length;
  }
  return counts;
}

function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Of at least `repeats` times, more where they are short. */
async function median(work: () => Promise<unknown>, repeats: number): Promise<number> {
  const times: number[] = [];
  const start = performance.now();
  while (times.length < repeats || (times.length < MAX_REPEATS && performance.now() - start < REPEAT_MS)) times.push(await timed(work));
  return times.sort((a, b) => a - b)[Math.floor((times.length - 1) / 2)]!;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
