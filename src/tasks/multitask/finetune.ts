import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Rng } from '../../rng.js';
import { createEvaluator } from '../../train/evaluation.js';
import type { Metrics } from '../../train/task.js';
import { scoreBaselines } from '../annotation/baselines.js';
import { EmbeddingTable } from '../embedding-table.js';
import {
  embeddingOptions,
  forEachSeed,
  openFinetuning,
  trainTask,
  withExecutor,
  writeResult,
  type Finetuning,
  type FinetuneRequest,
  type SeedRoom,
} from '../finetune/finetune.js';
import { overSeeds, type MethodResult, type TaskResult } from '../finetune/methods.js';
import type { MultitaskConfig } from './config.js';
import { MAIN_METRIC, readSubtask, usedRows, type Subtask } from './subtask.js';
import { createMultitask } from './task.js';

/** What a task loses (or gains, below 0) by sharing the encoder: means over seeds of its main metric on test cells. */
export interface TaskDrop {
  readonly name: string;
  readonly kind: Subtask['kind'];
  readonly metric: string;
  readonly together: number;
  readonly alone: number;
  /** alone - together. */
  readonly drop: number;
}

export interface MultitaskResult extends TaskResult {
  readonly task: 'multitask';
  readonly tasks: readonly { readonly name: string; readonly kind: Subtask['kind']; readonly metric: string; readonly numTrainCells: number }[];
  /** Empty where `single` is off. */
  readonly drops: readonly TaskDrop[];
}

/** head.json of a multi-task checkpoint. */
export interface MultitaskHeadInfo {
  readonly task: 'multitask';
  readonly tasks: readonly {
    readonly name: string;
    readonly kind: Subtask['kind'];
    readonly classes?: readonly string[];
    readonly mean?: number;
    readonly std?: number;
  }[];
  readonly [key: string]: unknown;
}

/** Training cells that the heads' input is scaled by. */
const MAX_SAMPLE = 256;

/**
 * Trains several tasks on one shared encoder and, for comparison, each of them alone with the same budget: in `alone/<task>` of the run folder.
 * @throws ConfigError, DataError, CheckpointError, OutputError: one line each; InterruptedError with the run saved
 */
export async function finetuneMultitask(request: FinetuneRequest<MultitaskConfig>): Promise<MultitaskResult> {
  const { config, out, isResumed = false } = request;
  const together = await train(request, config.tasks);
  const alone: Trained[] = [];
  for (const one of config.single && config.tasks.length > 1 ? config.tasks : []) {
    const folder = join(out, 'alone', one.name);
    alone.push(await train({ ...request, out: folder, isResumed: isResumed && existsSync(folder), profileSteps: undefined }, [one]));
  }
  const tasks = together.subtasks.map(({ kind, config: { name }, numTrainCells }) => ({ name, kind, metric: MAIN_METRIC[kind], numTrainCells }));
  const mean = (runs: readonly Metrics[], key: string): number => overSeeds(runs, key).mean;
  const drops = tasks.flatMap(({ name, kind, metric }, k): TaskDrop[] => {
    if (alone.length === 0) return [];
    const [shared, own] = [mean(together.runs, `${name}/${metric}`), mean(alone[k]!.runs, `${name}/${metric}`)];
    return [{ name, kind, metric, together: shared, alone: own, drop: own - shared }];
  });
  const methods: MethodResult[] = [
    { name: 'scdiva', title: `ScDiVa, ${tasks.length} tasks at once`, kind: 'model', runs: together.runs },
    ...(alone.length > 0
      ? [
          {
            name: 'alone',
            title: 'ScDiVa, one task at a time',
            kind: 'model' as const,
            runs: together.runs.map((_, i) =>
              joinScores(
                alone.map(({ runs }) => runs[i]!),
                tasks,
              ),
            ),
          },
        ]
      : []),
    ...together.baselines,
  ];
  const result: MultitaskResult = {
    task: 'multitask',
    out,
    split: 'test',
    headline: 'score',
    numCells: together.numCells,
    seeds: together.seeds,
    methods,
    tasks,
    drops,
  };
  await writeResult(out, result);
  return result;
}

interface Trained {
  readonly subtasks: readonly Subtask[];
  readonly runs: readonly Metrics[];
  readonly seeds: readonly number[];
  readonly numCells: TaskResult['numCells'];
  readonly baselines: readonly MethodResult[];
}

