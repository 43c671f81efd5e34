import { DataError } from '../errors.js';
import { Rng } from '../rng.js';
import { majorityProbabilities } from '../metrics/baselines/annotation-baselines.js';
import { scoreLabels } from '../metrics/classification.js';
import { mostLikely } from '../metrics/most-likely.js';
import { columnTexts } from '../data/readers/column-texts.js';
import type { CellFile } from '../data/readers/reader.js';
import type { AnnotationHeadInfo } from '../tasks/annotation/head.js';
import { scoreConfidently, scorePredictions } from '../tasks/annotation/predictions.js';
import type { MethodResult } from '../tasks/finetune/methods.js';
import type { OpenCheckpoint } from '../train/checkpoint.js';
import { classResults, type ClassResult } from '../tasks/annotation/results.js';
import type { Metrics } from '../train/task.js';
import type { ReadOptions } from './cell-source.js';
import type { Annotation, AnnotateOptions, ScDiVaInference } from './engine.js';
import { transferBaselines } from './transfer-baselines.js';

/** How a model's labels stand against a file's. */
export interface AnnotationEvaluation {
  /** Labelled cells, the ones that were scored. */
  readonly numCells: number;
  readonly numUnlabelled: number;
  /** Cells without any gene of the vocabulary: they are scored, and wrong. */
  readonly numEmpty: number;
  /** Labels of the file that the model was not trained on, with their cells: no prediction can be right for them. */
  readonly unseen: Readonly<Record<string, number>>;
  readonly scores: Metrics;
  /** Always predicting the most frequent class of the training cells. */
  readonly majorityClass: Metrics;
  /** Simple methods fitted on the reference corpus; empty where none was named. */
  readonly baselines: readonly MethodResult[];
  readonly classes: readonly ClassResult[];
  readonly annotation: Annotation;
}

export interface EvaluateOptions extends AnnotateOptions {
  /** The file's labels in the model's words; '' = leave such cells out. Labels that are not in it keep their names. */
  readonly labelMap?: ReadonlyMap<string, string> | undefined;
  /** Corpus the model was fine-tuned on: simple methods are fitted on its training cells and applied to the file. */
  readonly reference?: string | undefined;
}

/**
 * Annotates a labelled file and scores the result: the file of the model's own data set, or one from elsewhere (transfer).
 * @param labelKey obs column with the true labels
 * @throws DataError when there is no such column, no label in it, or none that the model knows
 */
export async function evaluateAnnotation(
  engine: ScDiVaInference,
  cells: CellFile,
  labelKey: string,
  options: EvaluateOptions = {},
): Promise<AnnotationEvaluation> {
  const head = engine.headInfo();
  const names = columnTexts(cells.obs(labelKey)).map((name) => (name === null ? null : (options.labelMap?.get(name) ?? name) || null));
  const { labels, truth, unseen } = recode(names, head, cells.path, labelKey);
  const annotation = await engine.annotate(cells, options);
  const rows = [...truth.keys()].filter((row) => truth[row]! >= 0);
  const pick = (values: ArrayLike<number>) => rows.map((row) => values[row]!);
  const given = Int32Array.from(pick(truth));
  // A cell without genes gets no class: it counts as predicted to be of one that nothing is.
  const predicted = Int32Array.from(pick(annotation.mostLikely), (code) => (code < 0 ? labels.length : code));
  const isUnknown = Uint8Array.from(rows, (row) => (annotation.confidence[row]! < annotation.threshold || annotation.mostLikely[row]! < 0 ? 1 : 0));
  const numClasses = head.classes.length;
  const numOthers = labels.length - numClasses + 1;
  const baselines = options.reference === undefined ? [] : await scoreTransfer(options.reference, cells, engine.checkpoint, head, truth, numOthers, options);
  return {
    numCells: rows.length,
    numUnlabelled: names.length - rows.length,
    numEmpty: rows.filter((row) => annotation.mostLikely[row]! < 0).length,
    unseen: Object.fromEntries(labels.slice(numClasses).map((name, i) => [name, unseen[i]!])),
    scores: scorePredictions(
      given,
      {
        predicted,
        confidence: Float64Array.from(pick(annotation.confidence)),
        isUnknown,
        typicality: annotation.typicality && Float64Array.from(pick(annotation.typicality)),
      },
      numClasses,
      numOthers,
    ),
    majorityClass: scoreMajority(given, head, numOthers),
    baselines,
    classes: classResults(given, predicted, [...labels, '']).classes.filter(({ name, numCells }) => numCells > 0 || head.classes.includes(name)),
    annotation,
  };
}

/** Simple methods on the labelled cells that have genes. */
async function scoreTransfer(
  reference: string,
  cells: CellFile,
  checkpoint: OpenCheckpoint,
  head: AnnotationHeadInfo,
  truth: Int32Array,
  numOthers: number,
  options: ReadOptions,
): Promise<MethodResult[]> {
  const { rows, results } = await transferBaselines(reference, cells, checkpoint, head, Rng.fromSeed(0).fork('baselines'), options);
  const labelled = [...rows.keys()].filter((i) => truth[rows[i]!]! >= 0);
  const given = labelled.map((i) => truth[rows[i]!]!);
  return results.map(({ name, title, predicted, confidence }) => {
    const scores = scoreConfidently(
      given,
      Int32Array.from(labelled, (i) => predicted[i]!),
      Float64Array.from(labelled, (i) => confidence[i]!),
      head.classes.length,
      numOthers,
    );
    return { name, title, kind: 'baseline', runs: [scores] };
  });
}

function scoreMajority(truth: Int32Array, { classes, classSizes }: AnnotationHeadInfo, numOthers: number): Metrics {
  const trainLabels = classSizes.flatMap((size, code) => new Array<number>(size).fill(code));
  const { predicted } = mostLikely(majorityProbabilities(trainLabels, truth.length, classes.length), classes.length);
  return { ...scoreLabels(truth, predicted, classes.length + numOthers) };
}

/** Codes of the file's labels: the model's classes first, then labels it does not know, -1 for none. */
function recode(names: readonly (string | null)[], { classes, labelKey: trainedOn }: AnnotationHeadInfo, file: string, key: string) {
  const codes = new Map(classes.map((name, code) => [name, code]));
  const unseen: number[] = [];
  const truth = Int32Array.from(names, (name) => {
    if (name === null) return -1;
    if (!codes.has(name)) codes.set(name, codes.size);
    const code = codes.get(name)!;
    if (code >= classes.length) unseen[code - classes.length] = (unseen[code - classes.length] ?? 0) + 1;
    return code;
  });
  const labels = [...codes.keys()];
  if (truth.every((code) => code < 0))
    throw new DataError({ file, key: `obs['${key}']`, found: 'no cell has a label', hint: 'name another column with --label' });
  if (truth.every((code) => code < 0 || code >= classes.length)) {
    throw new DataError({
      file,
      key: `obs['${key}']`,
      found: `labels such as '${labels[classes.length]}', none of which the model knows`,
      expected: `names from obs['${trainedOn}'] of its training cells, such as '${classes[0]}'`,
      hint: 'name another column with --label, or rename its labels',
    });
  }
  return { labels, truth, unseen };
}
