import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Rng } from '../rng.js';
import { openCorpus } from '../data/corpus/corpus.js';
import { openCorpora, type CellSource } from '../data/loader/mixture.js';
import { passRows } from '../data/loader/sampling.js';
import { MANIFEST_FILE } from '../data/corpus/manifest.js';
import { BatchPlan } from '../data/loader/batch-plan.js';
import { paddedLength } from '../data/loader/batch-maker.js';
import { Preprocessing } from '../data/loader/config.js';
import type { ModelConfig } from '../model/config.js';
import { MODEL_PRESETS } from '../model/presets.js';
import { readReleaseConfig } from '../model/release-config.js';
import { annotationLabels, type AnnotationLabels } from '../tasks/annotation/labels.js';
import { CHECKPOINT_FILES, resolveCheckpoint } from '../train/checkpoint.js';
import type { LengthShare, Training } from './probe-spec.js';

/** What is known of data and model before a training, and what had to be assumed. */
export interface PlanSubject {
  readonly model: ModelConfig;
  readonly numGenes: number;
  readonly numClasses: number;
  /** Cells of each split; null where there is no corpus and no number was given. */
  readonly numCells: { readonly train: number; readonly validation: number; readonly test: number } | null;
  /** Length buckets of the training batches, ascending. */
  readonly lengths: readonly LengthShare[];
  /** Genes of a mean training cell. */
  readonly meanGenes: number;
  /** Sentences for people. */
  readonly assumptions: readonly string[];
}

export interface Assumed {
  /** Training cells, where there is no corpus. */
  readonly numCells?: number | undefined;
  /** Genes of the vocabulary, where there is no corpus. */
  readonly numGenes?: number | undefined;
}

/** The released vocabulary. */
const RELEASED_GENES = 41_813;
const ASSUMED_CLASSES = 20;
/** Training batches whose lengths are looked at. */
const MAX_BATCHES = 2_000;

/** Looks at corpus and checkpoint where they are there, and assumes what they would say where they are not. */
export async function planSubject(training: Training, assumed: Assumed = {}): Promise<PlanSubject> {
  const assumptions: string[] = [];
  if (training.task === 'annotation' && training.standsFor)
    assumptions.push(
      `tried out as a fine-tuning of the whole encoder under a classifier: what ${training.standsFor} adds (its own head, losses and validation) comes on top`,
    );
  const checkpoint = training.task === 'annotation' ? await readCheckpoint(training.config.checkpoint, assumptions) : undefined;
  const { model, preprocessing } = readAs(training, checkpoint);
  const { corpus: choice } = training.config.data;
  const paths = typeof choice === 'string' ? [choice] : choice.map(({ path }) => path);
  const missing = paths.filter((path) => !existsSync(join(path, MANIFEST_FILE)));
  if (missing.length === 0) {
    const corpus = await openCorpora(choice);
    try {
      return { model, numGenes: corpus.vocabulary.genes.length, assumptions, ...(await readCorpus(corpus, training, preprocessing)) };
    } finally {
      corpus.close();
    }
  }
  const numGenes = checkpoint?.numGenes ?? assumed.numGenes ?? RELEASED_GENES;
  assumptions.push(`there is no corpus at ${missing.join(', ')}: every cell is taken to have ${preprocessing.maxGenes} genes, the most the model reads`);
  if (checkpoint === undefined && assumed.numGenes === undefined)
    assumptions.push(`a vocabulary of ${numGenes.toLocaleString('en')} genes, the released one (--genes N for another)`);
  if (assumed.numCells === undefined) assumptions.push('the number of cells is not known: give it with --cells N');
  if (training.task === 'annotation' && !training.standsFor) assumptions.push(`${ASSUMED_CLASSES} labels`);
  const seqLen = paddedLength(preprocessing.maxGenes, preprocessing);
  const numCells = assumed.numCells === undefined ? null : { train: assumed.numCells, validation: 0, test: 0 };
  return { model, numGenes, numClasses: ASSUMED_CLASSES, numCells, lengths: [{ seqLen, share: 1 }], meanGenes: seqLen, assumptions };
}

