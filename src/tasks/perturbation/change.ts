/** Largest factor by which a cell's own value is scaled; what is missing then is added to every cell alike. */
const LARGEST_FACTOR = 2;

/**
 * A control cell's expression after a predicted change of the mean. Falling genes are scaled down and rising ones up, so that a
 * cell that does not express a gene still does not; no value falls below zero, and the mean over the control cells changes by exactly
 * `change` wherever that does not take it below zero.
 * @param value of the control cell, log1p
 * @param mean of the control cells
 * @param change predicted for the mean
 */
export function changedValue(value: number, mean: number, change: number): number {
  const wanted = Math.max(0, mean + change);
  const factor = mean > 0 ? Math.min(LARGEST_FACTOR, wanted / mean) : 0;
  return value * factor + (wanted - mean * factor);
}
