/** Steps of the curve that is kept of all distances. */
const NUM_QUANTILES = 1000;

/**
 * The distances of a reference's own cells to their neighbours, each cell left out of its own search, as a curve: what an ordinary distance is.
 * @returns NUM_QUANTILES + 1 distances in ascending order, the smallest and the largest included
 */
export function distanceCurve(distances: Float64Array): number[] {
  const sorted = distances.slice().sort();
  return Array.from({ length: NUM_QUANTILES + 1 }, (_, i) => {
    const place = (i / NUM_QUANTILES) * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(sorted.length - 1, below + 1);
    return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!);
  });
}

/**
 * The share of the reference's own cells that lie at least as far from their neighbours as this distance: near 1 in its midst, 0 farther out than
 * any of them. Called a confidence, it is one that the cell is of the kind of cells the reference has, not that its label is right; the
 * share of the reference's cells below any threshold is that threshold.
 */
export function typicality(distance: number, curve: readonly number[]): number {
  const last = curve.length - 1;
  if (!(distance < curve[last]!)) return distance > curve[last]! ? 0 : 1 / (last + 1);
  if (distance <= curve[0]!) return 1;
  let [below, above] = [0, last];
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (curve[middle]! <= distance) below = middle;
    else above = middle;
  }
  const step = curve[above]! - curve[below]!;
  return 1 - (below + (step > 0 ? (distance - curve[below]!) / step : 0)) / last;
}
