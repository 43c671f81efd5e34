// B cells, T positions, the first Q of them ask, H heads, K head width, D = H · K, N = B · H attention matrices; in a piece C of them, or R rows of one
import * as tf from '@tensorflow/tfjs-core';
import { inLowPrecision } from '../program/autocast.js';
import type { AttentionPiece } from './attention-pieces.js';
import { canFuse, fused } from './fused.js';
import { isKeptOfMany, type DropoutSite } from './random.js';
import { applyRotary } from './rotary.js';

export interface AttentionContext {
  readonly shape: { readonly B: number; readonly T: number; readonly Q: number; readonly H: number; readonly K: number };
  /** [B, T] float32, 1 = open */
  readonly canAttend: tf.Tensor2D;
  /** [T, K/2] each */
  readonly cos: tf.Tensor2D;
  readonly sin: tf.Tensor2D;
  /** [2] int32; without dropout its values do not matter. */
  readonly seed: tf.Tensor1D;
  readonly site: DropoutSite | undefined;
}

/** What attention does between its matrix products. */
export interface AttentionSteps {
  /** [B, T, 3D] → q [N, Q, K] turned and divided by √K, k [N, T, K] turned, v [N, T, K] */
  splitHeads(qkv: tf.Tensor3D): { q: tf.Tensor3D; k: tf.Tensor3D; v: tf.Tensor3D };
  splitHeadsGrad(dQ: tf.Tensor3D, dK: tf.Tensor3D, dV: tf.Tensor3D): tf.Tensor3D;
  /**
   * @param scores [C, R, T] of the piece
   * @returns p [C, R, T]: probabilities, those that dropout takes set to 0 and the others scaled up; logSum [C, R]: logarithm of the denominator
   */
  softmax(scores: tf.Tensor3D, piece: AttentionPiece): { p: tf.Tensor3D; logSum: tf.Tensor2D };
  /**
   * @param dP [C, R, T] gradient with respect to p
   * @param rowSums [C, R] rowsum(dO ∘ O)
   * @returns p as in the forward pass, and the gradient with respect to the scores
   */
  softmaxGrad(scores: tf.Tensor3D, dP: tf.Tensor3D, logSum: tf.Tensor2D, rowSums: tf.Tensor2D, piece: AttentionPiece): { p: tf.Tensor3D; dS: tf.Tensor3D };
}

export function attentionSteps(context: AttentionContext): AttentionSteps {
  return canFuse() ? fusedSteps(context) : composedSteps(context);
}

/** One op of kernels/ a step. */
function fusedSteps({ shape: { B, T, Q, H, K }, canAttend, cos, sin, seed, site }: AttentionContext): AttentionSteps {
  const scale = 1 / Math.sqrt(K);
  const low = (...shape: number[]) => ({ shape, precision: 'low' as const });
  const placed = ({ matrix, row }: AttentionPiece) => ({ matrix, row, heads: H, rate: site?.rate ?? 0, site: site?.index ?? 0 });
  return {
    splitHeads(qkv) {
      const [q, k, v] = fused(
        'ScdivaSplitHeads',
        [
          [qkv, 'low'],
          [cos, 'full'],
          [sin, 'full'],
        ],
        { heads: H, queries: Q, scale },
        [low(B * H, Q, K), low(B * H, T, K), low(B * H, T, K)],
      );
      return { q: q as tf.Tensor3D, k: k as tf.Tensor3D, v: v as tf.Tensor3D };
    },
    splitHeadsGrad(dQ, dK, dV) {
      return fused(
        'ScdivaSplitHeadsGrad',
        [
          [dQ, 'low'],
          [dK, 'low'],
          [dV, 'low'],
          [cos, 'full'],
          [sin, 'full'],
        ],
        { heads: H, scale },
        [low(B, T, 3 * H * K)],
      )[0] as tf.Tensor3D;
    },
    softmax(scores, piece) {
      const [C, R] = scores.shape;
      const [p, logSum] = fused(
        'ScdivaSoftmax',
        [
          [scores, 'low'],
          [canAttend, 'full'],
          [seed, 'int'],
        ],
        placed(piece),
        [low(C, R, T), { shape: [C, R], precision: 'full' }],
      );
      return { p: p as tf.Tensor3D, logSum: logSum as tf.Tensor2D };
    },
    softmaxGrad(scores, dP, logSum, rowSums, piece) {
      const [C, R] = scores.shape;
      const inputs = [
        [scores, 'low'],
        [dP, 'low'],
        [logSum, 'full'],
        [rowSums, 'full'],
        [canAttend, 'full'],
        [seed, 'int'],
      ] as const;
      const [p, dS] = fused('ScdivaSoftmaxGrad', inputs, placed(piece), [low(C, R, T), low(C, R, T)]);
      return { p: p as tf.Tensor3D, dS: dS as tf.Tensor3D };
    },
  };
}

