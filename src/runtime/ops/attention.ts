// B cells, H heads, T positions, K head width, N = B · H attention matrices, C of them at a time
import * as tf from '@tensorflow/tfjs-core';
import { inLowPrecision } from '../program/autocast.js';
import { after } from './order.js';
import { isKeptOfMany, type DropoutSite } from './random.js';

/** Added to the scores of closed positions: far below any score, and finite in float32 and bfloat16. */
const CLOSED = -1e30;

/** Entries of the attention matrices worked on at a time: bounds what a pass holds beside its inputs and outputs. */
const PIECE_ENTRIES = 1 << 25;

/**
 * Scaled dot-product attention, softmax(q kᵀ / √K + bias) v; at least one position of every cell must be open.
 *
 * The backward pass computes the attention matrices anew, so none is kept for it. Passes over a matrix cost as much as the
 * products that make and use it, so what can be is folded into the products: the scale into q, the bias into a column
 * (q, 1) · (k, bias)ᵀ, the row sums of the softmax's gradient into two more (FlashAttention's D = rowsum(dO ∘ O), Dao et al., 2022).
 * @param q [B, H, T, K] float32
 * @param k [B, H, T, K] float32
 * @param v [B, H, T, K] float32
 * @param canAttend [B, T] float32: 1 = may be attended to, 0 = padding
 * @param site dropout on the attention probabilities; none when absent
 * @param pieceEntries entries of the attention matrices worked on at a time, at least one matrix
 * @returns [B, H, T, K] float32
 */
export function attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, canAttend: tf.Tensor2D, site?: DropoutSite, pieceEntries = PIECE_ENTRIES): tf.Tensor4D {
  return tf.tidy(() => {
    const [B, H, T, K] = q.shape;
    const flat = (x: tf.Tensor) => tf.reshape(x, [B * H, T, K]); // [N, T, K]
    const seed = site && site.rate > 0 ? site.seed : undefined;
    const plan: Plan = { numHeads: H, atATime: Math.max(1, Math.min(B * H, Math.floor(pieceEntries / (T * T)))), site };
    const run = tf.customGrad((...args) => {
      const [q, k, v] = args as unknown as tf.Tensor3D[] as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
      const save = args[3] as unknown as tf.GradSaveFunc;
      const inputs = { q, k, v, canAttend, ...(seed && { seed }) };
      const o = forward(inputs, plan);
      save([q, k, v, o, canAttend, ...(seed ? [seed] : [])]);
      return {
        value: o,
        gradFunc: (dO: tf.Tensor, [q, k, v, o, canAttend, seed]: tf.Tensor[]) =>
          backward({ q, k, v, canAttend, ...(seed && { seed }) } as AttentionInputs, o as tf.Tensor3D, dO as tf.Tensor3D, plan),
      };
    });
    return tf.reshape(run(flat(q), flat(k), flat(v)), [B, H, T, K]) as tf.Tensor4D;
  });
}

interface Plan {
  readonly numHeads: number;
  /** C */
  readonly atATime: number;
  readonly site: DropoutSite | undefined;
}

interface AttentionInputs {
  /** [N, T, K] each */
  readonly q: tf.Tensor3D;
  readonly k: tf.Tensor3D;
  readonly v: tf.Tensor3D;
  /** [B, T] */
  readonly canAttend: tf.Tensor2D;
  /** [2] int32, with dropout only */
  readonly seed?: tf.Tensor1D;
}

function forward(inputs: AttentionInputs, { numHeads, atATime, site }: Plan): tf.Tensor3D {
  const { query, key } = scoreFactors(inputs, numHeads);
  return inPieces(inputs.q.shape[0], atATime, query, (piece, start) => {
    const p = probabilities(piece(query), piece(key)); // [C, T, T]
    if (!inputs.seed) return [tf.matMul(p, piece(inputs.v))]; // [C, T, K]
    const { kept, scale } = dropped(p, inputs.seed, site!, start);
    // Scaled on the small side of the product, where it is not rounded to bfloat16 for all entries alike.
    return [tf.mul(tf.matMul(kept, piece(inputs.v)), scale)];
  })[0]!;
}

