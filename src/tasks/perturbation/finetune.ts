import { Rng } from '../../rng.js';
import { forEachSeed, openFinetuning, trainTask, withExecutor, writeResult, type FinetuneRequest, type Finetuning } from '../finetune/finetune.js';
import { readPerturbationCells, rowsOf, type PerturbationCells } from './cells.js';
import type { PerturbationConfig } from './config.js';
import { trainedEffects } from './effects.js';
import type { PerturbationHeadInfo } from './head.js';
import { createPredictor } from './predictor.js';
import { scorePerturbations, scoreSeeds, type PerturbationResult, type PredictedCells } from './results.js';
import { splitPerturbations, type PerturbationSplit } from './split.js';
import { createPerturbationTask, type HeadSizes } from './task.js';
import { evenly } from './validation.js';

type Room = Finetuning<PerturbationConfig>;

/**
 * Fine-tunes a pretrained model to predict what perturbations do, and scores it on perturbations that were held out whole, beside simple
 * methods that train on the same perturbations, and beside what noise leaves to be had.
 * @throws ConfigError, DataError, CheckpointError, OutputError: one line each; InterruptedError with the run saved
 */
export function finetunePerturbation(request: FinetuneRequest<PerturbationConfig>): Promise<PerturbationResult> {
  return openFinetuning(request, async (room) => {
    const { config, corpus, pretrained, context, out } = room;
    const fixed = Rng.fromSeed(config.split.seed);
    const cells = readPerturbationCells(corpus, config, pretrained.preprocessing, pretrained.entropy, fixed.fork('match'));
    const split = splitPerturbations(cells.perturbations, config.split, cells.naming, fixed.fork('split'), corpus.path);
    for (const line of [describe(cells, split), ...cells.notes]) context.say(line);
    const effects = trainedEffects(cells, split.train);
    const singles = new Map(
      config.singleEffects === 'input' ? split.train.filter(({ parts }) => parts.length === 1).map(({ name }) => [name, effects.change.get(name)!]) : [],
    );
    const sizes: HeadSizes = {
      contextGenes: Math.min(config.contextGenes ?? Infinity, pretrained.modelConfig.maxGenes),
      numSlots: Math.max(2, ...cells.perturbations.map(({ parts }) => parts.length)),
      hiddenDim: config.head.hiddenDim ?? 2 * pretrained.modelConfig.hiddenDim,
    };
    const head = headInfo(room, cells, split, singles, sizes);
    const predictions = await forEachSeed(room, async (seedRoom) => {
      const setup = { config: seedRoom.config, cells, split, effects, singles, sizes, model: seedRoom.model, rng: Rng.fromSeed(seedRoom.seed) };
      const trained = await trainTask(seedRoom, { task: createPerturbationTask(setup), head, data: describeData(cells, split) });
      return withExecutor(config, async (executor) => {
        const predictor = await createPredictor(executor, trained, {
          precision: config.train.precision,
          batchSize: Math.ceil(config.train.batchSize / config.train.accumulation),
        });
        try {
          return await predictTest(cells, split, config, predictor, room);
        } finally {
          predictor.dispose();
        }
      });
    });
    const rng = fixed.fork('score');
    const groups = scoreSeeds(cells, split, predictions, config.baselines, rng);
    const result: PerturbationResult = {
      task: 'perturbation',
      out,
      split: 'test',
      headline: 'pearsonDelta',
      perturbationKey: config.data.perturbationKey,
      numGenes: cells.panel.ids.length,
      numCells: {
        train: numCells(cells, split.train),
        validation: numCells(cells, split.validation),
        test: numCells(
          cells,
          split.test.flatMap((group) => group.perturbations),
        ),
      },
      seeds: room.seeds,
      // The ceiling is no method: it stands in the groups' tables.
      methods: groups[0]!.methods.filter(({ name }) => name !== 'ceiling'),
      groups,
      held: { train: split.train.map(({ name }) => name), validation: split.validation.map(({ name }) => name) },
      perturbations: scorePerturbations(cells, split, predictions[0]!, rng),
      notes: cells.notes,
    };
    await writeResult(out, result);
    return result;
  });
}

/** Test perturbations, each predicted from the control cells matched to its real cells. */
async function predictTest(
  cells: PerturbationCells,
  split: PerturbationSplit,
  config: PerturbationConfig,
  predictor: Awaited<ReturnType<typeof createPredictor>>,
  { context }: Room,
): Promise<PredictedCells> {
  const rows = rowsOf(cells);
  const tested = split.test.flatMap(({ perturbations }) => perturbations);
  const bar = context.progress.start('Predict test perturbations', tested.length, 'perturbations');
  try {
    const predicted = new Map<string, readonly Float32Array[]>();
    for (const perturbation of tested) {
      const own = rows[cells.perturbations.indexOf(perturbation)]!;
      const controls = Array.from(evenly(own, config.evaluationCells), (row) => ({
        cell: cells.ranked(cells.matched[row]!),
        reference: cells.groupMeans[cells.group[row]!]!,
      }));
      predicted.set(perturbation.name, (await predictor.predict(controls, perturbation)).cells);
      bar.update(predicted.size);
    }
    return predicted;
  } finally {
    bar.stop();
  }
}

function headInfo(
  { config }: Room,
  cells: PerturbationCells,
  split: PerturbationSplit,
  singles: ReadonlyMap<string, Float64Array>,
  sizes: HeadSizes,
): PerturbationHeadInfo {
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
  return {
    task: 'perturbation',
    perturbationKey: config.data.perturbationKey,
    direction: config.data.direction,
    panel: Array.from(cells.panel.ids),
    trained: names(split.train),
    validation: names(split.validation),
    test: names(split.test.flatMap(({ perturbations }) => perturbations)),
    singles: [...singles.keys()],
    ...sizes,
  };
}

function describeData(cells: PerturbationCells, split: PerturbationSplit): Record<string, string | number> {
  return {
    numControlCells: cells.controls.length,
    numPerturbations: cells.perturbations.length,
    trainPerturbations: split.train.map(({ name }) => name).join(' '),
    validationPerturbations: split.validation.map(({ name }) => name).join(' '),
    ...Object.fromEntries(split.test.map((group) => [`test_${group.name}`, group.perturbations.map(({ name }) => name).join(' ')])),
  };
}

function numCells(cells: PerturbationCells, perturbations: readonly { readonly name: string }[]): number {
  const wanted = new Set(perturbations.map(({ name }) => name));
  return cells.perturbation.reduce((n, code) => n + (code >= 0 && wanted.has(cells.perturbations[code]!.name) ? 1 : 0), 0);
}

function describe(cells: PerturbationCells, split: PerturbationSplit): string {
  const test = split.test.map(({ name, perturbations }) => `${perturbations.length} ${name.replace(/^seen(\d+)of(\d+)$/, '($1 of $2 genes seen)')}`).join(', ');
  return `${cells.perturbations.length} perturbations, ${cells.controls.length} control cells, ${cells.panel.ids.length} genes: ${split.train.length} to train on, ${split.validation.length} to validate, to test ${test}`;
}
