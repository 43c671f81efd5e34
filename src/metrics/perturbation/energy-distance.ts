import { forEachPair } from '../pairs.js';
import type { Points } from '../points.js';

export interface EnergyDistance {
  /** 2 E|x - y| - E|x - x'| - E|y - y'|, Euclidean distances not squared (Székely & Rizzo). */
  readonly energyDistance: number;
  /** The same with squared distances, as scPerturb and pertpy take it. */
  readonly energyDistanceSquared: number;
}

/**
 * Distance of two clouds of cells; means within a cloud are over pairs of different cells, so that two samples of one cloud have 0 on average (and
 * may fall below). Where the cells live, all genes or principal components, is the caller's to say in the name.
 * @throws RangeError when a cloud has fewer than 2 cells
 */
export function energyDistance(a: Points, b: Points): EnergyDistance {
  if (a.numColumns !== b.numColumns) throw new RangeError(`points of ${a.numColumns} and ${b.numColumns} coordinates`);
  const [n, m] = [a.numRows, b.numRows];
  if (n < 2 || m < 2) throw new RangeError(`an energy distance needs 2 cells a side, found ${n} and ${m}`);
  const data = new Float64Array((n + m) * a.numColumns);
  data.set(a.data);
  data.set(b.data, n * a.numColumns);
  const plain = new Float64Array(3); // within a, within b, between
  const squared = new Float64Array(3);
  forEachPair({ numRows: n + m, numColumns: a.numColumns, data }, (i, j, distance) => {
    const kind = j < n ? 0 : i < n ? 2 : 1;
    plain[kind]! += Math.sqrt(distance);
    squared[kind]! += distance;
  });
  const combine = (sums: Float64Array) => (2 * sums[2]!) / (n * m) - (2 * sums[0]!) / (n * (n - 1)) - (2 * sums[1]!) / (m * (m - 1));
  return { energyDistance: combine(plain), energyDistanceSquared: combine(squared) };
}
