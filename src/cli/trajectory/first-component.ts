import { applyPca, fitPca } from '../../metrics/baselines/pca.js';
import type { Points } from '../../metrics/points.js';
import type { Rng } from '../../rng.js';

/** Every cell's coordinate on the first principal component. */
export function firstComponent({ numRows, numColumns, data }: Points, rng: Rng): Float64Array {
  const rows = {
    numRows,
    numColumns,
    indptr: Int32Array.from({ length: numRows + 1 }, (_, i) => i * numColumns),
    indices: Int32Array.from({ length: data.length }, (_, i) => i % numColumns),
    values: data,
  };
  return applyPca(fitPca(rows, 1, rng), rows).data;
}
