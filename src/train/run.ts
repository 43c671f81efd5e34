import { stringify } from 'yaml';
import { ConfigError, DataError, InterruptedError, WorkerDone } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import type { Logger } from '../log.js';
import type { Progress } from '../progress.js';
import { Rng } from '../rng.js';
import type { Cluster } from '../runtime/cluster/cluster.js';
import { Team } from '../runtime/cluster/team.js';
import type { LoadedBackend } from '../runtime/native/load.js';
import { createExecutor } from '../runtime/program/executor.js';
import { adapterNames, mergeAdapters, type LoraAdapters } from '../model/lora/lora.js';
import type { Executor, HostTensors, Variables } from '../runtime/program/program.js';
import { readAdapter, type Adapter, type AdapterInfo } from './adapter.js';
import { loadCheckpoint, loadOptimizer, requireVocabulary, saveCheckpoint, type HeadInfo, type ModelDescription } from './checkpoint.js';
import type { CheckpointState } from './checkpoint-state.js';
import type { TrainConfig } from './config.js';
import { createEvaluator, type Evaluator } from './evaluation.js';
import { prefetch, trainingFeed } from './feed.js';
import { createReporter, logSteps, saveCheckpoints, showProgress, validate, whenSaving, type Reporter } from './hooks.js';
import { trainLoop } from './loop.js';
import { MetricsLog } from './metrics-log.js';
import { modelCard } from './model-card.js';
import { createProfiler, describeProfile, type Profile } from './profile.js';
import { checkResumable, hasOtherSchedule } from './resume.js';
import { RunFolder } from './run-folder.js';
import { describeHost, describeVersions, ManifestFile, type MicroBatchChoice } from './run-manifest.js';
import { OptimizerShares } from './sharded-optimizer.js';
import { restoreSnapshot, takeSnapshot } from './snapshot.js';
import { initialState, isPatienceSpent, watchedValue, type TrainState } from './state.js';
import { createTrainStep, createTrainVariables, type TrainStep } from './step.js';
import { requireOneRun, shareStart } from './team-start.js';
import { createTeamStep } from './team-step.js';
import type { Baselines, Metrics, Split, Task } from './task.js';
import { createEventWriter } from './tensorboard.js';

/** What a run talks to. The command line's verb context is one. */
export interface TrainContext {
  readonly log: Logger;
  readonly progress: Progress;
  say(line: string): void;
  /** Aborted: the run ends after the step it is in, with its state saved. */
  readonly signal: AbortSignal;
  /** The other workers, where there are some. */
  readonly cluster?: Cluster | undefined;
}

export interface TrainingRun {
  readonly task: Task;
  /** The whole resolved config: written down, and compared when the run is resumed. */
  readonly config: { readonly train: TrainConfig };
  /** What goes into every checkpoint beside weights. */
  readonly model: ModelDescription;
  /** Says what the parameters are that are not the model's own. */
  readonly head?: HeadInfo;
  /** The weights that the task's adapters belong to; needed where it has some. */
  readonly base?: AdapterInfo['base'];
  /** Identity of the data, and what else run.json and the model card shall say of them. */
  readonly data: { readonly path: string; readonly fingerprint: string; readonly [key: string]: string | number };
  /** What simple methods score on the validation split; asked once, when the run begins. */
  readonly baselines?: () => Promise<Baselines>;
  /** The run folder: a new one, or with `isResumed` one that holds a checkpoint. */
  readonly out: string;
  readonly isResumed: boolean;
  /** What train.microBatch: auto came to; train.accumulation says it already. */
  readonly microBatch?: MicroBatchChoice | undefined;
  /** Steps to measure op by op; none unless given. */
  readonly profileSteps?: number | undefined;
  readonly backend: LoadedBackend;
  readonly context: TrainContext;
}

export interface TrainingResult {
  /** The run folder, which is a checkpoint folder itself now. */
  readonly out: string;
  /** The folder of the best checkpoint, or of the last where nothing was validated. */
  readonly checkpoint: string;
  /** Steps taken. */
  readonly step: number;
  /** Validation scores of that checkpoint; empty where nothing was validated. */
  readonly metrics: Metrics;
  readonly baselines: Baselines;
  readonly hasStoppedEarly: boolean;
  /** Where profileSteps asked for one and a step could be measured. */
  readonly profile?: Profile;
}

type AtExit = (cleanup: () => void | Promise<void>) => void;

