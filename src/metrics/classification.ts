import { confusionMatrix, type ConfusionMatrix } from './confusion.js';

/** One class of a confusion matrix; a ratio with an empty denominator is 0, as scikit-learn's `zero_division=0`. */
export interface ClassScore {
  readonly classCode: number;
  /** True cells of the class. */
  readonly support: number;
  /** Cells given its label. */
  readonly numPredicted: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** The headline figures of a classification, each under its one name. */
export interface ClassificationScores {
  /** Share of cells with the right label. */
  readonly accuracy: number;
  /** Unweighted mean of F1 over the union of true and predicted classes (scikit-learn `average="macro"`). */
  readonly macroF1: number;
  readonly macroPrecision: number;
  readonly macroRecall: number;
}

export function accuracy({ counts, numClasses, numCells }: ConfusionMatrix): number {
  let right = 0;
  for (let c = 0; c < numClasses; c++) right += counts[c * numClasses + c]!;
  return right / numCells;
}

/** Every class, also those without a cell: the caller decides whether to show them. */
export function classScores({ counts, numClasses }: ConfusionMatrix): ClassScore[] {
  return Array.from({ length: numClasses }, (_, c) => {
    let support = 0;
    let numPredicted = 0;
    for (let other = 0; other < numClasses; other++) {
      support += counts[c * numClasses + other]!;
      numPredicted += counts[other * numClasses + c]!;
    }
    const right = counts[c * numClasses + c]!;
    return {
      classCode: c,
      support,
      numPredicted,
      precision: ratio(right, numPredicted),
      recall: ratio(right, support),
      f1: ratio(2 * right, support + numPredicted),
    };
  });
}

/** All headline figures of a confusion matrix. */
export function classificationScores(matrix: ConfusionMatrix): ClassificationScores {
  // A class nobody has and nobody predicted is no part of the question and does not count in the means.
  const present = classScores(matrix).filter((score) => score.support + score.numPredicted > 0);
  const mean = (key: 'f1' | 'precision' | 'recall') => present.reduce((sum, score) => sum + score[key], 0) / present.length;
  return { accuracy: accuracy(matrix), macroF1: mean('f1'), macroPrecision: mean('precision'), macroRecall: mean('recall') };
}

/** `classificationScores` of two label arrays. */
export function scoreLabels(truth: ArrayLike<number>, predicted: ArrayLike<number>, numClasses: number): ClassificationScores {
  return classificationScores(confusionMatrix(truth, predicted, numClasses));
}

function ratio(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}
