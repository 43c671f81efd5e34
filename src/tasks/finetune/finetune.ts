import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError } from '../../errors.js';
import { writeFileAtomic } from '../../files.js';
import { silentLogger } from '../../log.js';
import { silentProgress } from '../../progress.js';
import { Rng } from '../../rng.js';
import { openCorpus, type Corpus } from '../../data/corpus/corpus.js';
import { initialParameters } from '../../model/parameters.js';
import { loadTensorFlow, type LoadedBackend } from '../../runtime/native/load.js';
import { createExecutor } from '../../runtime/program/executor.js';
import type { Executor } from '../../runtime/program/program.js';
import { weightsSha256 } from '../../train/adapter.js';
import { loadCheckpoint, requireVocabulary, type Checkpoint, type HeadInfo } from '../../train/checkpoint.js';
import { RunFolder } from '../../train/run-folder.js';
import type { MicroBatchChoice } from '../../train/run-manifest.js';
import { runTraining, type TrainContext } from '../../train/run.js';
import type { Task } from '../../train/task.js';
import type { EmbeddingOptions } from '../embedding-table.js';
import type { FinetuneConfig } from './config.js';
import { withLora } from './lora.js';
import { resultFile, type TaskResult } from './methods.js';

/** What is asked of any fine-tuning. */
export interface FinetuneRequest<C extends FinetuneConfig> {
  readonly config: C;
  /** Run folder; holds the best checkpoint of the first seed and is one itself. Further seeds go to `seeds/<seed>` in it. */
  readonly out: string;
  /** Goes on with runs that have begun there. */
  readonly isResumed?: boolean;
  /** Trains that many times, from train.seed on; what is drawn differs (initial head, order, dropout), the split does not. */
  readonly numSeeds?: number;
  /** Of `settleMicroBatch`, where train.microBatch is auto. */
  readonly microBatch?: MicroBatchChoice | undefined;
  /** Training steps of the first seed to measure op by op. */
  readonly profileSteps?: number | undefined;
  /** Default: silent, and never interrupted. */
  readonly context?: Partial<TrainContext>;
}

/** What a fine-tuning has once everything it needs is open. */
export interface Finetuning<C extends FinetuneConfig> extends FinetuneRequest<C> {
  readonly context: TrainContext;
  readonly isResumed: boolean;
  readonly corpus: Corpus;
  /** The checkpoint that was named, whatever `start` says: sizes, genes, preprocessing. */
  readonly pretrained: Checkpoint;
  readonly backend: LoadedBackend;
  readonly seeds: readonly number[];
}

/** One training with one seed. */
export interface SeedRoom<C extends FinetuneConfig> extends Finetuning<C> {
  /** train.seed is this training's. */
  readonly config: C;
  readonly seed: number;
  /** This training's folder. */
  readonly out: string;
  /** The weights it starts from: the pretrained ones, or fresh ones of this seed. */
  readonly model: Checkpoint;
}

/**
 * Opens corpus, run folder, checkpoint and TensorFlow, does the work and closes them again, whatever happens.
 * @throws ConfigError, DataError, CheckpointError, OutputError: one line each
 */
export async function openFinetuning<C extends FinetuneConfig, R>(request: FinetuneRequest<C>, work: (room: Finetuning<C>) => Promise<R>): Promise<R> {
  const { config, out, isResumed = false, numSeeds = 1 } = request;
  const context: TrainContext = { log: silentLogger, progress: silentProgress, say() {}, signal: new AbortController().signal, ...request.context };
  if (config.lora && config.start === 'scratch')
    throw new ConfigError({
      key: 'lora',
      found: 'given, but start is scratch',
      hint: 'adapters need weights to adapt: set start to pretrained, or lora to null',
    });
  if (context.cluster && numSeeds > 1)
    throw new ConfigError({
      key: '--seeds',
      found: `${numSeeds} trainings, and ${context.cluster.worldSize} workers for one`,
      hint: 'start a run of its own for each: --set train.seed=1',
    });
  const corpus = await openCorpus(config.data.corpus);
  try {
    // Made first: an output that cannot be written is told before the work, not after it.
    const isHelper = context.cluster !== undefined && context.cluster.rank > 0;
    const folder = isHelper ? RunFolder.of(out) : isResumed ? RunFolder.open(out) : await RunFolder.create(out);
    try {
      const pretrained = readAs(config, await loadCheckpoint(config.checkpoint));
      requireVocabulary(pretrained, corpus);
      const backend = await loadTensorFlow({ notice: context.say });
      const seeds = Array.from({ length: numSeeds }, (_, i) => config.train.seed + i);
      return await work({ ...request, context, isResumed, corpus, pretrained, backend, seeds });
    } finally {
      if (!isHelper) await folder.removeIfEmpty();
    }
  } finally {
    corpus.close();
  }
}