function backward(inputs: AttentionInputs, o: tf.Tensor3D, dO: tf.Tensor3D, { numHeads, atATime, site }: Plan): tf.Tensor3D[] {
  const { query, key, scale } = scoreFactors({ ...inputs, q: after(inputs.q, dO) }, numHeads);
  const { k, v, seed } = inputs;
  const rowSums = tf.sum(tf.mul(dO, o), -1, true); // [N, T, 1]
  const [dQ, dK, dV] = inPieces(k.shape[0], atATime, query, (piece, start) => {
    const q = piece(query);
    const p = probabilities(q, piece(key)); // [C, T, T]
    const sums = piece(rowSums);
    let dOut = piece(dO);
    let kept = p;
    let dS: tf.Tensor;
    if (seed) {
      // p ∘ flags ∘ (scale · dO vᵀ) - p ∘ D
      const drop = dropped(p, seed, site!, start);
      kept = drop.kept;
      dOut = tf.mul(dOut, drop.scale);
      const dP = tf.matMul(dOut, piece(v), false, true); // [C, T, T]
      dS = inLowPrecision(() => tf.sub(tf.mul(kept, dP), tf.mul(p, sums)));
    } else {
      // p ∘ (dO vᵀ - D), D subtracted inside the product. Rounded to bfloat16, D would lose what the difference is made of:
      // its rounding error is subtracted too.
      const high = inLowPrecision(() => tf.mul(sums, 1));
      const low = tf.sub(sums, high);
      const minusSums = tf.concat([dOut, tf.neg(high), tf.neg(low)], -1); // [C, T, K + 2]
      const ones = tf.concat([piece(v), tf.ones([dOut.shape[0], dOut.shape[1], 2])], -1); // [C, T, K + 2]
      const difference = tf.matMul(minusSums, ones, false, true); // [C, T, T]
      dS = inLowPrecision(() => tf.mul(p, difference));
    }
    return [tf.matMul(dS as tf.Tensor3D, piece(k)), tf.matMul(dS as tf.Tensor3D, slicedQuery(q, k.shape[2]), true, false), tf.matMul(kept, dOut, true, false)]; // [C, T, K] each
  });
  return [tf.mul(dQ!, scale) as tf.Tensor3D, dK!, dV!];
}

/** (q / √K, 1) and (k, bias): their product is the biased scores. [N, T, K + 1] each */
function scoreFactors({ q, k, canAttend }: AttentionInputs, H: number): { query: tf.Tensor3D; key: tf.Tensor3D; scale: number } {
  const [N, T, K] = q.shape;
  const scale = 1 / Math.sqrt(K);
  const bias = tf.reshape(tf.mul(tf.sub(1, canAttend), CLOSED), [N / H, 1, T, 1]);
  const ofEachHead = tf.reshape(tf.tile(bias, [1, H, 1, 1]), [N, T, 1]);
  return inLowPrecision(() => ({
    query: tf.concat([tf.mul(q, scale), tf.ones([N, T, 1])], -1) as tf.Tensor3D,
    key: tf.concat([k, ofEachHead], -1) as tf.Tensor3D,
    scale,
  }));
}

function probabilities(query: tf.Tensor3D, key: tf.Tensor3D): tf.Tensor3D {
  const scores = tf.matMul(query, key, false, true); // [C, T, T]
  return inLowPrecision(() => tf.softmax(scores, -1)) as tf.Tensor3D;
}

/** q / √K again, without its column of ones. */
function slicedQuery(query: tf.Tensor3D, K: number): tf.Tensor3D {
  return tf.slice(query, [0, 0, 0], [-1, -1, K]);
}

/** p with some entries dropped, and what makes up for them; the same entries for the same seed, site and piece. */
function dropped(p: tf.Tensor3D, seed: tf.Tensor1D, { rate, index }: DropoutSite, start: number): { kept: tf.Tensor3D; scale: number } {
  return inLowPrecision(() => {
    const { flags, share } = isKeptOfMany(p.shape, rate, tf.add(seed, tf.tensor1d([start, index], 'int32')));
    return { kept: tf.mul(p, flags), scale: 1 / share };
  });
}

/**
 * Works through the N matrices a few at a time, each piece after the one before, and puts the results together.
 * @param first what the work of a piece begins with
 * @param work gets a function that cuts its piece out of a tensor of [N, …], and the index of the piece's first matrix
 */
function inPieces(N: number, atATime: number, first: tf.Tensor, work: (piece: (x: tf.Tensor) => tf.Tensor3D, start: number) => tf.Tensor[]): tf.Tensor3D[] {
  const results: tf.Tensor[][] = [];
  for (let start = 0; start < N; start += atATime) {
    const before = results.at(-1)?.[0];
    const piece = (x: tf.Tensor): tf.Tensor3D => {
      if (atATime === N) return x as tf.Tensor3D;
      const cut = tf.slice(x as tf.Tensor3D, [start, 0, 0], [Math.min(atATime, N - start), -1, -1]);
      return before && x === first ? after(cut, before) : cut;
    };
    results.push(work(piece, start));
  }
  return results[0]!.map((_, i) => (results.length === 1 ? results[0]![i]! : tf.concat(results.map((parts) => parts[i]!), 0)) as tf.Tensor3D);
}
