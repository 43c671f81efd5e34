import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { confusionMatrix } from '../../src/metrics/confusion.js';
import { classificationScores, classScores, scoreLabels } from '../../src/metrics/classification.js';
import { golden } from './golden.js';

describe('classification scores', () => {
  const { truth, predicted, numClasses, ...expected } = golden.labels;
  const matrix = confusionMatrix(truth, predicted, numClasses);

  it('counts true against predicted labels as scikit-learn does', () => {
    expect([...matrix.counts]).toEqual(expected.confusion);
  });

  it('agrees with scikit-learn on accuracy and the macro means, with classes never true, never predicted and neither', () => {
    const scores = classificationScores(matrix);
    for (const key of ['accuracy', 'macroF1', 'macroPrecision', 'macroRecall'] as const) expect(scores[key], key).toBeCloseTo(expected[key], 12);
  });

  it('agrees with scikit-learn class by class', () => {
    for (const score of classScores(matrix)) {
      const c = score.classCode;
      expect([score.support, score.precision, score.recall, score.f1]).toEqual([
        expected.support[c],
        expected.precision[c],
        expected.recall[c],
        expected.f1[c],
      ]);
    }
  });

  it('gives a constant guess the accuracy of its class and 1/C of its F1', () => {
    const { accuracy, macroF1 } = scoreLabels([0, 0, 0, 1], [0, 0, 0, 0], 2);
    expect(accuracy).toBe(0.75);
    expect(macroF1).toBeCloseTo(6 / 7 / 2, 12);
  });

  it('refuses unlabelled cells, unequal lengths and no cells', () => {
    expect(() => scoreLabels([-1, 0], [0, 0], 2)).toThrow('class code -1');
    expect(() => scoreLabels([0], [0, 0], 2)).toThrow('1 true labels but 2 predictions');
    expect(() => scoreLabels([], [], 2)).toThrow('no cell');
  });

  it('does not depend on the order of cells or the names of classes', () => {
    const cells = fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(cells, fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), (pairs, rename) => {
        const before = scoreLabels(
          pairs.map((p) => p[0]),
          pairs.map((p) => p[1]),
          5,
        );
        const after = scoreLabels(pairs.map((p) => rename[p[0]]!).reverse(), pairs.map((p) => rename[p[1]]!).reverse(), 5);
        for (const key of ['accuracy', 'macroF1', 'macroPrecision', 'macroRecall'] as const) expect(after[key]).toBeCloseTo(before[key], 12);
      }),
    );
  });
});
