import type { Rng } from '../../rng.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import type { Preprocessing } from '../../data/loader/config.js';
import { flatEntropy, Serializer } from '../../data/loader/serialize.js';
import { annotationBaselines } from '../../metrics/baselines/annotation-baselines.js';
import type { SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import { scoreConfidently } from './predictions.js';
import { codesOf, type AnnotationLabels } from './labels.js';
import type { MethodResult } from '../finetune/methods.js';

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

/**
 * Log-normalised expression of corpus cells over the whole vocabulary, nothing cut off at the model's number of genes: what a
 * simple method would be given.
 */
export function expressionMatrix(corpus: Corpus, rows: Int32Array, { targetSum, lengthMultiple }: Preprocessing): SparseMatrix {
  const { vocabulary, scale } = corpus;
  const numGenes = corpus.numGenesPerCell();
  const numValues = rows.reduce((sum, row) => sum + numGenes[row]!, 0);
  const serializer = new Serializer({ preprocessing: { targetSum, lengthMultiple, maxGenes: vocabulary.size, serialisation: 'expression' }, scale, entropy: flatEntropy(vocabulary) });
  const indptr = new Int32Array(rows.length + 1);
  const indices = new Int32Array(numValues);
  const values = new Float32Array(numValues);
  rows.forEach((row, i) => {
    indptr[i + 1] = indptr[i]! + serializer.serialize(corpus.readCell(row), { geneIds: indices, values, offset: indptr[i]! });
  });
  return { numRows: rows.length, numColumns: vocabulary.size, indptr, indices, values };
}
