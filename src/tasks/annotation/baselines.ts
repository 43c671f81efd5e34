import type { Rng } from '../../rng.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import type { Preprocessing } from '../../data/loader/config.js';
import { annotationBaselines } from '../../metrics/baselines/annotation-baselines.js';
import { expressionMatrix } from '../expression-matrix.js';
import type { MethodResult } from '../finetune/methods.js';
import { scoreConfidently } from './predictions.js';
import { codesOf, type AnnotationLabels } from './labels.js';

/** Simple methods on the model's own training and test cells, scored by the same rules. */
export function scoreBaselines(corpus: Corpus, labels: AnnotationLabels, preprocessing: Preprocessing, rng: Rng): MethodResult[] {
  const { train, test } = labels.rows;
  const numClasses = labels.classes.length;
  const results = annotationBaselines({
    train: expressionMatrix(corpus, train, preprocessing),
    trainLabels: codesOf(labels, train),
    test: expressionMatrix(corpus, test, preprocessing),
    numClasses,
    rng,
  });
  const truth = codesOf(labels, test);
  return results.map(({ name, title, predicted, confidence }) => {
    return { name, title, kind: 'baseline', runs: [scoreConfidently(truth, predicted, confidence, numClasses, labels.unseen.length)] };
  });
}
