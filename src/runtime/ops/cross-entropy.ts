// M rows (loss positions), m of them at a time, D hidden, V classes (gene vocabulary)
import * as tf from '@tensorflow/tfjs-core';
import { inLowPrecision } from '../program/autocast.js';
import { canFuse, fused } from './fused.js';
import { after } from './order.js';

export interface CrossEntropyLimits {
  /** Entries of [m, V] worked on at a time. */
  readonly pieceEntries: number;
  /** The most entries of [M, V] that are kept for the backward pass; more are computed anew. */
  readonly keptEntries: number;
}

const LIMITS: CrossEntropyLimits = { pieceEntries: 1 << 24, keptEntries: 1 << 26 };

/**
 * Negative log-likelihood of one class a row under softmax(rows · headᵀ), in nats. Takes rows and head instead of logits because
 * [M, V] is by far the largest tensor of a training step: here it exists a piece at a time. One tensor of that size, in the
 * precision of products, is kept for the backward pass while it is small; a larger one is computed again, a piece at a time.
 *
 * The gradient with respect to the logits is softmax - onehot(target), times dy: `residuals` below.
 * @param rows [M, D] float32
 * @param head [V, D] float32
 * @param targets [M] int32, each in [0, V)
 * @returns [M] float32
 */
export function crossEntropy(
  rows: tf.Tensor2D,
  head: tf.Tensor2D,
  targets: tf.Tensor1D,
  { pieceEntries, keptEntries }: CrossEntropyLimits = LIMITS,
): tf.Tensor1D {
  return tf.tidy(() => {
    const size = rows.shape[0] * head.shape[0];
    const isKept = size <= keptEntries;
    // The fused op works in the place of the logits: there is nothing to bound when they are kept anyway.
    const bounds = pieceBounds(rows.shape[0], isKept && canFuse() ? 1 : Math.ceil(size / pieceEntries));
    const run = tf.customGrad((...args) => {
      const [rows, head, save] = args as unknown as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
      const pieces: Likelihood[] = [];
      for (const { start, size } of bounds) {
        const before = pieces.at(-1)?.nll;
        const piece = tf.slice(before ? after(rows, before) : rows, [start, 0], [size, -1]) as tf.Tensor2D;
        pieces.push(likelihood(piece, head, tf.slice(targets, [start], [size])));
      }
      save([rows, head, targets, ...(isKept ? [join(pieces.map(({ residuals }) => residuals))] : [])]);
      return {
        value: join(pieces.map(({ nll }) => nll)),
        gradFunc: (dy: tf.Tensor, [rows, head, targets, residuals]: tf.Tensor[]) =>
          residuals
            ? fromKept(residuals as tf.Tensor2D, rows as tf.Tensor2D, head as tf.Tensor2D, dy)
            : anew(rows as tf.Tensor2D, head as tf.Tensor2D, targets as tf.Tensor1D, dy, bounds),
      };
    });
    return run(rows, head) as tf.Tensor1D;
  });
}

interface Likelihood {
  /** [m] */
  readonly nll: tf.Tensor1D;
  /** [m, V] softmax - onehot(target), in the precision of products. */
  readonly residuals: tf.Tensor2D;
}

function likelihood(rows: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D): Likelihood {
  const numRows = rows.shape[0];
  const logits = tf.matMul(rows, head, false, true); // [m, V]
  if (canFuse()) {
    const [nll, residuals] = fused(
      'ScdivaCrossEntropy',
      [
        [logits, 'low'],
        [targets, 'int'],
      ],
      {},
      [
        { shape: [numRows], precision: 'full' },
        { shape: logits.shape, precision: 'low' },
      ],
    );
    return { nll: nll as tf.Tensor1D, residuals: residuals as tf.Tensor2D };
  }
  const probabilities = tf.softmax(logits); // float32
  // log Σ exp from the largest entry, whose probability is never below 1/V: no logarithm of an underflow.
  const logSum = tf.sub(tf.max(logits, 1), tf.log(tf.max(probabilities, 1))); // [m]
  const at = tf.stack([tf.range(0, numRows, 1, 'int32'), targets], 1); // [m, 2]
  const residuals = inLowPrecision(() => tf.tensorScatterUpdate(probabilities, at, tf.sub(tf.gatherND(probabilities, at), 1))) as tf.Tensor2D;
  return { nll: tf.sub(logSum, tf.gatherND(logits, at)) as tf.Tensor1D, residuals };
}

function fromKept(residuals: tf.Tensor2D, rows: tf.Tensor2D, head: tf.Tensor2D, dy: tf.Tensor): tf.Tensor[] {
  const weight = tf.expandDims(dy, 1); // [M, 1]
  return [tf.mul(tf.matMul(residuals, head), weight), tf.matMul(residuals, tf.mul(rows, weight) as tf.Tensor2D, true, false)]; // [M, D], [V, D]
}

function anew(rows: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D, dy: tf.Tensor, bounds: readonly PieceBounds[]): tf.Tensor[] {
  const dRows: tf.Tensor[] = [];
  let dHead: tf.Tensor | undefined;
  for (const { start, size } of bounds) {
    const piece = tf.slice(after(rows, dHead ?? dy), [start, 0], [size, -1]) as tf.Tensor2D;
    const { residuals } = likelihood(piece, head, tf.slice(targets, [start], [size]) as tf.Tensor1D);
    const [rowsPart, headPart] = fromKept(residuals, piece, head, tf.slice(dy, [start], [size]));
    dRows.push(rowsPart!);
    dHead = dHead ? tf.add(dHead, headPart!) : headPart!;
  }
  return [join(dRows), dHead!];
}

interface PieceBounds {
  readonly start: number;
  readonly size: number;
}

/** Pieces of nearly equal size, at least one row each. */
function pieceBounds(numRows: number, numPieces: number): PieceBounds[] {
  const count = Math.max(1, Math.min(numRows, numPieces));
  const bound = (i: number) => Math.floor((i * numRows) / count);
  return Array.from({ length: count }, (_, i) => ({ start: bound(i), size: bound(i + 1) - bound(i) }));
}

function join<T extends tf.Tensor>(parts: T[]): T {
  return parts.length === 1 ? parts[0]! : (tf.concat(parts, 0) as T);
}
