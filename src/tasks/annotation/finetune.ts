import { join } from 'node:path';
import { writeFileAtomic } from '../../files.js';
import { Rng } from '../../rng.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { EmbeddingTable } from '../embedding-table.js';
import {
  embeddingOptions,
  forEachSeed,
  openFinetuning,
  withExecutor,
  writeResult,
  type Finetuning,
  type FinetuneRequest,
  type SeedRoom,
} from '../finetune/finetune.js';
import type { MethodResult } from '../finetune/methods.js';
import { scoreBaselines } from './baselines.js';
import type { AnnotationConfig } from './config.js';
import { annotationLabels, codesOf, fewShot, type AnnotationLabels } from './labels.js';
import { classResults, predictionsTsv, reliability, resultsJson, type AnnotationResult } from './results.js';
import { trainSeed, type SeedRun } from './train-seed.js';
import { trainableNames } from './trainable.js';

export type FinetuneAnnotation = FinetuneRequest<AnnotationConfig>;
type Room = Finetuning<AnnotationConfig>;

const TUNED = { head: 'head only', lastLayers: 'last layers', whole: 'whole model' } as const;

/**
 * Fine-tunes a pretrained model to label cell types, calibrates its confidence on the validation split and scores it on the test
 * split, beside simple methods given the very same cells. No score reported here was seen by training, early stopping or calibration.
 * @throws ConfigError, DataError, CheckpointError, OutputError: one line each; InterruptedError with the run saved
 */
export function finetuneAnnotation(request: FinetuneAnnotation): Promise<AnnotationResult> {
  return openFinetuning(request, async (room) => {
    const { config, corpus, pretrained, context, out } = room;
    trainableNames(Object.keys(pretrained.parameters), config.tune, pretrained.modelConfig); // refused now rather than after the cells are embedded
    const allLabels = annotationLabels(corpus, config.data.labelKey, config.data.holdOut);
    const labelsOf = (seed: number): AnnotationLabels =>
      config.data.cellsPerType === null ? allLabels : fewShot(allLabels, config.data.cellsPerType, Rng.fromSeed(seed));
    const labels = labelsOf(config.train.seed);
    context.say(describeLabels(labels));
    const rows = sampleRows(allLabels, config.train.seed);
    const tables = new Map<Checkpoint, EmbeddingTable>(); // seeds that start from the same weights share one
    const runs = await forEachSeed(room, async (seedRoom) => {
      const table = tables.get(seedRoom.model) ?? (await embed(seedRoom, allLabels, rows));
      tables.set(seedRoom.model, table);
      return trainSeed({
        ...seedRoom,
        labels: labelsOf(seedRoom.seed),
        embeddings: config.tune.kind === 'head' ? table : undefined,
        sample: table.gather(rows),
      });
    });
    // Fitted once, unless every seed has training cells of its own.
    const baselines = config.baselines
      ? joinRuns((config.data.cellsPerType === null ? [config.train.seed] : room.seeds).map((seed) => fitBaselines(room, labelsOf(seed))))
      : [];
    const result = assemble(room, labels, runs, baselines);
    await writeFileAtomic(join(out, 'predictions.tsv'), predictionsTsv(result));
    await writeResult(out, resultsJson(result));
    return result;
  });
}

function assemble(
  { config, out, corpus, seeds }: Room,
  labels: AnnotationLabels,
  runs: readonly SeedRun[],
  baselines: readonly MethodResult[],
): AnnotationResult {
  const { head, predictions } = runs[0]!;
  const { train, validation, test } = labels.rows;
  const truth = codesOf(labels, test);
  const names = [...labels.classes, ...labels.unseen];
  return {
    task: 'annotation',
    out,
    split: 'test',
    headline: 'macroF1',
    labelKey: labels.key,
    labels: names,
    numClasses: labels.classes.length,
    numCells: { train: train.length, validation: validation.length, test: test.length },
    numUnlabelled: labels.numUnlabelled,
    seeds,
    methods: [{ name: 'scdiva', title: modelTitle(config), kind: 'model', runs: runs.map(({ scores }) => scores) }, ...baselines],
    ...classResults(truth, predictions.predicted, names),
    temperature: head.temperature,
    unknownThreshold: head.unknownThreshold,
    reliability: reliability(predictions, truth),
    predictions: {
      rows: test,
      cellIds: corpus.cellIds(test),
      truth,
      predicted: predictions.predicted,
      confidence: predictions.confidence,
      isUnknown: predictions.isUnknown,
    },
  };
}

const modelTitle = ({ tune, start }: AnnotationConfig): string => `ScDiVa, ${TUNED[tune.kind]}${start === 'scratch' ? ', from scratch' : ''}`;

/** Training cells that the head's input is scaled by. */
const MAX_SAMPLE = 256;

function sampleRows({ rows: { train } }: AnnotationLabels, seed: number): Int32Array {
  return Rng.fromSeed(seed)
    .fork('sample')
    .permutation(train.length)
    .slice(0, MAX_SAMPLE)
    .map((i) => train[i]!);
}

/** Embeddings under the model that is started from: of a sample, or of every labelled cell where they never change. */
function embed({ config, corpus, model, context }: SeedRoom<AnnotationConfig>, labels: AnnotationLabels, sample: Int32Array): Promise<EmbeddingTable> {
  const needed = config.tune.kind === 'head' ? Int32Array.from([...labels.rows.train, ...labels.rows.validation, ...labels.rows.test]) : sample;
  return withExecutor(config, (executor) =>
    EmbeddingTable.compute(corpus, needed, embeddingOptions(config, model, executor, context, 'nothing was trained yet: start again')),
  );
}

function fitBaselines({ config, context, corpus, pretrained }: Room, labels: AnnotationLabels): MethodResult[] {
  const bar = context.progress.start('Fit baselines', labels.rows.train.length, 'cells');
  try {
    const results = scoreBaselines(corpus, labels, pretrained.preprocessing, Rng.fromSeed(config.train.seed).fork('baselines'));
    bar.update(labels.rows.train.length);
    return results;
  } finally {
    bar.stop();
  }
}

/** The same methods, fitted several times. */
function joinRuns(fits: readonly (readonly MethodResult[])[]): MethodResult[] {
  return fits[0]!.map((method, i) => ({ ...method, runs: fits.flatMap((fit) => fit[i]!.runs) }));
}

function describeLabels({ key, classes, unseen, rows, numUnlabelled }: AnnotationLabels): string {
  const numMissing = numUnlabelled.train + numUnlabelled.validation + numUnlabelled.test;
  const missing = numMissing > 0 ? `; ${numMissing} cells without a label are left out` : '';
  const foreign = unseen.length > 0 ? `; no training cell is ${unseen.join(', ')}: such cells count as wrong` : '';
  return `${key}: ${classes.length} labels, ${rows.train.length} training, ${rows.validation.length} validation and ${rows.test.length} test cells${missing}${foreign}`;
}
