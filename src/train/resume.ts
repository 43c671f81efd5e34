import { ConfigError } from '../errors.js';
import { ModelConfig } from '../model/config.js';
import { TrainConfig } from './config.js';
import type { Checkpoint } from './checkpoint.js';
import type { CheckpointState } from './checkpoint-state.js';

/** What may differ between a run and its continuation: how long it goes, how often it reports, where and how fast data are read. */
const MAY_CHANGE: readonly string[] = [
  'train.steps',
  'train.epochs',
  'train.logEvery',
  'train.evaluateEvery',
  'train.checkpointEvery',
  'train.keepCheckpoints',
  'train.earlyStopping.patience',
  'train.microBatch', // what it chose is train.accumulation, which may not
  'train.memoryBudgetGb',
  'train.shardOptimizer',
  'train.session.intraOpThreads',
  'train.session.interOpThreads',
  'train.session.gpuMemoryGrowth',
  'train.session.gpuMemoryFraction',
  'train.cluster.joinSeconds',
  'train.cluster.timeoutSeconds',
  'train.cluster.stallSeconds',
  'train.cluster.bucketMb',
  'loader.numWorkers',
  'data.corpus',
];

/**
 * Checks that a continuation would do what the unbroken run would have done: bit for bit on the CPU of one machine. Graphs give the
 * same bits for any number of threads; the eager executor's sums depend on it (TF_NUM_INTRAOP_THREADS, by default the number of cores).
 * @param out for the message
 * @returns the state to go on from
 * @throws ConfigError naming the first key that changed, or the data
 */
export function checkResumable({ state }: Checkpoint, now: Pick<CheckpointState, 'task' | 'config' | 'dataFingerprint'>, out: string): CheckpointState {
  if (!state) throw new Error('checked by RunFolder.open');
  if (state.task !== now.task) throw new ConfigError({ file: out, found: `a run of ${state.task}`, expected: now.task, hint: 'choose another --out' });
  // Read as today's schema reads it: a key that has come since then had its default.
  const model = ModelConfig.safeParse(state.config['model']);
  const before = flatten({ ...state.config, ...(model.success && { model: model.data }), train: TrainConfig.parse(state.config['train']) });
  const after = flatten(now.config);
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(key) === after.get(key) || MAY_CHANGE.includes(key)) continue;
    throw new ConfigError({
      file: out,
      key,
      found: `${after.get(key) ?? 'absent'}, but the run was started with ${before.get(key) ?? 'none'}`,
      hint: 'put it back to resume, or start a new run with another --out',
    });
  }
  if (state.dataFingerprint !== now.dataFingerprint)
    throw new ConfigError({
      file: out,
      key: 'data',
      found: 'other data than the run was started with',
      hint: 'name the same data to resume, or start a new run with another --out',
    });
  return state;
}

/** Whether the learning rate of the steps to come follows another curve than the steps taken did: its length was that of the run. */
export function hasOtherSchedule({ config }: CheckpointState, now: TrainConfig): boolean {
  const before = TrainConfig.parse(config['train']);
  return (
    now.schedule.kind !== 'constant' &&
    now.schedule.decaySteps === null &&
    ((before.steps ?? null) !== (now.steps ?? null) || (before.epochs ?? null) !== (now.epochs ?? null))
  );
}

/** Leaves of a config by dotted path, as JSON text. */
export function flatten(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, child] of Object.entries(value)) flatten(child, path ? `${path}.${key}` : key, into);
  } else if (value !== undefined) into.set(path, JSON.stringify(value));
  return into;
}
