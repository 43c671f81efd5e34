// B cells, T positions, the first Q of them ask, H heads, K head width, D = H · K, N = B · H attention matrices; in a piece C of them, or R rows of one
import * as tf from '@tensorflow/tfjs-core';
import { attentionSteps, type AttentionContext } from './attention-steps.js';
import { attentionPieces, entriesAtOnce, type AttentionPiece } from './attention-pieces.js';
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
  /** Entries of the attention matrices worked on at a time: whole matrices, or rows of one where a matrix is larger; at least a row. */
  readonly pieceEntries?: number;
}

/**
 * Multi-head self-attention between its projections: rotary positions on queries and keys, softmax(q kᵀ / √K) v over the open
 * positions. The backward pass computes the attention matrices anew, from the logarithm of each row's denominator
 * (FlashAttention; Dao et al., 2022), so that no T × T matrix outlives the piece it is worked on in.
 * @param qkv [B, T, 3D] float32, the projections to queries, keys and values side by side, each head by head
 * @returns [B, Q, D] float32
 */
export function attention(qkv: tf.Tensor3D, options: AttentionOptions): tf.Tensor3D {
  return tf.tidy(() => {
    const { numHeads, canAttend, rotary, site } = options;
    const [B, T, width] = qkv.shape;
    const Q = options.numQueries ?? T;
    const pieceEntries = options.pieceEntries ?? entriesAtOnce(B * numHeads, Q, T);
    const plan: Plan = { shape: { B, T, Q, H: numHeads, K: width / 3 / numHeads }, pieces: attentionPieces(B * numHeads, Q, T, pieceEntries), site };
    const constants = { canAttend, cos: rotary.cos, sin: rotary.sin, seed: site && site.rate > 0 ? site.seed : tf.zeros([2], 'int32') };
    const names = Object.keys(constants);
    const run = tf.customGrad((...args) => {
      const [qkv, save] = args as unknown as [tf.Tensor3D, tf.GradSaveFunc];
      const { o, logSum } = forward(qkv, constants as Constants, plan);
      // Saved and not just closed over: what a forward pass makes is freed before the backward pass begins.
      save([qkv, o, logSum, ...Object.values(constants)]);
      return {
        value: joinHeads(o, plan),
        gradFunc: (dy: tf.Tensor, [qkv, o, logSum, ...saved]: tf.Tensor[]) => {
          const constants = Object.fromEntries(names.map((name, i) => [name, saved[i]])) as unknown as Constants;
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
  readonly pieces: readonly AttentionPiece[];
  readonly site: DropoutSite | undefined;
}

/** @returns o [N, Q, K], logSum [N, Q] */
function forward(qkv: tf.Tensor3D, constants: Constants, { shape, pieces, site }: Plan): { o: tf.Tensor3D; logSum: tf.Tensor2D } {
  const { B, H, Q, K } = shape;
  const steps = attentionSteps({ ...constants, shape, site });
  const { q, k, v } = steps.splitHeads(qkv);
  const done: { o: tf.Tensor; logSum: tf.Tensor }[] = [];
  for (const piece of pieces) {
    const query = queriesOf(
      inTurn(
        q,
        done.slice(-1).map(({ o }) => o),
      ),
      piece,
    ); // [C, R, K]
    const scores = tf.matMul(query, matricesOf(k, piece), false, true) as tf.Tensor3D; // [C, R, T]
    const { p, logSum } = steps.softmax(scores, piece);
    done.push({ o: tf.matMul(p, matricesOf(v, piece)), logSum }); // [C, R, K], [C, R]
  }
  return {
    o: joinRows(
      done.map(({ o }) => o),
      [B * H, Q, K],
    ) as tf.Tensor3D,
    logSum: joinRows(
      done.map(({ logSum }) => logSum),
      [B * H, Q],
    ) as tf.Tensor2D,
  };
}

function backward(qkv: tf.Tensor3D, o: tf.Tensor3D, logSum: tf.Tensor2D, dy: tf.Tensor3D, constants: Constants, plan: Plan): tf.Tensor {
  const { B, H, Q, K } = plan.shape;
  const steps = attentionSteps({ ...constants, shape: plan.shape, site: plan.site });
  const { q, k, v } = steps.splitHeads(after(qkv, dy));
  const dO = separateHeads(dy, plan); // [N, Q, K]
  const rowSums = tf.sum(tf.mul(dO, o), -1) as tf.Tensor2D; // [N, Q], D in FlashAttention's terms
  const dQ: tf.Tensor[] = [];
  const [dK, dV]: [tf.Tensor[], tf.Tensor[]] = [[], []]; // one a group of matrices
  for (const piece of plan.pieces) {
    const before = [dQ, dK, dV].flatMap((parts) => parts.slice(-1)); // all that a piece makes: what is left for later keeps its matrices
    const [query, dOut] = [queriesOf(inTurn(q, before), piece), queriesOf(inTurn(dO, before), piece)]; // [C, R, K]
    const key = matricesOf(k, piece); // [C, T, K]
    const scores = tf.matMul(query, key, false, true) as tf.Tensor3D; // [C, R, T]
    const dP = tf.matMul(dOut, matricesOf(v, piece), false, true) as tf.Tensor3D; // [C, R, T]
    const { p, dS } = steps.softmaxGrad(scores, dP, queriesOf(logSum, piece), queriesOf(rowSums, piece), piece);
    dQ.push(tf.matMul(dS, key)); // [C, R, K]
    for (const [sums, factor, rows] of [
      [dK, dS, query],
      [dV, p, dOut],
    ] as const) {
      const part = tf.matMul(factor, rows, true, false); // [C, T, K]
      sums.push(piece.query === 0 ? part : tf.add(sums.pop()!, part)); // further rows of the same matrix
    }
  }
  return steps.splitHeadsGrad(joinRows(dQ, [B * H, Q, K]) as tf.Tensor3D, join(dK) as tf.Tensor3D, join(dV) as tf.Tensor3D);
}

/** [N, Q, K] → [B, Q, D] */
function joinHeads(o: tf.Tensor3D, { shape: { B, Q, H, K } }: Plan): tf.Tensor3D {
  return tf.reshape(tf.transpose(tf.reshape(o, [B, H, Q, K]), [0, 2, 1, 3]), [B, Q, H * K]);
}

/** [B, Q, D] → [N, Q, K] */
function separateHeads(x: tf.Tensor3D, { shape: { B, Q, H, K } }: Plan): tf.Tensor3D {
  return tf.reshape(tf.transpose(tf.reshape(x, [B, Q, H, K]), [0, 2, 1, 3]), [B * H, Q, K]);
}

/** The piece's matrices of [N, …]. */
function matricesOf<T extends tf.Tensor>(x: T, { matrix, numMatrices }: AttentionPiece): T {
  return numMatrices === x.shape[0] ? x : (tf.slice(x, [matrix], [numMatrices]) as T);
}

/** The piece's queries of [N, Q, …]. */
function queriesOf<T extends tf.Tensor>(x: T, { matrix, numMatrices, query, numQueries }: AttentionPiece): T {
  return numMatrices === x.shape[0] && numQueries === x.shape[1] ? x : (tf.slice(x, [matrix, query], [numMatrices, numQueries]) as T);
}

/** Each piece after the one before it, or all would be held at once. */
const inTurn = <T extends tf.Tensor>(x: T, before: readonly tf.Tensor[]): T => before.reduce((later: T, earlier) => after(later, earlier), x);

const join = (parts: tf.Tensor[]): tf.Tensor => (parts.length === 1 ? parts[0]! : tf.concat(parts, 0));

/** Pieces [C, R, …] in their order are the rows of [N, Q, …] in theirs. */
function joinRows(parts: tf.Tensor[], shape: number[]): tf.Tensor {
  return parts.length === 1
    ? parts[0]!
    : tf.reshape(
        tf.concat(
          parts.map((part) => tf.reshape(part, [-1, ...shape.slice(2)])),
          0,
        ),
        shape,
      );
}
