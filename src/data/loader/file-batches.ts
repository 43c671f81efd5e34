import type { CellBatch } from '../batch.js';
import type { Vocabulary } from '../genes/vocabulary.js';
import type { CellFile, CellMatrix } from '../readers/reader.js';
import { checkValues } from '../inspect/choose-matrix.js';
import { BatchMaker } from './batch-maker.js';
import type { DepthCorruption, Preprocessing, ValueScale } from './config.js';
import type { RawCell } from './depth.js';
import { RowTranslator } from './row-translator.js';

export interface FileBatchOptions {
  readonly vocabulary: Vocabulary;
  /** [numGenes] vocabulary id of each column of the matrix, -1 = none. */
  readonly vocabularyIds: Int32Array;
  readonly preprocessing: Preprocessing;
  readonly scale: ValueScale;
  /** [V] entropy table of the checkpoint. */
  readonly entropy: Float32Array;
  readonly batchSize: number;
  /** Shows every cell as if sequenced less deeply; default: as it is. */
  readonly depth?: { readonly corruption: DepthCorruption; readonly seed: number } | undefined;
}

/** The cells of a user's file as batches, in file order. */
export interface FileBatches extends AsyncIterable<CellBatch> {
  readonly numCells: number;
  /**
   * Rows without any gene of the vocabulary. They are in no batch, for there is nothing to show the model; complete after the
   * iteration. Results belong to `cellIndex`: an array of numCells rows that starts as NaN is right for these rows too.
   */
  readonly emptyRows: readonly number[];
  /** Share of all cells' expression that is in genes of the vocabulary; complete after the iteration, NaN before. */
  readonly shareOfExpression: number;
}

/** @throws DataError while iterating, where a value cannot be of the kind that `scale` says */
export function fileBatches(file: CellFile, matrix: CellMatrix, options: FileBatchOptions): FileBatches {
  const { vocabulary, preprocessing, batchSize, scale, entropy, vocabularyIds, depth } = options;
  const emptyRows: number[] = [];
  const expression = { matched: 0, total: 0 };
  const maker = new BatchMaker({
    preprocessing,
    scale,
    entropy,
    padId: vocabulary.padId,
    depth: depth?.corruption ?? { kind: 'none' },
    cellSeed: depth?.seed ?? 0,
  });
  const translator = new RowTranslator(vocabularyIds, vocabulary.size, scale);

  async function* batches(): AsyncGenerator<CellBatch> {
    emptyRows.length = 0;
    expression.matched = expression.total = 0;
    let rows: number[] = [];
    let cells: RawCell[] = [];
    const flush = (): CellBatch => {
      const longest = cells.reduce((most, { geneIds }) => Math.max(most, geneIds.length), 0);
      const batch = maker.make(Int32Array.from(rows), longest, (_, index) => cells[index]!);
      rows = [];
      cells = [];
      return { ...batch, labels: {} };
    };
    for await (const block of matrix.rowBlocks()) {
      checkValues(block, { valueKind: scale.kind }, file, matrix);
      for (let r = 0; r < block.numRows; r++) {
        const { geneIds, values, total } = translator.translate(block, r);
        expression.matched += translator.matched;
        expression.total += total;
        if (geneIds.length === 0) {
          emptyRows.push(block.firstRow + r);
          continue;
        }
        rows.push(block.firstRow + r);
        cells.push({ geneIds: geneIds.slice(), values: values.slice(), total });
        if (rows.length === batchSize) yield flush();
      }
    }
    if (rows.length > 0) yield flush();
  }
  return {
    numCells: matrix.numCells,
    emptyRows,
    get shareOfExpression() {
      return expression.matched / expression.total;
    },
    [Symbol.asyncIterator]: batches,
  };
}
