import { integrationScores } from '../../metrics/integration/scores.js';
import { takeRows, type SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import { takePoints, type Points } from '../../metrics/points.js';
import type { Rng } from '../../rng.js';
import type { Metrics } from '../../train/task.js';

export interface ScoredCells {
  /** [n] label of each cell; -1 = none. Where no cell has one, the scores that need labels are left out and the others take all cells as one type. */
  readonly labels: Int32Array;
  /** [n] */
  readonly techBatches: Int32Array;
  /** Expression before the integration: adds pcrComparison. */
  readonly before?: SparseMatrix;
}

/** Integration scores of an embedding of n cells as plain numbers; a score that is not defined here is left out. */
export async function scoreEmbedding(embedding: Points, { labels, techBatches, before }: ScoredCells, rng: Rng): Promise<Metrics> {
  const isLabelled = labels.some((label) => label >= 0);
  const kept = Int32Array.from(labels.keys()).filter((i) => !isLabelled || labels[i]! >= 0);
  const take = (codes: Int32Array) => Int32Array.from(kept, (i) => codes[i]!);
  const scores = await integrationScores({
    embedding: kept.length === embedding.numRows ? embedding : takePoints(embedding, kept),
    labels: isLabelled ? take(labels) : new Int32Array(kept.length),
    techBatches: compact(take(techBatches)),
    ...(before && { before: takeRows(before, kept) }),
    rng,
  });
  const plain = Object.entries(scores).filter((entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]));
  return Object.fromEntries(plain.filter(([name]) => isLabelled || !NEED_LABELS.has(name)));
}

const NEED_LABELS = new Set(['nmi', 'ari', 'leidenResolution', 'nmiKmeans', 'ariKmeans', 'aswLabel', 'clisi', 'avgBio', 'scibTotal', 'numSilhouetteCells']);

/** Codes without gaps: a split may lack some batches. */
function compact(codes: Int32Array): Int32Array {
  const present = [...new Set(codes)].sort((a, b) => a - b);
  const recode = new Map(present.map((code, i) => [code, i]));
  return codes.map((code) => recode.get(code)!);
}
