// B cells, L genes a cell, T = L + 1 positions, M loss rows, D hidden, F inner width, H heads, N layers, V vocabulary, P parameters
import type { ModelConfig } from '../../model/config.js';
import { attentionPieces, entriesAtOnce } from '../../runtime/ops/attention-pieces.js';

/** What one micro-batch of a pretraining is made of. */
export interface StepShape {
  readonly model: ModelConfig;
  /** V */
  readonly vocabSize: number;
  /** B, L */
  readonly numCells: number;
  readonly seqLen: number;
  /** M; by default what masks of t ~ U(0, 1) come to, rounded up to quarters of all slots. */
  readonly numLossRows?: number;
  readonly precision: 'f32' | 'bf16';
  readonly recomputesBlocks: boolean;
  /** Whether what stands between products is one pass over memory each (kernels/ on a CPU, XLA on a GPU), or an op of TensorFlow's after another. */
  readonly isFused: boolean;
}

/** Forward and backward pass of a micro-batch; the optimiser is not among it. */
export interface StepCost {
  /** Of the matrix products that run, recomputation included. */
  readonly flop: number;
  /** Read and written by everything that is no matrix product. */
  readonly trafficBytes: number;
  readonly numOps: number;
  /** Held for the backward pass, and what a block needs while it is worked on. Weights, gradients and moments apart. */
  readonly activationBytes: number;
}

/** Mean of a mask's share of the slots, rounded up to quarters: the mean of 1/4, 2/4, 3/4 and 4/4. */
const MEAN_LOSS_ROWS = 0.625;

/** The largest [M, V] that cross-entropy keeps, and what it works on at a time (runtime/ops/cross-entropy.ts). */
const KEPT_LOGITS = 2 ** 26;
const LOGITS_AT_ONCE = 2 ** 24;

/** Bytes moved for every attention score, position · D, position · F and weight of a layer, and ops a layer and an attention piece. */
interface Traffic {
  readonly score: number;
  readonly hidden: number;
  readonly inner: number;
  readonly weight: number;
  readonly opsPerLayer: number;
  readonly opsPerPiece: number;
}

/** Counted in graphs of the model (test/plan/step-cost.test.ts holds the sum of them against the graph's own). */
const TRAFFIC: Readonly<Record<'f32' | 'bf16', Readonly<Record<'fused' | 'composed' | 'dropout', Traffic>>>> = {
  bf16: {
    fused: { score: 12, hidden: 136, inner: 29, weight: 18, opsPerLayer: 48, opsPerPiece: 14 },
    composed: { score: 128, hidden: 533, inner: 99, weight: 19, opsPerLayer: 185, opsPerPiece: 34 },
    /** On top of composed. */
    dropout: { score: 76, hidden: 136, inner: 0, weight: 0, opsPerLayer: 24, opsPerPiece: 15 },
  },
  f32: {
    fused: { score: 24, hidden: 194, inner: 40, weight: 11.5, opsPerLayer: 32, opsPerPiece: 12 },
    composed: { score: 92, hidden: 709, inner: 180, weight: 11.6, opsPerLayer: 150, opsPerPiece: 30 },
    dropout: { score: 76, hidden: 136, inner: 0, weight: 0, opsPerLayer: 24, opsPerPiece: 15 },
  },
};

/** The same for what is computed a second time, as a share of forward and backward. */
const RECOMPUTED = { fused: 0.33, composed: 0.43 } as const;
/** Embedding, encoder and both heads: bytes for every gene slot · D and every logit. */
const ENDS = { fused: { slot: 190, logit: 18, ops: 210 }, composed: { slot: 260, logit: 46, ops: 250 } } as const;

export function stepCost(shape: StepShape): StepCost {
  const { model, vocabSize: V, numCells: B, seqLen: L, precision, recomputesBlocks, isFused } = shape;
  const { hiddenDim: D, ffnDim: F, numHeads: H, numLayers: N } = model;
  const T = L + 1;
  const M = shape.numLossRows ?? MEAN_LOSS_ROWS * B * L;
  const low = precision === 'bf16' ? 2 : 4;

  // Products: 2 · m · k · n each; the gradient of a product is two more of its size.
  const qkv = 6 * B * T * D * D;
  const scores = 2 * B * T * T * D; // q kᵀ, and p v is as large
  const behind = (rows: number): number => 2 * rows * D * D + 6 * rows * D * F; // output projection, gate, up and down
  const blocks = N * (qkv + 2 * scores) + (N - 1) * behind(B * T) + behind(M); // the last block goes on with the rows the loss is about
  const blockGradients = 2 * (N * qkv + (N - 1) * behind(B * T) + behind(M)) + N * 5 * scores; // attention's computes its scores anew
  const ends = 3 * (2 * 2 * B * L * D * D + 2 * M * D * D);
  const isKept = M * V <= KEPT_LOGITS;
  const logits = (isKept ? 3 : 4) * 2 * M * D * V;
  const flop = blocks + blockGradients + ends + logits + (recomputesBlocks ? blocks : 0);

  const kind = isFused ? 'fused' : 'composed';
  const per = TRAFFIC[precision][kind];
  const dropped = !isFused && model.dropout > 0 ? TRAFFIC[precision].dropout : undefined;
  const sum = (key: keyof Traffic): number => per[key] + (dropped?.[key] ?? 0);
  const again = recomputesBlocks ? 1 + RECOMPUTED[kind] : 1;
  const numScores = B * H * T * T;
  const weights = 4 * D * D + 3 * D * F;
  const layerBytes = sum('score') * numScores + B * T * (sum('hidden') * D + sum('inner') * F) + sum('weight') * weights;
  const trafficBytes = again * N * layerBytes + ENDS[kind].slot * B * L * D + ENDS[kind].logit * M * V;
  const scoresAtOnce = entriesAtOnce(B * H, T, T);
  const numPieces = attentionPieces(B * H, T, T, scoresAtOnce).length;
  const numOps = again * N * (sum('opsPerLayer') + sum('opsPerPiece') * numPieces) + ENDS[kind].ops;

  // A position of a block: the residual stream twice in float32; both normed states, q, k, v, attention's result in two layouts, gate, up and their product.
  const kept = B * T * (8 * D + low * (7 * D + 3 * F) + 4 * H);
  const weightCopies = low * weights; // in the precision of products, queries, keys and values side by side
  const layers = recomputesBlocks ? N * B * T * 4 * D + 2 * kept + weightCopies : N * (kept + weightCopies) + kept;
  const pieces = 5 * scoresAtOnce * low * (isFused ? 1 : 3);
  const heads = 4 * M * D * 4 + (isKept ? low * M * V : 3 * LOGITS_AT_ONCE * low) + (isFused ? 0 : 2 * 4 * Math.min(M * V, LOGITS_AT_ONCE)) + low * V * D;
  return { flop, trafficBytes, numOps, activationBytes: layers + Math.max(pieces, heads) + 6 * 4 * B * L * D };
}