/**
 * Trains a task from its beginning, or from its last checkpoint on, in a run folder (run-folder.ts says what is in it).
 * @throws InterruptedError once everything is saved after the context's signal; NonFiniteError, the last checkpoint untouched;
 *   ConfigError, OutputError or CheckpointError before anything is written when the run cannot start; ClusterError when another worker has
 *   gone; WorkerDone on every worker but the first, which alone writes and returns
 */
export async function runTraining(run: TrainingRun): Promise<TrainingResult> {
  const cleanups: (() => void | Promise<void>)[] = [];
  try {
    return await train(run, (cleanup) => cleanups.push(cleanup));
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

async function train(run: TrainingRun, atExit: AtExit): Promise<TrainingResult> {
  const setup = await prepare(run, atExit);
  return setup.team && setup.team.rank > 0 ? assist({ ...run, isResumed: setup.isResumed }, setup, atExit) : lead(run, setup, atExit);
}

/** What every worker but the first does: the same steps and validations, and nothing is written. */
async function assist(run: TrainingRun, setup: Setup, atExit: AtExit): Promise<never> {
  const {
    config: { train: config },
    context,
    out,
  } = run;
  const { state, totalSteps, step, evaluator, shares, variables } = setup;
  if (!run.isResumed) await tryValidation(setup, config);
  const feed = openFeed(run, setup, atExit);
  const hooks = [
    ...(setup.hasValidation ? [validate(evaluator, { report: async () => {} }, config)] : []),
    whenSaving(async () => void (await shares?.gather(variables)), config, run.isResumed ? state : undefined),
  ];
  const { isInterrupted } = await trainLoop({ step, feed, state, hooks, totalSteps, isOver: isOver(config), signal: context.signal, isShared: true });
  await part(setup);
  if (isInterrupted) throw new InterruptedError({ file: out, found: `worker ${context.cluster!.rank} interrupted after step ${state.step} of ${totalSteps}` });
  throw new WorkerDone();
}

/** The end of what workers do together: from here on each may go when it likes. */
async function part({ team }: Setup): Promise<void> {
  if (!team) return;
  await team.gather('');
  team.cluster.leave();
  await new Promise((resolve) => setTimeout(resolve, FAREWELL_MS)); // what the others still wait for is on its way
}

const FAREWELL_MS = 300;

const isOver =
  (config: TrainConfig) =>
  (at: TrainState): boolean =>
    isPatienceSpent(at, config.earlyStopping);

function openFeed({ task, config }: TrainingRun, { root, state, team }: Setup, atExit: AtExit) {
  const feed = prefetch(trainingFeed(task, config.train, root, { ...state.cursor, step: state.step }, team));
  atExit(async () => void (await feed.return(undefined)));
  return feed;
}

async function lead(run: TrainingRun, setup: Setup, atExit: AtExit): Promise<TrainingResult> {
  const {
    task,
    config: { train: config },
    context,
    out,
  } = run;
  const { folder, state, totalSteps, evaluator } = setup;
  const profiler =
    run.profileSteps === undefined
      ? undefined
      : createProfiler(setup.step, setup.executor, folder, run.profileSteps, (profile) => context.say(describeProfile(profile)));
  const untrained = run.isResumed ? undefined : await tryValidation(setup, config);
  const baselines = run.isResumed || !setup.hasValidation ? undefined : await run.baselines?.();

  // From here on the run leaves traces.
  const manifest = await startManifest(run, setup, baselines);
  await writeFileAtomic(folder.config, stringify(run.config));
  const { log, reporter } = await openReports(run, setup, atExit);
  if (untrained) await reporter.report({ step: 0, split: 'validation', loss: untrained['loss']!, ...untrained });

  const bar = context.progress.start(task.name, totalSteps, 'steps');
  atExit(() => bar.stop());
  bar.update(state.step);
  const feed = openFeed(run, setup, atExit);
  const hooks = [
    logSteps(reporter, config, context.log),
    ...(setup.hasValidation ? [validate(evaluator, reporter, config)] : []),
    saveCheckpoints((path, at) => save(run, setup, manifest, path, at), folder, log, config, run.isResumed ? state : undefined),
    showProgress(bar, config),
    ...(profiler ? [profiler.hook] : []),
  ];
  const { isInterrupted } = await trainLoop({
    step: profiler?.step ?? setup.step,
    feed,
    state,
    hooks,
    totalSteps,
    isOver: isOver(config),
    signal: context.signal,
    isShared: setup.team !== undefined,
  }).catch(async (error: unknown) => {
    await manifest.end('failed', state, error instanceof Error ? error.message : String(error));
    throw error;
  });

  await part(setup);
  if (isInterrupted) {
    await manifest.end('interrupted', state);
    throw new InterruptedError({ file: out, found: `interrupted after step ${state.step} of ${totalSteps}, everything is saved`, hint: 'go on with --resume' });
  }
  if (profiler && !profiler.result) context.say('no profile: every step after the first two made a graph for a batch shape that was new; take more steps');
  const used = state.best?.step ?? state.step;
  const hasStoppedEarly = state.step < totalSteps;
  await folder.publish(used);
  await manifest.end(hasStoppedEarly ? 'stopped early' : 'finished', state);
  return {
    out,
    checkpoint: folder.checkpoint(used),
    step: state.step,
    metrics: state.best?.metrics ?? {},
    baselines: manifest.content.baselines ?? {},
    hasStoppedEarly,
    ...(profiler?.result && { profile: profiler.result }),
  };
}

interface Setup {
  readonly folder: RunFolder;
  readonly executor: Executor;
  readonly variables: Variables;
  readonly team: Team | undefined;
  /** Where every worker keeps the moments of a share of the parameters. */
  readonly shares: OptimizerShares | undefined;
  readonly state: TrainState;
  /** As the first worker says. */
  readonly isResumed: boolean;
  readonly root: Rng;
  readonly totalSteps: number;
  readonly step: TrainStep;
  readonly evaluator: Evaluator;
  readonly hasValidation: boolean;
}

/** Everything a run computes with. Writes nothing but an empty folder, and takes that away again when the run cannot start. */
async function prepare(run: TrainingRun, atExit: AtExit): Promise<Setup> {
  const {
    task,
    config: { train: config },
  } = run;
  if (config.microBatch === 'auto' && !run.microBatch)
    throw new ConfigError({
      key: 'train.microBatch',
      found: 'auto, which nobody has settled',
      hint: 'call settleMicroBatch first and pass on what it returns',
    });
  const { cluster } = run.context;
  const isFirst = !cluster || cluster.rank === 0;
  if (isFirst && run.isResumed) await RunFolder.recover(run.out);
  const folder = !isFirst ? RunFolder.of(run.out) : run.isResumed ? RunFolder.open(run.out) : await RunFolder.create(run.out);
  if (isFirst) atExit(() => folder.removeIfEmpty());
  const executor = await createExecutor({ kind: config.executor, session: config.session, cluster });
  atExit(() => executor.dispose());
  if (config.precision === 'bf16' && executor.kind === 'eager')
    throw new ConfigError({
      key: 'train.precision',
      found: 'bf16, which the eager executor does not have',
      hint: 'set train.precision to f32, or train.executor to graph',
    });
  const team = cluster && (await Team.create(cluster, executor));
  if (team) atExit(() => team.dispose());
  if (team) await requireOneRun(team, run);
  const shares = team && config.shardOptimizer ? new OptimizerShares(team, task) : undefined;
  const variables = await createTrainVariables(executor, task, config, shares?.owns);
  atExit(() => variables.dispose());
  const own = { isResumed: run.isResumed, ...(isFirst && run.isResumed ? await restore(run, folder, variables) : { state: initialState() }) };
  const { isResumed, state } = team ? await shareStart(team, variables, own, task, shares) : own;

  const root = Rng.fromSeed(config.seed);
  const totalSteps = config.steps ?? Math.ceil(config.epochs! * (await numBatches(task, 'train', config, root)));
  if (totalSteps === 0)
    throw new DataError({ file: run.data.path, key: 'train split', found: 'no batch in it', hint: 'give it more cells or lower train.batchSize' });
  const step = team
    ? createTeamStep({ task, executor, variables, config, totalSteps }, team, shares)
    : createTrainStep({ task, executor, variables, config, totalSteps });
  atExit(() => step.dispose());
  const evaluator = createEvaluator({ task, executor, variables, config, root, team });
  atExit(() => evaluator.dispose());
  const hasValidation = (await numBatches(task, 'validation', config, root)) > 0;
  return { folder, executor, variables, team, shares, state, isResumed, root, totalSteps, step, evaluator, hasValidation };
}

/** Batches of one pass, without making any. */
async function numBatches(task: Task, split: Split, { batchSize }: TrainConfig, root: Rng): Promise<number> {
  const batches = task.batches(split, { rng: root.fork('epoch/0'), batchSize });
  await batches.close();
  return batches.numBatches;
}

/** Reads the last checkpoint back. @throws ConfigError or CheckpointError when going on from it would be another run */
async function restore(
  { task, config, data, model, out, context }: TrainingRun,
  folder: RunFolder,
  variables: Variables,
): Promise<{ state: TrainState; moments: HostTensors }> {
  const checkpoint = await loadCheckpoint(folder.last);
  const saved = checkResumable(checkpoint, { task: task.name, config: { ...config }, dataFingerprint: data.fingerprint }, out);
  requireVocabulary(checkpoint, { path: data.path, vocabulary: model.vocabulary });
  // Saved weights have the adapters merged in: what never learned is the task's own, as it was given.
  const parts = task.adapter ? { ...checkpoint, parameters: { ...task.parameters, ...(await readAdapter(checkpoint.folder)).parameters } } : checkpoint;
  const moments = await loadOptimizer(checkpoint.folder);
  await restoreSnapshot(variables, parts, moments, { task, config: config.train });
  if (hasOtherSchedule(saved, config.train))
    context.say('the run has another length now, and with it the learning rate from here on; with train.schedule.decaySteps it would not depend on the length');
  const { step, cursor, validation, best, evaluationsWithoutImprovement } = saved;
  return { state: { step, cursor, validation, best, evaluationsWithoutImprovement }, moments };
}

/** A first validation, of the untrained model: where the curve starts, and proof that a pass works and has the metric that is watched. */
async function tryValidation({ hasValidation, evaluator }: Setup, { earlyStopping }: TrainConfig): Promise<Metrics | undefined> {
  if (!hasValidation) return undefined;
  const metrics = await evaluator.evaluate('validation');
  watchedValue(metrics, earlyStopping);
  return metrics;
}

async function startManifest(run: TrainingRun, { folder, executor, state, totalSteps }: Setup, baselines: Baselines | undefined): Promise<ManifestFile> {
  const {
    task,
    config: {
      train: { seed, precision },
    },
    backend,
    data,
    context,
  } = run;
  const manifest = await ManifestFile.start(
    folder.manifest,
    {
      task: task.name,
      seed,
      totalSteps,
      step: state.step,
      ...(run.microBatch && { microBatch: run.microBatch }),
      numParameters: countValues(task, Object.keys(task.parameters)),
      numTrainable: countValues(task, task.trainable),
      data: { ...data, vocabularyHash: run.model.vocabulary.hash },
      versions: await describeVersions({ tensorflow: `${backend.version} (${backend.kind})`, executor: `${executor.kind} ${precision}` }),
      host: describeHost(),
      ...(baselines && { baselines }),
    },
    run.isResumed,
  );
  const { numParameters } = manifest.content;
  context.log.info({ config: run.config, ...manifest.content }, 'run');
  context.say(
    `${task.name}: ${numParameters.toLocaleString('en')} parameters, ${run.isResumed ? `from step ${state.step} to ${totalSteps}` : `${totalSteps} steps`} (${executor.kind}, ${precision}) → ${run.out}`,
  );
  return manifest;
}

async function openReports({ context }: TrainingRun, { folder, state }: Setup, atExit: AtExit): Promise<{ log: MetricsLog; reporter: Reporter }> {
  const log = await MetricsLog.open(folder.metrics, state.step);
  atExit(() => log.close());
  const events = createEventWriter(folder.events);
  if (!events) context.say('no TensorBoard events: only native TensorFlow writes them; metrics.jsonl holds the same numbers');
  atExit(() => events?.flush());
  return { log, reporter: createReporter(log, events) };
}

async function save(
  { task, config, model, head, base }: TrainingRun,
  { variables, shares }: Setup,
  manifest: ManifestFile,
  path: string,
  at: TrainState,
): Promise<void> {
  const { seed, data, versions, baselines } = manifest.content;
  const state: CheckpointState = { task: task.name, ...at, seed, dataFingerprint: String(data['fingerprint']), config: { ...config }, versions };
  const snapshot = await takeSnapshot(variables, { task, config: config.train }, await shares?.gather(variables));
  await manifest.requireCurrent();
  await saveCheckpoint(path, {
    ...model,
    head,
    ...snapshot,
    ...(task.adapter && adapted(task.adapter, snapshot.parameters, base)),
    state,
    card: modelCard({ model, head, state, data, baselines }),
  });
}

/** What is saved where adapters learn: the weights with them, and they alone. */
function adapted(adapters: LoraAdapters, parameters: HostTensors, base: AdapterInfo['base'] | undefined): { parameters: HostTensors; adapter: Adapter } {
  if (!base) throw new Error('a task with adapters needs TrainingRun.base');
  return {
    parameters: mergeAdapters(adapters, parameters),
    adapter: {
      info: { config: adapters.config, targets: [...adapters.targets], base },
      parameters: Object.fromEntries(adapterNames(adapters).map((name) => [name, parameters[name]!])),
    },
  };
}

function countValues({ parameters }: Task, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + parameters[name]!.data.length, 0);
}
