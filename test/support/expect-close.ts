import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/** Anything with values to compare: a tensor inside or outside TensorFlow, a typed array, a number. */
export type Comparable = tf.Tensor | { dtype: string; shape: readonly number[]; data: ArrayLike<number> } | ArrayLike<number> | number;

export interface Tolerance {
  /** Relative to the expected entry. Default 0. */
  readonly rtol?: number;
  /** Absolute. Default 0. */
  readonly atol?: number;
}

/**
 * Fails unless shapes and dtypes agree (where both sides have one) and every |actual - expected| ≤ atol + rtol · |expected|. A NaN fails on
 * either side, an infinity meets only the same infinity; the message names the worst entry.
 */
export function expectClose(actual: Comparable, expected: Comparable, { rtol = 0, atol = 0 }: Tolerance): void {
  const difference = describeDifference(read(actual), read(expected), rtol, atol);
  if (difference !== undefined) expect.fail(difference);
}

interface Values {
  readonly dtype?: string;
  readonly shape?: readonly number[];
  readonly data: ArrayLike<number>;
}

function read(value: Comparable): Values {
  if (typeof value === 'number') return { data: [value] };
  if (value instanceof tf.Tensor) return { dtype: value.dtype, shape: value.shape, data: value.dataSync() };
  return 'data' in value ? value : { data: value };
}

/** undefined when close. */
export function describeDifference(actual: Values, expected: Values, rtol: number, atol: number): string | undefined {
  if (actual.dtype && expected.dtype && actual.dtype !== expected.dtype) return `dtype ${actual.dtype}, expected ${expected.dtype}`;
  if (actual.shape && expected.shape && String(actual.shape) !== String(expected.shape)) return `shape [${actual.shape}], expected [${expected.shape}]`;
  if (actual.data.length !== expected.data.length) return `${actual.data.length} entries, expected ${expected.data.length}`;
  let worst = -1;
  let worstExcess = 0;
  let numFar = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const a = actual.data[i]!;
    const e = expected.data[i]!;
    if (a === e) continue;
    // Written so that NaN and unequal infinities come out far: no comparison with NaN holds.
    const excess = Number.isFinite(a) && Number.isFinite(e) ? Math.abs(a - e) - (atol + rtol * Math.abs(e)) : Infinity;
    if (excess <= 0) continue;
    numFar++;
    if (worst < 0 || excess > worstExcess) [worst, worstExcess] = [i, excess];
  }
  if (worst < 0) return undefined;
  const place = expected.shape ?? actual.shape;
  return `${numFar} of ${expected.data.length} entries differ; worst at ${place ? `[${unravel(worst, place)}]` : worst}: ${actual.data[worst]}, expected ${expected.data[worst]} (atol ${atol}, rtol ${rtol})`;
}

function unravel(index: number, shape: readonly number[]): number[] {
  const place: number[] = [];
  for (const size of [...shape].reverse()) {
    place.unshift(index % size);
    index = Math.floor(index / size);
  }
  return place;
}
