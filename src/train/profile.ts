import { hostname } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ConfigError } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import type { GraphExecutor } from '../runtime/program/graph/executor.js';
import { timesByType, toChromeTrace, type OpTime, type OpTypeTime, type Span } from '../runtime/program/graph/profile.js';
import type { Executor } from '../runtime/program/program.js';
import type { Hook } from './loop.js';
import type { RunFolder } from './run-folder.js';
import type { TrainStep } from './step.js';

/** Steps of a process before the first that is measured: TensorFlow settles its buffers in them. */
const WARMUP_STEPS = 2;

/** What `--profile` found. */
export interface Profile {
  /** Trace for chrome://tracing and ui.perfetto.dev. */
  readonly file: string;
  /** The same for TensorBoard's profile plugin, which looks below its log folder. */
  readonly tensorBoardFile: string;
  /** Numbers of the steps in it, counted from 1. */
  readonly steps: readonly number[];
  /** Mean wall time of these steps, measuring included. */
  readonly stepMs: number;
  /** Op time over all of these steps, by type, the dearest first. */
  readonly ops: readonly OpTypeTime[];
}

export interface Profiler {
  /** The step, measured where it is its turn. */
  readonly step: TrainStep;
  /** Writes what was measured where the run ends before all steps were. */
  readonly hook: Hook;
  /** Once written. */
  readonly result: Profile | undefined;
}

/**
 * Measures every op of `numSteps` training steps. Steps in which a graph is made for a new batch shape are passed over: what they
 * take happens once.
 * @param onWritten told when the trace is on disk
 * @throws ConfigError where steps do not run as graphs
 */
export function createProfiler(step: TrainStep, executor: Executor, folder: RunFolder, numSteps: number, onWritten: (profile: Profile) => void): Profiler {
  if (executor.kind !== 'graph')
    throw new ConfigError({ key: '--profile', found: 'steps run op by op here', expected: 'the graph executor', hint: 'set train.executor to graph' });
  const graph = executor as GraphExecutor;
  const opTimes: OpTime[] = [];
  const spans: Span[] = [];
  const steps: number[] = [];
  let numSeen = 0;
  let result: Profile | undefined;

  const write = async (): Promise<void> => {
    const trace = toChromeTrace(opTimes, spans);
    const name = `step-${String(steps[0]).padStart(6, '0')}`;
    const file = join(folder.profile, `${name}.json`);
    const tensorBoardFile = join(folder.events, 'plugins', 'profile', name, `${hostname()}.trace.json.gz`);
    await writeFileAtomic(file, trace);
    await writeFileAtomic(tensorBoardFile, gzipSync(trace));
    result = {
      file,
      tensorBoardFile,
      steps,
      stepMs: spans.reduce((sum, { durationUs }) => sum + durationUs, 0) / 1e3 / spans.length,
      ops: timesByType(opTimes, graph.products),
    };
    onWritten(result);
  };

  return {
    step: {
      async run(microBatches, index, place, notes) {
        if (result || numSeen++ < WARMUP_STEPS) return step.run(microBatches, index, place, notes);
        const [startUs, opsBefore] = [nowUs(), graph.numOps];
        const measured = await graph.profile(() => step.run(microBatches, index, place, notes));
        if (graph.numOps === opsBefore) {
          spans.push({ name: `step ${index + 1}`, startUs, durationUs: nowUs() - startUs });
          opTimes.push(...measured.opTimes);
          steps.push(index + 1);
          if (steps.length === numSteps) await write();
        }
        return measured.result;
      },
      dispose: () => step.dispose(),
    },
    hook: {
      async atEnd() {
        if (!result && steps.length > 0) await write();
      },
    },
    get result() {
      return result;
    },
  };
}

const NUM_ROWS = 12;

/** The dearest op types, as lines for people. */
export function describeProfile({ file, tensorBoardFile, steps, stepMs, ops }: Profile): string {
  const row = (type: string, ms: string, share: string, count: string, rate: string): string =>
    `  ${type.padEnd(26)}${ms.padStart(10)}${share.padStart(9)}${count.padStart(8)}${rate.padStart(10)}`.trimEnd();
  const rest = ops.slice(NUM_ROWS);
  const sum = (pick: (op: OpTypeTime) => number): number => rest.reduce((total, op) => total + pick(op), 0);
  const shown: OpTypeTime[] = [
    ...ops.slice(0, NUM_ROWS),
    ...(rest.length > 0
      ? [{ type: `${rest.length} other types`, count: sum(({ count }) => count), ms: sum(({ ms }) => ms), share: sum(({ share }) => share) }]
      : []),
  ];
  return [
    `profile of ${steps.length === 1 ? `step ${steps[0]}` : `steps ${steps.join(', ')}`}, ${stepMs.toFixed(0)} ms a step while measured; ops side by side count twice:`,
    row('op type', 'ms a step', 'share', 'ops', 'TFLOP/s'),
    ...shown.map(({ type, ms, share, count, tflopPerSec }) =>
      row(type, (ms / steps.length).toFixed(1), `${(100 * share).toFixed(1)} %`, String(Math.round(count / steps.length)), tflopPerSec?.toFixed(2) ?? ''),
    ),
    `trace: ${file} (open in ui.perfetto.dev or chrome://tracing), ${tensorBoardFile} (TensorBoard with its profile plugin)`,
  ].join('\n');
}

const nowUs = (): number => Math.round((performance.timeOrigin + performance.now()) * 1e3);