/** The sizes of the model and of its cells, as the training reads them. */
function readAs(
  training: Training,
  checkpoint: { config: ModelConfig; preprocessing: Preprocessing } | undefined,
): { model: ModelConfig; preprocessing: Preprocessing } {
  if (training.task === 'pretraining')
    return { model: training.config.model, preprocessing: { ...training.config.preprocessing, maxGenes: training.config.model.maxGenes } };
  const given = checkpoint?.config ?? MODEL_PRESETS.ScDiVa;
  const { cellState, maxGenes } = training.config;
  const model = { ...given, cellState: cellState ?? given.cellState, maxGenes: maxGenes ?? given.maxGenes };
  const preprocessing = checkpoint?.preprocessing ?? Preprocessing.parse({ maxGenes: given.maxGenes });
  return { model, preprocessing: { ...preprocessing, maxGenes: maxGenes ?? preprocessing.maxGenes } };
}

async function readCheckpoint(
  path: string,
  assumptions: string[],
): Promise<{ config: ModelConfig; numGenes: number; preprocessing: Preprocessing } | undefined> {
  if (!existsSync(path)) {
    assumptions.push(`there is no checkpoint at ${path}: a model of the released sizes is assumed`);
    return undefined;
  }
  const folder = resolveCheckpoint(path);
  const { config, ids } = await readReleaseConfig(join(folder, CHECKPOINT_FILES.config));
  const text = await readFile(join(folder, CHECKPOINT_FILES.preprocessing), 'utf8').catch(() => '{}'); // the training says it, should it be missing
  return { config, numGenes: ids.padFillId - 2, preprocessing: Preprocessing.parse({ maxGenes: config.maxGenes, ...(JSON.parse(text) as object) }) };
}

async function readCorpus(
  corpus: CellSource,
  training: Training,
  preprocessing: Preprocessing,
): Promise<Pick<PlanSubject, 'numCells' | 'lengths' | 'meanGenes' | 'numClasses'>> {
  const { train, loader } = training.config;
  const labels = training.task === 'annotation' && !training.standsFor ? await readLabels(training.config.data) : undefined;
  const rows = labels?.rows ?? { train: corpus.splitRows('train'), validation: corpus.splitRows('validation'), test: corpus.splitRows('test') };
  const numGenes = corpus.numGenesPerCell();
  const length = (row: number): number => Math.min(preprocessing.maxGenes, numGenes[row]!);
  // The batches of the first pass, as the loader will make them.
  const rng = Rng.fromSeed(train.seed).fork('epoch/0');
  const plan = new BatchPlan({
    rows: passRows(corpus, rows.train, loader.sampling, rng),
    batchSize: train.batchSize,
    rng,
    length,
    sortWindow: loader.sortWindow,
  });
  const counts = new Map<number, number>();
  const numSeen = Math.min(plan.numBatches, MAX_BATCHES);
  for (let index = 0; index < numSeen; index++) {
    const longest = plan.rowsOf(index).reduce((most, row) => Math.max(most, length(row)), 0);
    const seqLen = paddedLength(longest, preprocessing);
    counts.set(seqLen, (counts.get(seqLen) ?? 0) + 1);
  }
  return {
    numCells: { train: rows.train.length, validation: rows.validation.length, test: rows.test.length },
    lengths: [...counts].map(([seqLen, count]) => ({ seqLen, share: count / numSeen })).sort((a, b) => a.seqLen - b.seqLen),
    meanGenes: rows.train.reduce((sum, row) => sum + length(row), 0) / Math.max(1, rows.train.length),
    numClasses: labels?.classes.length ?? (training.task === 'annotation' ? ASSUMED_CLASSES : 0),
  };
}

async function readLabels({ corpus: path, labelKey }: { corpus: string; labelKey: string }): Promise<AnnotationLabels> {
  const corpus = await openCorpus(path);
  try {
    return annotationLabels(corpus, labelKey);
  } finally {
    corpus.close();
  }
}
