// n cells, R regulators, G genes
import { meanRanks } from '../../metrics/correlation.js';
import type { RankedCell } from '../../tasks/perturbation/cells.js';
import type { NetworkGenes } from './genes.js';

/** What cells express, gene by gene: [G] columns of [n]. */
export type ExpressionColumns = readonly Float32Array[];

export function expressionColumns(cells: readonly RankedCell[], genes: NetworkGenes): ExpressionColumns {
  const columns = genes.genes.map(() => new Float32Array(cells.length));
  cells.forEach(({ geneIds, values }, cell) => geneIds.forEach((id, i) => genes.geneAt(id) >= 0 && (columns[genes.geneAt(id)]![cell] = values[i]!)));
  return columns;
}

/** Correlation of every regulator with every gene: the network that any other must beat. It has no direction. [R, G]; 0 for genes that do not vary */
export function coExpressionNetwork(columns: ExpressionColumns, { regulators }: NetworkGenes, kind: 'pearson' | 'spearman'): Float64Array {
  const G = columns.length;
  const scaled = columns.map((column) => standardised(kind === 'pearson' ? column : meanRanks(column)));
  const out = new Float64Array(regulators.length * G);
  regulators.forEach((regulator, r) => {
    for (let gene = 0; gene < G; gene++) if (gene !== regulator) out[r * G + gene] = dot(scaled[regulator]!, scaled[gene]!);
  });
  return out;
}

/**
 * What plainly happened where regulators were touched: mean expression of the cells of each minus that of the control cells. [R, G] towards what the
 * regulator does: a gene that falls when its regulator is knocked out is promoted by it. 0 for regulators nobody touched.
 * @param touched of each cell: index of the one regulator that was perturbed in it, -1 = control, -2 = anything else
 */
export function differentialNetwork(columns: ExpressionColumns, { regulators }: NetworkGenes, touched: Int32Array, isKnockout: boolean): Float64Array {
  const G = columns.length;
  const out = new Float64Array(regulators.length * G);
  const counts = new Int32Array(regulators.length);
  let numControls = 0;
  for (const regulator of touched) {
    if (regulator >= 0) counts[regulator]!++;
    else if (regulator === -1) numControls++;
  }
  columns.forEach((column, gene) => {
    const sums = new Float64Array(regulators.length);
    let control = 0;
    column.forEach((value, cell) => {
      const regulator = touched[cell]!;
      if (regulator >= 0) sums[regulator]! += value;
      else if (regulator === -1) control += value;
    });
    counts.forEach((count, r) => {
      if (count > 0 && numControls > 0) out[r * G + gene] = (sums[r]! / count - control / numControls) * (isKnockout ? -1 : 1);
    });
  });
  return out;
}

/** Mean 0, length 1; zeros where nothing varies. */
function standardised(column: ArrayLike<number>): Float64Array {
  const n = column.length;
  const out = Float64Array.from(column);
  const mean = out.reduce((sum, v) => sum + v, 0) / n;
  for (let i = 0; i < n; i++) out[i]! -= mean;
  const length = Math.sqrt(dot(out, out));
  // What rounding leaves of a constant is no variation.
  return length > 1e-7 * Math.abs(mean) * Math.sqrt(n) ? out.map((v) => v / length) : out.fill(0);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
