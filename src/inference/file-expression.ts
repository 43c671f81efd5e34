import { flatEntropy } from '../data/loader/serialize.js';
import type { CellFile } from '../data/readers/reader.js';
import type { SparseMatrix } from '../metrics/baselines/sparse-matrix.js';
import type { ModelDescription } from '../train/checkpoint.js';
import { cellSource, type ReadOptions } from './cell-source.js';

/** Log-normalised expression of a file's cells over the whole vocabulary, as `expressionMatrix` gives it of a corpus. */
export async function fileExpression(cells: CellFile, model: ModelDescription, options: ReadOptions): Promise<{ rows: Int32Array; matrix: SparseMatrix }> {
  const { vocabulary, preprocessing } = model;
  const whole: ModelDescription = {
    ...model,
    entropy: flatEntropy(vocabulary),
    preprocessing: { ...preprocessing, maxGenes: vocabulary.size, serialisation: 'expression' },
  };
  const { batches } = await cellSource(cells, whole, options);
  const rows: number[] = [];
  const indptr = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for await (const { numCells, seqLen, geneIds, values: batchValues, numGenes, cellIndex } of batches) {
    for (let b = 0; b < numCells; b++) {
      rows.push(cellIndex[b]!);
      for (let l = b * seqLen; l < b * seqLen + numGenes[b]!; l++) {
        indices.push(geneIds[l]!);
        values.push(batchValues[l]!);
      }
      indptr.push(indices.length);
    }
  }
  return {
    rows: Int32Array.from(rows),
    matrix: {
      numRows: rows.length,
      numColumns: vocabulary.size,
      indptr: Int32Array.from(indptr),
      indices: Int32Array.from(indices),
      values: Float32Array.from(values),
    },
  };
}