/** The checkpoint with cells read as the config says. @throws ConfigError for more genes than the blocks have seen, where blocks read them */
function readAs({ cellState, maxGenes }: FinetuneConfig, checkpoint: Checkpoint): Checkpoint {
  const { modelConfig, preprocessing } = checkpoint;
  const read = { cellState: cellState ?? modelConfig.cellState, maxGenes: maxGenes ?? modelConfig.maxGenes };
  if (read.cellState === 'latent' && read.maxGenes > modelConfig.maxGenes)
    throw new ConfigError({
      key: 'maxGenes',
      found: `${read.maxGenes}, but the checkpoint was trained on ${modelConfig.maxGenes} genes a cell`,
      hint: `set at most ${modelConfig.maxGenes}, or cellState: genes`,
    });
  return { ...checkpoint, modelConfig: { ...modelConfig, ...read }, preprocessing: { ...preprocessing, maxGenes: maxGenes ?? preprocessing.maxGenes } };
}

/** Does something once for each seed, one after the other; the first has the run folder itself. */
export async function forEachSeed<C extends FinetuneConfig, R>(room: Finetuning<C>, train: (seedRoom: SeedRoom<C>) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const [i, seed] of room.seeds.entries()) {
    const out = i === 0 ? room.out : join(room.out, 'seeds', String(seed));
    const config = { ...room.config, train: { ...room.config.train, seed } };
    results.push(
      await train({
        ...room,
        config,
        seed,
        out,
        isResumed: room.isResumed && existsSync(out),
        profileSteps: i === 0 ? room.profileSteps : undefined,
        model: startingModel(room, seed),
      }),
    );
  }
  return results;
}

function startingModel<C extends FinetuneConfig>({ config, pretrained }: Finetuning<C>, seed: number): Checkpoint {
  if (config.start === 'pretrained') return pretrained;
  return { ...pretrained, parameters: initialParameters(pretrained.modelConfig, pretrained.vocabulary.size, Rng.fromSeed(seed).fork('scratch')) };
}

export interface TaskTraining {
  readonly task: Task;
  /** Says what the parameters are that are not the model's own. */
  readonly head?: HeadInfo;
  /** What else run.json and the model card shall say of the data. */
  readonly data?: Readonly<Record<string, string | number>>;
}

/**
 * Trains one seed.
 * @returns the best checkpoint read back from disk: what is then scored is the folder the user is left with
 */
export async function trainTask<C extends FinetuneConfig>(room: SeedRoom<C>, { task, head, data }: TaskTraining): Promise<Checkpoint> {
  const { config, corpus, pretrained, out, isResumed, microBatch, profileSteps, backend, context } = room;
  const { modelConfig, vocabulary, preprocessing, entropy } = pretrained;
  const start = await describeStart(corpus, pretrained);
  const { checkpoint } = await runTraining({
    task: config.lora ? withLora(task, config.lora, pretrained, Rng.fromSeed(config.train.seed)) : task,
    config,
    model: { modelConfig, vocabulary, preprocessing, entropy },
    ...(head && { head }),
    base: { path: resolve(pretrained.folder), sha256: start.pretrainedSha256 },
    data: { ...start, ...data },
    out,
    isResumed,
    microBatch,
    profileSteps,
    backend,
    context,
  });
  return loadCheckpoint(checkpoint);
}

/** The cells and the weights that were started from: with other ones a run is not resumed. */
async function describeStart(corpus: Corpus, pretrained: Checkpoint) {
  const pretrainedSha256 = await weightsSha256(pretrained.folder);
  const fingerprint = createHash('sha256').update(corpus.fingerprint).update(pretrainedSha256).digest('hex');
  return { path: corpus.path, fingerprint, corpusFingerprint: corpus.fingerprint, pretrained: pretrained.folder, pretrainedSha256 };
}

/** Runs something with an executor as the training's, and frees it. */
export async function withExecutor<R>({ train }: FinetuneConfig, work: (executor: Executor) => Promise<R>): Promise<R> {
  const executor = await createExecutor({ kind: train.executor, session: train.session });
  try {
    return await work(executor);
  } finally {
    executor.dispose();
  }
}

/** How cells are embedded beside a training. @param afterInterrupt what to do after an interruption at this point */
export function embeddingOptions(
  config: FinetuneConfig,
  model: Checkpoint,
  executor: Executor,
  { progress, signal }: TrainContext,
  afterInterrupt: string,
): EmbeddingOptions {
  const { train, loader } = config;
  return { model, executor, precision: train.precision, batchSize: Math.ceil(train.batchSize / train.accumulation), loader, progress, signal, afterInterrupt };
}

/** Writes `<task>.json`. @param json the result without its per-cell part */
export function writeResult(out: string, json: TaskResult): Promise<void> {
  return writeFileAtomic(join(out, resultFile(json.task)), `${JSON.stringify(json, null, 1)}\n`);
}
