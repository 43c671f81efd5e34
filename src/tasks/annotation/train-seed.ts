import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { sha256File, writeFileAtomic } from '../../files.js';
import { Rng } from '../../rng.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import type { LoadedBackend } from '../../runtime/native/load.js';
import { createExecutor } from '../../runtime/program/executor.js';
import type { Executor } from '../../runtime/program/program.js';
import { CHECKPOINT_FILES, loadCheckpoint, type Checkpoint } from '../../train/checkpoint.js';
import type { MicroBatchChoice } from '../../train/run-manifest.js';
import { runTraining, type TrainContext } from '../../train/run.js';
import type { Metrics } from '../../train/task.js';
import { calibrate } from './calibration.js';
import type { AnnotationConfig } from './config.js';
import { EmbeddingTable, type EmbeddingOptions } from './embedding-table.js';
import { readHead, type AnnotationHeadInfo } from './head.js';
import { createHeadClassifier } from './head-classifier.js';
import { codesOf, type AnnotationLabels } from './labels.js';
import { predictLabels, scorePredictions, type LabelPredictions } from './predictions.js';
import { createAnnotationTask } from './task.js';

/** What one training with one seed is given. */
export interface SeedSetup {
  /** train.seed is this run's. */
  readonly config: AnnotationConfig;
  readonly corpus: Corpus;
  readonly labels: AnnotationLabels;
  readonly pretrained: Checkpoint;
  /** Of all labelled cells; present exactly where only the head learns. */
  readonly embeddings: EmbeddingTable | undefined;
  /** [n, D] embeddings of some training cells under the pretrained model. */
  readonly sample: Float32Array;
  readonly out: string;
  readonly isResumed: boolean;
  readonly microBatch?: MicroBatchChoice | undefined;
  readonly profileSteps?: number | undefined;
  readonly backend: LoadedBackend;
  readonly context: TrainContext;
}

export interface SeedRun {
  readonly head: AnnotationHeadInfo;
  /** Of the test cells, in the order of `labels.rows.test`. */
  readonly predictions: LabelPredictions;
  readonly scores: Metrics;
}

/** Trains, calibrates on the validation split, writes the calibrated head.json and scores the test split. */
export async function trainSeed(setup: SeedSetup): Promise<SeedRun> {
  const { config, corpus, labels, pretrained, embeddings, sample, out, isResumed, microBatch, profileSteps, backend, context } = setup;
  const { modelConfig, vocabulary, preprocessing, entropy } = pretrained;
  const numClasses = labels.classes.length;
  const uncalibrated: AnnotationHeadInfo = {
    task: 'annotation',
    labelKey: labels.key,
    classes: [...labels.classes],
    classSizes: [...labels.classSizes],
    embeddingDim: modelConfig.hiddenDim,
    hiddenDim: config.head.hiddenDim ?? modelConfig.hiddenDim,
    temperature: 1,
    unknownThreshold: config.unknown.threshold ?? 0,
    calibration: null,
  };
  const { checkpoint } = await runTraining({
    task: createAnnotationTask({ config, corpus, labels, model: pretrained, embeddings, sample, rng: Rng.fromSeed(config.train.seed) }),
    config,
    model: { modelConfig, vocabulary, preprocessing, entropy },
    head: uncalibrated,
    data: await describeData(setup),
    out,
    isResumed,
    microBatch,
    profileSteps,
    backend,
    context,
  });
  // Read back from disk: calibration and scores are those of the folder the user is left with.
  const trained = await loadCheckpoint(checkpoint);
  const executor = await createExecutor({ kind: config.train.executor, session: config.train.session });
  try {
    const logits = await splitLogits(setup, trained, executor);
    const head = { ...uncalibrated, ...calibrate(logits.validation, codesOf(labels, labels.rows.validation), numClasses, config.unknown) };
    for (const folder of new Set([checkpoint, out])) await writeFileAtomic(join(folder, CHECKPOINT_FILES.head), `${JSON.stringify(head, null, 1)}\n`);
    const predictions = predictLabels(logits.test, head);
    return { head, predictions, scores: scorePredictions(codesOf(labels, labels.rows.test), predictions, numClasses, labels.unseen.length) };
  } finally {
    executor.dispose();
  }
}

/** The cells and the weights that were started from: with other ones a run is not resumed. */
async function describeData({ corpus, pretrained, labels }: SeedSetup) {
  const pretrainedSha256 = await sha256File(join(pretrained.folder, CHECKPOINT_FILES.weights));
  const fingerprint = createHash('sha256').update(corpus.fingerprint).update(pretrainedSha256).digest('hex');
  return { path: corpus.path, fingerprint, corpusFingerprint: corpus.fingerprint, pretrained: pretrained.folder, pretrainedSha256, labelKey: labels.key, numTrainCells: labels.rows.train.length };
}

/** Logits of the validation and test cells under a trained checkpoint. */
async function splitLogits({ config, corpus, labels, embeddings, context }: SeedSetup, trained: Checkpoint, executor: Executor): Promise<{ validation: Float32Array; test: Float32Array }> {
  const { validation, test } = labels.rows;
  const table = embeddings ?? (await EmbeddingTable.compute(corpus, Int32Array.from([...validation, ...test]), embeddingOptions(config, trained, executor, context, 'the training is done and saved: --resume does the rest')));
  const classifier = await createHeadClassifier(executor, readHead(trained));
  try {
    return { validation: await classifier.logits(table.gather(validation)), test: await classifier.logits(table.gather(test)) };
  } finally {
    classifier.dispose();
  }
}

/** @param afterInterrupt what to do after an interruption at this point */
export function embeddingOptions({ train, loader }: AnnotationConfig, model: Checkpoint, executor: Executor, { progress, signal }: TrainContext, afterInterrupt: string): EmbeddingOptions {
  return { model, executor, precision: train.precision, batchSize: Math.ceil(train.batchSize / train.accumulation), loader, progress, signal, afterInterrupt };
}
