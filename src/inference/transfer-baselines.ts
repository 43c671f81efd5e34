import type { Rng } from '../rng.js';
import { DataError } from '../errors.js';
import { openCorpus } from '../data/corpus/corpus.js';
import type { CellFile } from '../data/readers/reader.js';
import { annotationBaselines, type BaselineResult } from '../metrics/baselines/annotation-baselines.js';
import type { SparseMatrix } from '../metrics/baselines/sparse-matrix.js';
import { expressionMatrix } from '../tasks/expression-matrix.js';
import type { AnnotationHeadInfo } from '../tasks/annotation/head.js';
import { annotationLabels } from '../tasks/annotation/labels.js';
import type { ModelDescription } from '../train/checkpoint.js';
import type { ReadOptions } from './cell-source.js';
import { fileExpression } from './file-expression.js';

/**
 * Simple methods fitted on the training cells of a corpus and applied to a file of cells from elsewhere. Genes that no cell of the file
 * expresses are left out of the fit: the file may not have measured them.
 * @param head of the model beside which they stand: same labels, in the same order
 * @returns predictions for the file's cells that have genes, and the file's rows of these
 * @throws DataError when the corpus has other genes than the model, or other labels than its head
 */
export async function transferBaselines(
  corpusPath: string,
  cells: CellFile,
  model: ModelDescription,
  head: AnnotationHeadInfo,
  rng: Rng,
  options: ReadOptions = {},
): Promise<{ rows: Int32Array; results: BaselineResult[] }> {
  const corpus = await openCorpus(corpusPath);
  try {
    if (corpus.vocabulary.hash !== model.vocabulary.hash)
      throw new DataError({ file: corpusPath, found: 'other genes than the checkpoint’s', hint: 'name the corpus the model was fine-tuned on' });
    const {
      classes,
      codes,
      rows: { train },
    } = annotationLabels(corpus, head.labelKey);
    const known = new Map(head.classes.map((name, code) => [name, code]));
    const trainRows = train.filter((row) => known.has(classes[codes[row]!]!));
    if (trainRows.length === 0)
      throw new DataError({
        file: corpusPath,
        key: `obs['${head.labelKey}']`,
        found: 'none of the model’s labels',
        hint: 'name the corpus the model was fine-tuned on',
      });
    const { rows, matrix: test } = await fileExpression(cells, model, options);
    const isExpressed = new Uint8Array(model.vocabulary.size);
    for (let i = 0; i < test.indices.length; i++) isExpressed[test.indices[i]!] = 1;
    const results = annotationBaselines({
      train: keepColumns(expressionMatrix(corpus, trainRows, model.preprocessing), isExpressed),
      trainLabels: trainRows.map((row) => known.get(classes[codes[row]!]!)!),
      test,
      numClasses: head.classes.length,
      rng,
    });
    return { rows, results };
  } finally {
    corpus.close();
  }
}

function keepColumns(matrix: SparseMatrix, isKept: Uint8Array): SparseMatrix {
  const indptr = new Int32Array(matrix.numRows + 1);
  const kept: number[] = [];
  for (let row = 0; row < matrix.numRows; row++) {
    for (let i = matrix.indptr[row]!; i < matrix.indptr[row + 1]!; i++) if (isKept[matrix.indices[i]!]) kept.push(i);
    indptr[row + 1] = kept.length;
  }
  return { ...matrix, indptr, indices: Int32Array.from(kept, (i) => matrix.indices[i]!), values: Float32Array.from(kept, (i) => matrix.values[i]!) };
}
