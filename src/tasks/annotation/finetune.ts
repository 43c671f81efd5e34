import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../files.js';
import { silentLogger } from '../../log.js';
import { silentProgress } from '../../progress.js';
import { Rng } from '../../rng.js';
import { openCorpus, type Corpus } from '../../data/corpus/corpus.js';
import { loadTensorFlow } from '../../runtime/native/load.js';
import { createExecutor } from '../../runtime/program/executor.js';
import { loadCheckpoint, requireVocabulary, type Checkpoint } from '../../train/checkpoint.js';
import { RunFolder } from '../../train/run-folder.js';
import type { MicroBatchChoice } from '../../train/run-manifest.js';
import type { TrainContext } from '../../train/run.js';
import { scoreBaselines } from './baselines.js';
import type { AnnotationConfig } from './config.js';
import { EmbeddingTable } from './embedding-table.js';
import { annotationLabels, codesOf, type AnnotationLabels } from './labels.js';
import { classResults, predictionsTsv, reliability, resultsJson, type AnnotationResult, type MethodResult } from './results.js';
import { embeddingOptions, trainSeed, type SeedRun } from './train-seed.js';
import { trainableNames } from './trainable.js';

export interface FinetuneAnnotation {
  readonly config: AnnotationConfig;
  /** Run folder; holds the best checkpoint of the first seed and is one itself. Further seeds go to `seeds/<seed>` in it. */
  readonly out: string;
  /** Goes on with runs that have begun there. */
  readonly isResumed?: boolean;
  /** Trains that many times, from train.seed on; only initial head, order and dropout differ. */
  readonly numSeeds?: number;
  /** Of `settleMicroBatch`, where train.microBatch is auto. */
  readonly microBatch?: MicroBatchChoice | undefined;
  /** Training steps of the first seed to measure op by op. */
  readonly profileSteps?: number | undefined;
  /** Default: silent, and never interrupted. */
  readonly context?: Partial<TrainContext>;
}

type Request = FinetuneAnnotation & { readonly context: TrainContext };

const TUNED = { head: 'head only', lastLayers: 'last layers', whole: 'whole model' } as const;

/**
 * Fine-tunes a pretrained model to label cell types, calibrates its confidence on the validation split and scores it on the test
 * split, beside simple methods given the very same cells. No score reported here was seen by training, early stopping or calibration.
 * @throws ConfigError, DataError, CheckpointError, OutputError: one line each; InterruptedError with the run saved
 */
export async function finetuneAnnotation(asked: FinetuneAnnotation): Promise<AnnotationResult> {
  const { config, out, isResumed = false, numSeeds = 1 } = asked;
  const context: TrainContext = { log: silentLogger, progress: silentProgress, say() {}, signal: new AbortController().signal, ...asked.context };
  const request: Request = { ...asked, context };
  const corpus = await openCorpus(config.data.corpus);
  // Made first: an output that cannot be written is told before the work, not after it.
  const folder = isResumed ? RunFolder.open(out) : await RunFolder.create(out);
  try {
    const pretrained = await loadCheckpoint(config.checkpoint);
    requireVocabulary(pretrained, corpus);
    trainableNames(Object.keys(pretrained.parameters), config.tune, pretrained.modelConfig); // refused now rather than after the cells are embedded
    const labels = annotationLabels(corpus, config.data.labelKey);
    context.say(describeLabels(labels));
    const backend = await loadTensorFlow({ notice: context.say });
    const rows = sampleRows(labels, config.train.seed);
    const isFrozen = config.tune.kind === 'head';
    const table = await embed(request, corpus, pretrained, isFrozen ? Int32Array.from([...labels.rows.train, ...labels.rows.validation, ...labels.rows.test]) : rows);
    const shared = { corpus, labels, pretrained, embeddings: isFrozen ? table : undefined, sample: table.gather(rows), backend, context };
    const seeds = Array.from({ length: numSeeds }, (_, i) => config.train.seed + i);
    const runs: SeedRun[] = [];
    for (const [i, seed] of seeds.entries()) {
      const seedOut = i === 0 ? out : join(out, 'seeds', String(seed));
      const seedConfig = { ...config, train: { ...config.train, seed } };
      runs.push(await trainSeed({ ...shared, config: seedConfig, out: seedOut, isResumed: isResumed && existsSync(seedOut), microBatch: asked.microBatch, profileSteps: i === 0 ? asked.profileSteps : undefined }));
    }
    const baselines = config.baselines ? fitBaselines(request, corpus, labels, pretrained) : [];
    const result = assemble(request, corpus, labels, seeds, runs, baselines);
    await writeFileAtomic(join(out, 'predictions.tsv'), predictionsTsv(result));
    await writeFileAtomic(join(out, 'annotation.json'), `${JSON.stringify(resultsJson(result), null, 1)}\n`);
    return result;
  } finally {
    corpus.close();
    await folder.removeIfEmpty();
  }
}

