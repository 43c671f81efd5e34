import type { SparseMatrix } from '../baselines/sparse-matrix.js';
import { benjaminiHochberg, mannWhitney } from './mann-whitney.js';

/** Every gene of one group of cells against another. All arrays have one entry a gene. */
export interface DifferentialExpression {
  /** Mean of the group minus mean of the reference, log1p values: a natural-log fold change. */
  readonly logFoldChange: Float64Array;
  /** Standardised Mann-Whitney U, positive where the group is higher. */
  readonly z: Float64Array;
  readonly pValue: Float64Array;
  /** Benjamini-Hochberg over all genes. */
  readonly fdr: Float64Array;
}

/** Genes as columns, for tests that look at one gene at a time: made once for a reference that many groups are held against. */
export interface GeneColumns {
  readonly numCells: number;
  /** Nonzero values of every gene. */
  readonly values: readonly Float64Array[];
}

/** The rows given, gene by gene. */
export function geneColumns(x: SparseMatrix, rows: ArrayLike<number>): GeneColumns {
  const counts = new Int32Array(x.numColumns);
  for (let i = 0; i < rows.length; i++)
    for (let at = x.indptr[rows[i]!]!; at < x.indptr[rows[i]! + 1]!; at++) if (x.values[at] !== 0) counts[x.indices[at]!]!++;
  const values = Array.from(counts, (count) => new Float64Array(count));
  const filled = new Int32Array(x.numColumns);
  for (let i = 0; i < rows.length; i++) {
    for (let at = x.indptr[rows[i]!]!; at < x.indptr[rows[i]! + 1]!; at++) {
      const gene = x.indices[at]!;
      if (x.values[at] !== 0) values[gene]![filled[gene]!++] = x.values[at]!;
    }
  }
  return { numCells: rows.length, values };
}

export function columnMean({ numCells, values }: GeneColumns): Float64Array {
  return Float64Array.from(values, (column) => column.reduce((sum, v) => sum + v, 0) / numCells);
}

/** Mann-Whitney U with Benjamini-Hochberg, a test a gene. @throws RangeError when a side has no cell */
export function differentialExpression(group: GeneColumns, reference: GeneColumns): DifferentialExpression {
  const numGenes = group.values.length;
  const z = new Float64Array(numGenes);
  const pValue = new Float64Array(numGenes);
  const logFoldChange = columnMean(group);
  const referenceMean = columnMean(reference);
  for (let gene = 0; gene < numGenes; gene++) {
    const test = mannWhitney(group.values[gene]!, group.numCells, reference.values[gene]!, reference.numCells);
    z[gene] = test.z;
    pValue[gene] = test.pValue;
    logFoldChange[gene]! -= referenceMean[gene]!;
  }
  return { logFoldChange, z, pValue, fdr: benjaminiHochberg(pValue) };
}