/** Added to the scores of closed positions: far below any score, and finite in float32 and bfloat16. */
const CLOSED = -1e30;

/** The same out of TensorFlow's own ops. */
function composedSteps({ shape: { B, T, Q, H, K }, canAttend, cos, sin, seed, site }: AttentionContext): AttentionSteps {
  const scale = 1 / Math.sqrt(K);
  const biased = (scores: tf.Tensor3D, { matrix }: AttentionPiece): tf.Tensor => {
    const bias = tf.mul(tf.sub(1, canAttend), CLOSED); // [B, T]
    const [C, R] = scores.shape;
    if (C === B * H) return tf.reshape(tf.add(tf.reshape(scores, [B, H, R, T]), tf.reshape(bias, [B, 1, 1, T])), [C, R, T]);
    const cellOf = Int32Array.from({ length: C }, (_, i) => Math.floor((matrix + i) / H));
    return tf.add(scores, tf.expandDims(tf.gather(bias, tf.tensor1d(cellOf, 'int32')), 1)); // [C, R, T]
  };
  /** 0 for what dropout takes, else 1 / (1 - rate); the same for the same seed, site and piece. */
  const factors = (p: tf.Tensor, { row }: AttentionPiece): tf.Tensor | undefined => {
    if (!site || site.rate === 0) return undefined;
    const { flags, share } = isKeptOfMany(p.shape, site.rate, tf.add(seed, tf.tensor1d([row, site.index], 'int32')));
    return tf.mul(flags, 1 / share);
  };
  const dropped = (p: tf.Tensor, kept: tf.Tensor | undefined) => (kept ? tf.mul(p, kept) : p) as tf.Tensor3D;
  return {
    splitHeads(qkv) {
      const [q, k, v] = tf.split(qkv, 3, -1).map((x) => tf.transpose(tf.reshape(x, [B, T, H, K]), [0, 2, 1, 3]) as tf.Tensor4D); // [B, H, T, K] each
      const asked = tf.slice(applyRotary(q!, { cos, sin }), [0, 0, 0, 0], [-1, -1, Q, -1]);
      const flat = (x: tf.Tensor) => tf.reshape(x, [B * H, -1, K]) as tf.Tensor3D;
      return { q: flat(inLowPrecision(() => tf.mul(asked, scale))), k: flat(applyRotary(k!, { cos, sin })), v: flat(v!) };
    },
    splitHeadsGrad(dQ, dK, dV) {
      const whole = (x: tf.Tensor) => tf.reshape(x, [B, H, -1, K]) as tf.Tensor4D;
      const turnedBack = (x: tf.Tensor4D) => applyRotary(x, { cos, sin: tf.neg(sin) });
      const dAsked = tf.pad(whole(inLowPrecision(() => tf.mul(dQ, scale))), [
        [0, 0],
        [0, 0],
        [0, T - Q],
        [0, 0],
      ]) as tf.Tensor4D;
      const rows = [turnedBack(dAsked), turnedBack(whole(dK)), whole(dV)].map((x) => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B, T, H * K]));
      return tf.concat(rows, -1) as tf.Tensor3D;
    },
    softmax(scores, piece) {
      const open = biased(scores, piece);
      const logSum = tf.logSumExp(open, -1) as tf.Tensor2D;
      const p = tf.exp(tf.sub(open, tf.expandDims(logSum, -1)));
      return { p: dropped(p, factors(p, piece)), logSum };
    },
    softmaxGrad(scores, dP, logSum, rowSums, piece) {
      const p = tf.exp(tf.sub(biased(scores, piece), tf.expandDims(logSum, -1)));
      const kept = factors(p, piece);
      return { p: dropped(p, kept), dS: tf.mul(p, tf.sub(dropped(dP, kept), tf.expandDims(rowSums, -1))) as tf.Tensor3D };
    },
  };
}
