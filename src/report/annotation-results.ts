import type { AnnotationResult } from '../tasks/annotation/results.js';
import type { Calibration, ClassResults, Scores } from './data.js';

/** annotation.json: a fine-tuning's result without its per-cell part. */
export type AnnotationJson = Omit<AnnotationResult, 'predictions'>;

/** With fewer cells than this, neighbouring bins of confidence are drawn as one: a bin of two cells says nothing. */
const FEW_CELLS = 500;

/** Scores of one run are many; these belong to the threshold and stand with the confidence. */
const OF_THRESHOLD = new Set(['shareUnknown', 'accuracyOfKnown']);

/** The result of a fine-tuning in the words of a report. */
export function annotationSections(result: AnnotationJson): { scores: Scores; classes: ClassResults; calibration: Calibration } {
  const { methods, classes, confusion, reliability, seeds, labels, numCells, unknownThreshold } = result;
  const withoutThreshold = (run: Readonly<Record<string, number>>) => Object.fromEntries(Object.entries(run).filter(([metric]) => !OF_THRESHOLD.has(metric)));
  const model = methods.find(({ kind }) => kind === 'model')?.runs[0] ?? {};
  return {
    scores: {
      split: 'test',
      numCells: numCells.test,
      headline: 'macroF1',
      methods: methods.map(({ title, kind, runs }) => ({ name: title, kind, runs: runs.map(withoutThreshold) })),
    },
    classes: {
      classes: labels,
      confusion,
      scores: classes.filter((one) => one.numCells > 0 || one.precision > 0),
      ...(seeds.length > 1 && { note: `Of the training with seed ${seeds[0]}, the first of ${seeds.length}.` }),
    },
    calibration: {
      expectedCalibrationError: model['expectedCalibrationError'] ?? NaN,
      bins: mergeBins(reliability, numCells.test < FEW_CELLS ? 3 : 1),
      threshold: {
        value: unknownThreshold,
        shareUnknown: model['shareUnknown'] ?? 0,
        ...(model['accuracyOfKnown'] !== undefined && { accuracyOfKnown: model['accuracyOfKnown'] }),
      },
    },
  };
}

/** Takes each `size` neighbouring bins together, weighing them by their cells. */
function mergeBins(bins: AnnotationJson['reliability'], size: number): Calibration['bins'] {
  return Array.from({ length: Math.ceil(bins.length / size) }, (_, i) => {
    const part = bins.slice(i * size, (i + 1) * size);
    const numCells = part.reduce((sum, bin) => sum + bin.numCells, 0);
    const mean = (key: 'confidence' | 'accuracy') => (numCells ? part.reduce((sum, bin) => sum + bin[key] * bin.numCells, 0) / numCells : 0);
    return { confidence: mean('confidence'), accuracy: mean('accuracy'), numCells };
  });
}
