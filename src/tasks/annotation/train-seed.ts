import { join } from 'node:path';
import { writeFileAtomic } from '../../files.js';
import { Rng } from '../../rng.js';
import type { Executor } from '../../runtime/program/program.js';
import { CHECKPOINT_FILES, type Checkpoint } from '../../train/checkpoint.js';
import type { Metrics } from '../../train/task.js';
import { EmbeddingTable } from '../embedding-table.js';
import { embeddingOptions, trainTask, withExecutor, type SeedRoom } from '../finetune/finetune.js';
import { calibrate } from './calibration.js';
import type { AnnotationConfig } from './config.js';
import { readHead, type AnnotationHeadInfo } from './head.js';
import { createHeadClassifier } from './head-classifier.js';
import { exemplarRows, exemplarsOf, typicalities, writeExemplars, type Exemplars } from './exemplars.js';
import { codesOf, type AnnotationLabels } from './labels.js';
import { predictLabels, scorePredictions, type LabelPredictions } from './predictions.js';
import { createAnnotationTask } from './task.js';

/** What one training with one seed is given. */
export interface SeedSetup extends SeedRoom<AnnotationConfig> {
  readonly labels: AnnotationLabels;
  /** Of all labelled cells; present exactly where only the head learns. */
  readonly embeddings: EmbeddingTable | undefined;
  /** [n, D] embeddings of some training cells under the model that is started from. */
  readonly sample: Float32Array;
}

export interface SeedRun {
  readonly head: AnnotationHeadInfo;
  /** Of the test cells, in the order of `labels.rows.test`. */
  readonly predictions: LabelPredictions;
  readonly scores: Metrics;
}

/** Trains, calibrates on the validation split, writes the calibrated head.json and scores the test split. */
export async function trainSeed(setup: SeedSetup): Promise<SeedRun> {
  const { config, corpus, labels, model, embeddings, sample, out } = setup;
  const { hiddenDim } = model.modelConfig;
  const numClasses = labels.classes.length;
  const uncalibrated: AnnotationHeadInfo = {
    task: 'annotation',
    labelKey: labels.key,
    classes: [...labels.classes],
    classSizes: [...labels.classSizes],
    embeddingDim: hiddenDim,
    hiddenDim: config.head.hiddenDim ?? hiddenDim,
    temperature: 1,
    unknownThreshold: config.unknown.threshold ?? 0,
    calibration: null,
  };
  const task = createAnnotationTask({ config, corpus, labels, model, embeddings, sample, rng: Rng.fromSeed(config.train.seed) });
  const trained = await trainTask(setup, { task, head: uncalibrated, data: { labelKey: labels.key, numTrainCells: labels.rows.train.length } });
  return withExecutor(config, async (executor) => {
    const { logits, exemplars, typicality } = await afterTraining(setup, trained, executor);
    const head = { ...uncalibrated, ...calibrate(logits.validation, codesOf(labels, labels.rows.validation), numClasses, config.unknown) };
    for (const folder of new Set([trained.folder, out])) {
      await writeExemplars(folder, exemplars);
      await writeFileAtomic(join(folder, CHECKPOINT_FILES.head), `${JSON.stringify(head, null, 1)}\n`);
    }
    const predictions = predictLabels(logits.test, head);
    return { head, predictions, scores: scorePredictions(codesOf(labels, labels.rows.test), { ...predictions, typicality }, numClasses, labels.unseen.length) };
  });
}

interface AfterTraining {
  readonly logits: { readonly validation: Float32Array; readonly test: Float32Array };
  readonly exemplars: Exemplars;
  /** Of the test cells. */
  readonly typicality: Float64Array;
}

/** What a trained checkpoint says of the validation and test cells, and which training cells stand for what it knows. */
async function afterTraining({ config, corpus, labels, embeddings, context }: SeedSetup, trained: Checkpoint, executor: Executor): Promise<AfterTraining> {
  const { validation, test } = labels.rows;
  const examples = exemplarRows(labels, Rng.fromSeed(config.train.seed).fork('exemplars'));
  const table =
    embeddings ??
    (await EmbeddingTable.compute(
      corpus,
      Int32Array.from([...examples, ...validation, ...test]),
      embeddingOptions(config, trained, executor, context, 'the training is done and saved: --resume does the rest'),
    ));
  const [ofValidation, ofTest] = [table.gather(validation), table.gather(test)];
  const exemplars = exemplarsOf(table.gather(examples), ofValidation, table.embeddingDim);
  const classifier = await createHeadClassifier(executor, readHead(trained));
  try {
    return {
      logits: { validation: await classifier.logits(ofValidation), test: await classifier.logits(ofTest) },
      exemplars,
      typicality: typicalities(ofTest, exemplars),
    };
  } finally {
    classifier.dispose();
  }
}