function assemble({ config, out }: Request, corpus: Corpus, labels: AnnotationLabels, seeds: readonly number[], runs: readonly SeedRun[], baselines: readonly MethodResult[]): AnnotationResult {
  const { head, predictions } = runs[0]!;
  const { train, validation, test } = labels.rows;
  const truth = codesOf(labels, test);
  const names = [...labels.classes, ...labels.unseen];
  return {
    out,
    labelKey: labels.key,
    labels: names,
    numClasses: labels.classes.length,
    numCells: { train: train.length, validation: validation.length, test: test.length },
    numUnlabelled: labels.numUnlabelled,
    seeds,
    methods: [{ name: 'scdiva', title: `ScDiVa, ${TUNED[config.tune.kind]}`, kind: 'model', runs: runs.map(({ scores }) => scores) }, ...baselines],
    ...classResults(truth, predictions.predicted, names),
    temperature: head.temperature,
    unknownThreshold: head.unknownThreshold,
    reliability: reliability(predictions, truth),
    predictions: { rows: test, cellIds: corpus.cellIds(test), truth, predicted: predictions.predicted, confidence: predictions.confidence, isUnknown: predictions.isUnknown },
  };
}

/** Training cells that the head's input is scaled by. */
const MAX_SAMPLE = 256;

function sampleRows({ rows: { train } }: AnnotationLabels, seed: number): Int32Array {
  return Rng.fromSeed(seed).fork('sample').permutation(train.length).slice(0, MAX_SAMPLE).map((i) => train[i]!);
}

async function embed({ config, context }: Request, corpus: Corpus, pretrained: Checkpoint, rows: Int32Array): Promise<EmbeddingTable> {
  const executor = await createExecutor({ kind: config.train.executor, session: config.train.session });
  try {
    return await EmbeddingTable.compute(corpus, rows, embeddingOptions(config, pretrained, executor, context, 'nothing was trained yet: start again'));
  } finally {
    executor.dispose();
  }
}

function fitBaselines({ config, context }: Request, corpus: Corpus, labels: AnnotationLabels, { preprocessing }: Checkpoint): MethodResult[] {
  const bar = context.progress.start('Fit baselines', labels.rows.train.length, 'cells');
  try {
    const results = scoreBaselines(corpus, labels, preprocessing, Rng.fromSeed(config.train.seed).fork('baselines'));
    bar.update(labels.rows.train.length);
    return results;
  } finally {
    bar.stop();
  }
}

function describeLabels({ key, classes, unseen, rows, numUnlabelled }: AnnotationLabels): string {
  const numMissing = numUnlabelled.train + numUnlabelled.validation + numUnlabelled.test;
  const missing = numMissing > 0 ? `; ${numMissing} cells without a label are left out` : '';
  const foreign = unseen.length > 0 ? `; no training cell is ${unseen.join(', ')}: such cells count as wrong` : '';
  return `${key}: ${classes.length} labels, ${rows.train.length} training, ${rows.validation.length} validation and ${rows.test.length} test cells${missing}${foreign}`;
}
