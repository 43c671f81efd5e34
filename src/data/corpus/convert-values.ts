import type { ValueScale } from '../loader/config.js';
import type { RowBlock } from '../readers/reader.js';

/** What `--convert` brings the values of every file to. */
export type ConversionTarget = ValueScale['kind'];

/** From one known scale to another, cell by cell. */
export interface Conversion {
  readonly from: ValueScale;
  readonly to: ValueScale;
}

/** Counts per million. */
const CPM_TOTAL = 1_000_000;
/** log1p values are made of cells brought to this sum, as most pipelines do. */
const LOG1P_TOTAL = 10_000;
/** Totals this close are the same but for rounding and a few genes that were dropped. */
const ROUNDING = 0.01;

export function scaleOfTarget(target: ConversionTarget): ValueScale {
  return target === 'log1p' ? { kind: 'log1p', targetSum: LOG1P_TOTAL } : { kind: target };
}

/**
 * Why values cannot be brought to another scale without guessing; undefined where the way is certain. Counts become anything.
 * CPM become log1p. log1p values go back to CPM where their own total is known. Nothing becomes counts again: how many
 * molecules a cell had is lost with normalisation.
 */
export function whyNotConvertible(from: ValueScale, to: ValueScale): string | undefined {
  if (isSameScale(from, to)) return undefined;
  if (to.kind === 'counts') return `${from.kind} values no longer tell the counts they came from`;
  if (from.kind === 'log1p' && from.targetSum === undefined) return 'the total that cells had before the logarithm is not known';
  return undefined;
}

/** Whether a file's values are left as they are. @param cellTotal the sum that every cell of a CPM matrix was measured to have */
export function needsConversion(from: ValueScale, to: ValueScale, cellTotal: number | undefined): boolean {
  if (!isSameScale(from, to)) return true;
  return to.kind === 'cpm' && !(cellTotal !== undefined && Math.abs(cellTotal / CPM_TOTAL - 1) < ROUNDING);
}

/** Whether values of one scale can stand beside those of the other as they are. A total that is not known equals nothing but itself. */
export function isSameScale(a: ValueScale, b: ValueScale): boolean {
  return a.kind === b.kind && (a.kind !== 'log1p' || a.targetSum === b.targetSum);
}

/**
 * The same cells on the other scale. Counts and CPM are divided by the sum of the whole source row; log1p values by the total
 * they are known to have been brought to, which the row no longer sums to where genes were dropped afterwards.
 * @param block values checked to be of scale `from`: none negative
 */
export function convertBlock(block: RowBlock, { from, to }: Conversion): RowBlock {
  const { numRows, indptr, values } = block;
  const converted = new Float32Array(values.length);
  const isFromLog = from.kind === 'log1p';
  const total = to.kind === 'log1p' ? to.targetSum! : CPM_TOTAL;
  for (let row = 0; row < numRows; row++) {
    const [start, end] = [indptr[row]!, indptr[row + 1]!];
    let sum = 0;
    if (!isFromLog) for (let i = start; i < end; i++) sum += values[i]!;
    const factor = total / (isFromLog ? from.targetSum! : sum);
    for (let i = start; i < end; i++) {
      const linear = (isFromLog ? Math.expm1(values[i]!) : values[i]!) * factor;
      converted[i] = to.kind === 'log1p' ? Math.log1p(linear) : linear;
    }
  }
  return { ...block, values: converted };
}
