// B cells, T positions, the first Q of them ask, H heads, K head width, D = H · K, N = B · H attention matrices, C of them at a time
import * as tf from '@tensorflow/tfjs-core';
import { attentionSteps, type AttentionContext } from './attention-steps.js';
import { after } from './order.js';
import type { DropoutSite } from './random.js';
import type { RotaryTable } from './rotary.js';

export interface AttentionOptions {
  readonly numHeads: number;
  /** Angles of T positions. */
  readonly rotary: RotaryTable;
  /** [B, T] float32: 1 = may be attended to, 0 = padding; at least one position of every cell must be open. */
  readonly canAttend: tf.Tensor2D;
  /** Q: only so many first positions ask; all of them when absent. */
  readonly numQueries?: number | undefined;
  /** Dropout on the attention probabilities; none when absent. */
  readonly site?: DropoutSite | undefined;
  /** Entries of the attention matrices worked on at a time, at least one matrix. */
  readonly pieceEntries?: number;
}

/** Bounds what a pass holds beside its inputs and outputs, and keeps it near the cores: 16 MB of bfloat16 in all. */
const PIECE_ENTRIES = 1 << 22;

/**
 * Multi-head self-attention between its projections: rotary positions on queries and keys, softmax(q kᵀ / √K) v over the open
 * positions. The backward pass computes the attention matrices anew, from the logarithm of each row's denominator
 * (FlashAttention; Dao et al., 2022), so that no T × T matrix outlives the piece it is worked on in.
 * @param qkv [B, T, 3D] float32, the projections to queries, keys and values side by side, each head by head
 * @returns [B, Q, D] float32
 */
export function attention(qkv: tf.Tensor3D, options: AttentionOptions): tf.Tensor3D {
  return tf.tidy(() => {
    const { numHeads, canAttend, rotary, site, pieceEntries = PIECE_ENTRIES } = options;
    const [B, T, width] = qkv.shape;
    const Q = options.numQueries ?? T;
    const plan: Plan = { shape: { B, T, Q, H: numHeads, K: width / 3 / numHeads }, atATime: Math.max(1, Math.min(B * numHeads, Math.floor(pieceEntries / (Q * T)))), site };
    const constants = { canAttend, cos: rotary.cos, sin: rotary.sin, seed: site && site.rate > 0 ? site.seed : tf.zeros([2], 'int32') };
    const run = tf.customGrad((...args) => {
      const [qkv, save] = args as unknown as [tf.Tensor3D, tf.GradSaveFunc];
      const { o, logSum } = forward(qkv, constants as Constants, plan);
      // Saved and not just closed over: what a forward pass makes is freed before the backward pass begins.
      save([qkv, o, logSum, ...Object.values(constants)]);
      return {
        value: joinHeads(o, plan),
        gradFunc: (dy: tf.Tensor, [qkv, o, logSum, ...saved]: tf.Tensor[]) => {
          const constants = Object.fromEntries(['canAttend', 'cos', 'sin', 'seed'].map((name, i) => [name, saved[i]])) as unknown as Constants;
          return backward(qkv as tf.Tensor3D, o as tf.Tensor3D, logSum as tf.Tensor2D, dy as tf.Tensor3D, constants, plan);
        },
      };
    });
    return run(qkv) as tf.Tensor3D;
  });
}

type Constants = Omit<AttentionContext, 'site' | 'shape'>;

interface Plan {
  readonly shape: AttentionContext['shape'];
  /** C */
  readonly atATime: number;
  readonly site: DropoutSite | undefined;
}

/** @returns o [N, Q, K], logSum [N, Q] */
function forward(qkv: tf.Tensor3D, constants: Constants, { shape, atATime, site }: Plan): { o: tf.Tensor3D; logSum: tf.Tensor2D } {
  const steps = attentionSteps({ ...constants, shape, site });
  const { q, k, v } = steps.splitHeads(qkv);
  const [o, logSum] = inPieces(q, atATime, (piece, start) => {
    const scores = tf.matMul(piece(q), piece(k), false, true) as tf.Tensor3D; // [C, Q, T]
    const { p, logSum } = steps.softmax(scores, start);
    return [tf.matMul(p, piece(v)), logSum]; // [C, Q, K], [C, Q]
  });
  return { o: o as tf.Tensor3D, logSum: logSum as tf.Tensor2D };
}

function backward(qkv: tf.Tensor3D, o: tf.Tensor3D, logSum: tf.Tensor2D, dy: tf.Tensor3D, constants: Constants, plan: Plan): tf.Tensor {
  const steps = attentionSteps({ ...constants, shape: plan.shape, site: plan.site });
  const { q, k, v } = steps.splitHeads(after(qkv, dy));
  const dO = separateHeads(dy, plan); // [N, Q, K]
  const rowSums = tf.sum(tf.mul(dO, o), -1) as tf.Tensor2D; // [N, Q], D in FlashAttention's terms
  const [dQ, dK, dV] = inPieces(q, plan.atATime, (piece, start) => {
    const [query, key, dOut] = [piece(q), piece(k), piece(dO)];
    const scores = tf.matMul(query, key, false, true) as tf.Tensor3D; // [C, Q, T]
    const dP = tf.matMul(dOut, piece(v), false, true) as tf.Tensor3D; // [C, Q, T]
    const { p, dS } = steps.softmaxGrad(scores, dP, piece(logSum), piece(rowSums), start);
    return [tf.matMul(dS, key), tf.matMul(dS, query, true, false), tf.matMul(p, dOut, true, false)]; // [C, Q, K], [C, T, K], [C, T, K]
  });
  return steps.splitHeadsGrad(dQ as tf.Tensor3D, dK as tf.Tensor3D, dV as tf.Tensor3D);
}

/** [N, Q, K] → [B, Q, D] */
function joinHeads(o: tf.Tensor3D, { shape: { B, Q, H, K } }: Plan): tf.Tensor3D {
  return tf.reshape(tf.transpose(tf.reshape(o, [B, H, Q, K]), [0, 2, 1, 3]), [B, Q, H * K]);
}

/** [B, Q, D] → [N, Q, K] */
function separateHeads(x: tf.Tensor3D, { shape: { B, Q, H, K } }: Plan): tf.Tensor3D {
  return tf.reshape(tf.transpose(tf.reshape(x, [B, Q, H, K]), [0, 2, 1, 3]), [B * H, Q, K]);
}

/**
 * Works through the N matrices a few at a time, each piece after the one before, and puts the results together.
 * @param first what the work of a piece begins with
 * @param work gets a function that cuts its piece out of a tensor of [N, …], and the index of the piece's first matrix
 */
function inPieces(first: tf.Tensor, atATime: number, work: (piece: <T extends tf.Tensor>(x: T) => T, start: number) => tf.Tensor[]): tf.Tensor[] {
  const N = first.shape[0]!;
  const results: tf.Tensor[][] = [];
  for (let start = 0; start < N; start += atATime) {
    const before = results.at(-1)?.[0];
    const piece = <T extends tf.Tensor>(x: T): T => {
      if (atATime >= N) return x;
      const cut = tf.slice(x, [start, ...Array<number>(x.rank - 1).fill(0)], [Math.min(atATime, N - start), ...Array<number>(x.rank - 1).fill(-1)]) as T;
      return before && (x as tf.Tensor) === first ? after(cut, before) : cut;
    };
    results.push(work(piece, start));
  }
  return results[0]!.map((_, i) => (results.length === 1 ? results[0]![i]! : tf.concat(results.map((parts) => parts[i]!), 0)));
}
