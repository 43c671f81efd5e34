// B cells, G decoded genes
import type { Corpus } from '../../data/corpus/corpus.js';
import type { Preprocessing } from '../../data/loader/config.js';
import { flatEntropy, Serializer } from '../../data/loader/serialize.js';
import type { SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import { ConfigError } from '../../errors.js';
import type { GeneSummary } from './head.js';

/** The genes a decoder is for, ascending, and what training cells say of them. */
export interface DecodedGenes extends GeneSummary {
  readonly geneIds: Int32Array;
}

/** @param numGenes those that most training cells show; null = all that any shows @throws ConfigError when training cells show fewer */
export function decodedGenes({ statistics, vocabulary }: Pick<Corpus, 'statistics' | 'vocabulary'>, numGenes: number | null): DecodedGenes {
  const { numDetected, mean, numCells } = statistics;
  const shown = Int32Array.from(numDetected.keys()).filter((id) => vocabulary.isGene(id) && numDetected[id]! > 0);
  if (numGenes !== null && numGenes > shown.length)
    throw new ConfigError({
      key: 'genes.numGenes',
      found: String(numGenes),
      expected: `at most ${shown.length}, the genes that training cells show`,
      hint: 'null takes all of them',
    });
  const geneIds = shown
    .slice()
    .sort((a, b) => numDetected[b]! - numDetected[a]! || a - b)
    .slice(0, numGenes ?? shown.length)
    .sort();
  return { geneIds, shares: Float64Array.from(geneIds, (id) => numDetected[id]! / numCells), means: Float64Array.from(geneIds, (id) => mean[id]!) };
}

/** Log-normalised expression of corpus cells over some genes, nothing cut off at the model's number of genes, read when asked for. */
export class GeneTargets {
  private readonly serializer: Serializer;
  private readonly columnOf: Int32Array;
  private readonly ids: Int32Array;
  private readonly values: Float32Array;

  constructor(
    private readonly corpus: Corpus,
    { targetSum, lengthMultiple }: Preprocessing,
    readonly geneIds: Int32Array,
  ) {
    const { vocabulary, scale } = corpus;
    this.serializer = new Serializer({
      preprocessing: { targetSum, lengthMultiple, maxGenes: vocabulary.size, serialisation: 'expression' },
      scale,
      entropy: flatEntropy(vocabulary),
    });
    this.columnOf = new Int32Array(vocabulary.size).fill(-1);
    geneIds.forEach((id, column) => (this.columnOf[id] = column));
    this.ids = new Int32Array(vocabulary.size);
    this.values = new Float32Array(vocabulary.size);
  }

  /** @param rows corpus rows @returns [B, G] */
  gather(rows: Int32Array): Float32Array {
    const G = this.geneIds.length;
    const out = new Float32Array(rows.length * G);
    rows.forEach((row, b) => {
      const n = this.serializer.serialize(this.corpus.readCell(row), { geneIds: this.ids, values: this.values, offset: 0 });
      for (let i = 0; i < n; i++) {
        const column = this.columnOf[this.ids[i]!]!;
        if (column >= 0) out[b * G + column] = this.values[i]!;
      }
    });
    return out;
  }
}

/** The columns of chosen genes, in their order. @param x cells × vocabulary @returns cells × G */
export function takeGenes(x: SparseMatrix, geneIds: ArrayLike<number>): SparseMatrix {
  const columnOf = new Int32Array(x.numColumns).fill(-1);
  for (let column = 0; column < geneIds.length; column++) columnOf[geneIds[column]!] = column;
  const indptr = new Int32Array(x.numRows + 1);
  const indices: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < x.numRows; row++) {
    for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) {
      const column = columnOf[x.indices[at]!]!;
      if (column < 0) continue;
      indices.push(column);
      values.push(x.values[at]!);
    }
    indptr[row + 1] = indices.length;
  }
  return { numRows: x.numRows, numColumns: geneIds.length, indptr, indices: Int32Array.from(indices), values: Float32Array.from(values) };
}