/** The scores of single runs side by side, as one run of all tasks has them. */
function joinScores(runs: readonly Metrics[], tasks: MultitaskResult['tasks']): Metrics {
  const all = Object.fromEntries(runs.flatMap((run) => Object.entries(run).filter(([metric]) => metric.includes('/')))); // loss and score are of one task
  return { ...all, score: tasks.reduce((sum, { name, metric }) => sum + Math.max(0, all[`${name}/${metric}`]!), 0) / tasks.length };
}

function train(request: FinetuneRequest<MultitaskConfig>, tasks: MultitaskConfig['tasks']): Promise<Trained> {
  // What is written down and compared on resuming is the training as it was, of these tasks alone.
  const config = { ...request.config, tasks };
  return openFinetuning({ ...request, config }, async (room) => {
    const { corpus, seeds } = room;
    const subtasks = tasks.map((one) => readSubtask(corpus, one));
    const runs = await forEachSeed(room, (seedRoom) => trainSeed(seedRoom, subtasks));
    const numCells = {
      train: usedRows(corpus, subtasks, 'train').length,
      validation: usedRows(corpus, subtasks, 'validation').length,
      test: usedRows(corpus, subtasks, 'test').length,
    };
    return { subtasks, runs, seeds, numCells, baselines: config.baselines && tasks === request.config.tasks ? scoreSimpleMethods(room, subtasks) : [] };
  });
}

async function trainSeed(room: SeedRoom<MultitaskConfig>, subtasks: readonly Subtask[]): Promise<Metrics> {
  const { config, corpus, model, context } = room;
  const rng = Rng.fromSeed(config.train.seed);
  const train = usedRows(corpus, subtasks, 'train');
  const rows = rng
    .fork('sample')
    .permutation(train.length)
    .slice(0, MAX_SAMPLE)
    .map((i) => train[i]!);
  const sample = await withExecutor(config, async (executor) =>
    (await EmbeddingTable.compute(corpus, rows, embeddingOptions(config, model, executor, context, 'nothing was trained yet: start again'))).gather(rows),
  );
  const task = createMultitask({ config, corpus, subtasks, model, sample, rng });
  const trained = await trainTask(room, { task, head: describeHeads(subtasks), data: { numTrainCells: train.length } });
  return withExecutor(config, async (executor) => {
    const variables = await executor.createVariables({ ...trained.parameters, ...trained.head?.parameters });
    const evaluator = createEvaluator({ task, executor, variables, config: { ...config.train, ema: null }, root: rng });
    try {
      return await evaluator.evaluate('test');
    } finally {
      evaluator.dispose();
      variables.dispose();
    }
  });
}

function describeHeads(subtasks: readonly Subtask[]): MultitaskHeadInfo {
  return {
    task: 'multitask',
    tasks: subtasks.map((subtask) => ({
      name: subtask.config.name,
      kind: subtask.kind,
      ...(subtask.kind === 'classification' && { labelKey: subtask.labels.key, classes: subtask.labels.classes }),
      ...(subtask.kind === 'regression' && { target: subtask.config.target, mean: subtask.target.mean, std: subtask.target.std }),
    })),
  };
}

/** The simple methods of annotation for every classification; the other tasks have no score with them. */
function scoreSimpleMethods({ config, corpus, pretrained, context }: Finetuning<MultitaskConfig>, subtasks: readonly Subtask[]): MethodResult[] {
  const bar = context.progress.start('Fit baselines', subtasks.length, 'tasks');
  try {
    const merged = new Map<string, { title: string; scores: Record<string, number> }>();
    for (const [k, subtask] of subtasks.entries()) {
      if (subtask.kind === 'classification') {
        for (const { name, title, runs } of scoreBaselines(
          corpus,
          subtask.labels,
          pretrained.preprocessing,
          Rng.fromSeed(config.train.seed).fork(`baselines/${subtask.config.name}`),
        )) {
          const entry = merged.get(name) ?? { title, scores: {} };
          for (const metric of ['accuracy', 'macroF1']) entry.scores[`${subtask.config.name}/${metric}`] = runs[0]![metric]!;
          merged.set(name, entry);
        }
      }
      bar.update(k + 1);
    }
    return [...merged].map(([name, { title, scores }]) => ({ name, title, kind: 'baseline', runs: [scores] }));
  } finally {
    bar.stop();
  }
}
