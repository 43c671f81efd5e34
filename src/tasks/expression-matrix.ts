import type { Corpus } from '../data/corpus/corpus.js';
import type { Preprocessing } from '../data/loader/config.js';
import { flatEntropy, Serializer } from '../data/loader/serialize.js';
import type { SparseMatrix } from '../metrics/baselines/sparse-matrix.js';

/**
 * Log-normalised expression of corpus cells over the whole vocabulary, nothing cut off at the model's number of genes: what a
 * simple method would be given.
 * @param rows corpus rows [n]
 * @returns [n, vocabulary size] float32: log1p of counts scaled to targetSum
 */
export function expressionMatrix(corpus: Corpus, rows: Int32Array, { targetSum, lengthMultiple }: Preprocessing): SparseMatrix {
  const { vocabulary, scale } = corpus;
  const numGenes = corpus.numGenesPerCell();
  const numValues = rows.reduce((sum, row) => sum + numGenes[row]!, 0);
  const serializer = new Serializer({
    preprocessing: { targetSum, lengthMultiple, maxGenes: vocabulary.size, serialisation: 'expression' },
    scale,
    entropy: flatEntropy(vocabulary),
  });
  const indptr = new Int32Array(rows.length + 1);
  const indices = new Int32Array(numValues);
  const values = new Float32Array(numValues);
  rows.forEach((row, i) => {
    indptr[i + 1] = indptr[i]! + serializer.serialize(corpus.readCell(row), { geneIds: indices, values, offset: indptr[i]! });
  });
  return { numRows: rows.length, numColumns: vocabulary.size, indptr, indices, values };
}
