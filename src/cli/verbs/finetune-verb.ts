import type { FinetuneConfig } from '../../tasks/finetune/config.js';
import type { FinetuneRequest } from '../../tasks/finetune/finetune.js';
import type { MethodColumn, TaskResult } from '../../tasks/finetune/methods.js';
import type { MicroBatchChoice } from '../../train/run-manifest.js';
import type { VerbContext } from '../context.js';
import { locateRun } from '../locate-run.js';
import { defineVerb, type AnyVerb } from '../verb.js';
import { profileSteps, STOPPING_A_TRAINING, trainingOptions } from './training-options.js';

/** What a task gives its verb. `loadConfig` works without TensorFlow: `finetune` imports what computes. */
export interface FinetuneRecipe<C extends FinetuneConfig, R extends TaskResult> {
  /** Reads and checks the config file. */
  readonly loadConfig: (path: string, set: readonly string[]) => Promise<C>;
  /** Settles train.microBatch: auto; absent: the task refuses auto. */
  readonly settle?: (config: C, run: VerbContext & { out: string; isResumed: boolean }) => Promise<{ config: C; microBatch?: MicroBatchChoice }>;
  readonly finetune: (request: FinetuneRequest<C>) => Promise<R>;
  /** The result without what belongs to single cells. */
  readonly json: (result: R) => object;
  /** Lines under the table. */
  readonly remarks?: (result: R) => readonly string[];
}

interface FinetuneVerb<C extends FinetuneConfig, R extends TaskResult> {
  readonly task: string;
  readonly describe: string;
  /** For `--set` and the example line. */
  readonly exampleSet: string;
  /** Scores shown, in reading order. */
  readonly columns: readonly MethodColumn[] | ((result: R) => readonly MethodColumn[]);
  /** Further scores, shown where a method has them. */
  readonly optionalColumns?: readonly MethodColumn[];
  readonly load: () => Promise<FinetuneRecipe<C, R>>;
}

/** `scdiva finetune <task>`: config file → training with one or more seeds → table of the model beside simple methods. */
export function defineFinetune<C extends FinetuneConfig, R extends TaskResult>({
  task,
  describe,
  exampleSet,
  columns: always,
  optionalColumns = [],
  load,
}: FinetuneVerb<C, R>): AnyVerb {
  return defineVerb({
    command: task,
    describe,
    stopping: STOPPING_A_TRAINING,
    options: (y) =>
      trainingOptions(y, exampleSet)
        .option('seeds', { type: 'number', default: 1, describe: 'trainings, from train.seed on: mean and standard deviation on the same split' })
        .example(`$0 finetune ${task} --config configs/${task}.yaml --set data.corpus=cells.corpus --set checkpoint=runs/pretrain --out runs/${task}`, ''),
    async run({ config: file, out, set, resume, autoResume, seeds, profile }, alone) {
      const numProfiled = await profileSteps(profile);
      const { ConfigError } = await import('../../errors.js');
      if (!(Number.isInteger(seeds) && seeds > 0)) throw new ConfigError({ key: '--seeds', found: String(seeds), expected: 'a whole number above 0' });
      const { path, folder } = locateRun({ file, out, isResumed: resume || autoResume, example: `configs/debug/${task}.yaml` });
      const recipe = await load();
      const asked = await recipe.loadConfig(path, set);
      if (!recipe.settle && asked.train.microBatch === 'auto')
        throw new ConfigError({
          file: path,
          key: 'train.microBatch',
          found: `auto, which ${task} does not know`,
          hint: 'set train.accumulation, and train.microBatch to null',
        });
      const { joinWorkers } = await import('../join-workers.js');
      const context = await joinWorkers(asked.train, alone);
      const { startsFromCheckpoint } = await import('../starts-from-checkpoint.js');
      const isResumed = await startsFromCheckpoint({ resume, autoResume }, folder, context);
      const { config, microBatch } = (await recipe.settle?.(asked, { ...context, out: folder, isResumed })) ?? { config: asked };
      const result = await recipe.finetune({ config, out: folder, isResumed, numSeeds: seeds, microBatch, profileSteps: numProfiled, context });
      const columns = [
        ...(typeof always === 'function' ? always(result) : always),
        ...optionalColumns.filter(([metric]) => result.methods.some(({ runs }) => runs.some((run) => run[metric] !== undefined))),
      ];
      const { methodLines, methodsJson, tableHead } = await import('../../tasks/finetune/methods.js');
      return {
        json: { ...recipe.json(result), ...methodsJson(result, columns) },
        text: [tableHead(result), ...methodLines(result.methods, columns), ...(recipe.remarks?.(result) ?? []), `checkpoint: ${result.out}`].join('\n'),
      };
    },
  });
}
