import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasNative, useTensorFlow } from '../support/tensorflow.js';
import { tinyTask } from '../support/tiny-task.js';
import { Rng } from '../../src/rng.js';
import { createEagerExecutor } from '../../src/runtime/program/eager.js';
import { createGraphExecutor, type GraphExecutor } from '../../src/runtime/program/graph/executor.js';
import { TrainConfig } from '../../src/train/config.js';
import { trainingFeed } from '../../src/train/feed.js';
import { createProfiler, describeProfile, type Profile } from '../../src/train/profile.js';
import { RunFolder } from '../../src/train/run-folder.js';
import { initialState } from '../../src/train/state.js';
import { createTrainStep, createTrainVariables } from '../../src/train/step.js';

useTensorFlow();

interface TraceEvent {
  readonly ph: string;
  readonly cat?: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
}

describe.runIf(hasNative)('profiling a run', () => {
  let executor: GraphExecutor;
  let folder: string;
  beforeAll(async () => {
    executor = createGraphExecutor();
    folder = await mkdtemp(join(tmpdir(), 'scdiva-profile-'));
  });
  afterAll(async () => {
    executor.dispose();
    await rm(folder, { recursive: true });
  });

  /** @returns what was written, and the losses */
  async function train(name: string, numProfiled: number | undefined, numSteps: number): Promise<{ written: Profile[]; losses: number[] }> {
    const task = tinyTask({ numCells: 20 });
    const config = TrainConfig.parse({ steps: numSteps, batchSize: 8 }); // 8, 8 and 4 cells: two shapes
    const variables = await createTrainVariables(executor, task, config);
    const plain = createTrainStep({ task, executor, variables, config, totalSteps: numSteps });
    const written: Profile[] = [];
    const profiler =
      numProfiled === undefined
        ? undefined
        : createProfiler(plain, executor, await RunFolder.create(join(folder, name)), numProfiled, (profile) => written.push(profile));
    const feed = trainingFeed(task, config, Rng.fromSeed(1), { epoch: 0, batchIndex: 0, step: 0 });
    const losses: number[] = [];
    for (let i = 0; i < numSteps; i++) {
      const { value } = await feed.next();
      losses.push((await (profiler?.step ?? plain).run(value.microBatches, i, value.place)).loss);
    }
    await profiler?.hook.atEnd!(initialState(), { isInterrupted: false });
    await feed.return(undefined as never);
    return { written, losses };
  }

  it('writes the steps after the warm-up that make no graph, for Chrome and for TensorBoard, and changes no result', async () => {
    const { written, losses } = await train('run', 3, 8);
    const [profile] = written;
    expect(written).toHaveLength(1);
    expect(profile!.steps).toEqual([4, 5, 6]); // 1 and 2 are warm-up, 3 is the first of 4 cells
    for (const { type, tflopPerSec } of profile!.ops) expect((tflopPerSec ?? 0) > 0, type).toBe(/MatMul/.test(type)); // fused ones too
    expect(profile!.ops.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);

    const text = await readFile(profile!.file, 'utf8');
    expect(gunzipSync(await readFile(profile!.tensorBoardFile)).toString()).toBe(text);
    expect(profile!.tensorBoardFile).toMatch(/events\/plugins\/profile\/step-000004\/.*\.trace\.json\.gz$/);
    const events = (JSON.parse(text) as { traceEvents: TraceEvent[] }).traceEvents.filter(({ ph }) => ph === 'X');
    const steps = events.filter(({ cat }) => cat === 'step');
    expect(steps.map(({ name }) => name)).toEqual(['step 4', 'step 5', 'step 6']);
    const ops = events.filter(({ cat }) => cat === 'op');
    expect(ops.length).toBeGreaterThan(30);
    for (const { ts, dur } of ops) expect(steps.some((step) => ts >= step.ts - 1000 && ts + dur <= step.ts + step.dur + 1000)).toBe(true);

    expect(describeProfile(profile!)).toMatch(
      /^profile of steps 4, 5, 6, .*\n.*op type +ms a step +share +ops +TFLOP\/s\n[^]*MatMul[^]*\ntrace: .*step-000004\.json/,
    );
    expect(losses).toEqual((await train('plain', undefined, 8)).losses);
  });

  it('writes what there is when the run ends early, and nothing when nothing could be measured', async () => {
    expect((await train('short', 5, 5)).written.map(({ steps }) => steps)).toEqual([[4, 5]]);
    expect((await train('shorter', 5, 3)).written).toEqual([]);
  });

  it('refuses steps that do not run as graphs', async () => {
    const eager = createEagerExecutor();
    expect(() =>
      createProfiler(
        { run: () => Promise.reject(new Error('not run')), dispose() {} },
        eager,
        new (RunFolder as unknown as new (path: string) => RunFolder)(folder),
        1,
        () => {},
      ),
    ).toThrow(/--profile: .*graph executor/);
  });
});
