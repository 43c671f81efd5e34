// R regulators, G genes
import { DataError, InterruptedError } from '../../errors.js';
import type { CellBatch } from '../../data/batch.js';
import type { CellFile } from '../../data/readers/reader.js';
import type { Progress } from '../../progress.js';
import { Rng } from '../../rng.js';
import { coExpression } from '../../metrics/baselines/co-expression.js';
import { edgeScores, networkScores, pairUniverse, randomNetworkScores, signedScores, type Edge, type NetworkScores, type SignedScores } from '../../metrics/gene-network.js';
import { spearman } from '../../metrics/correlation.js';
import type { Executor } from '../../runtime/program/program.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { cellSource, type ReadOptions } from '../cell-source.js';
import { attentionNetwork, meanOfScaled, type AttentionNetwork } from './attention-network.js';
import { networkGenes, type NetworkGenes } from './genes.js';
import { knockoutNetwork, type KnockoutNetwork } from './knockout-network.js';

export const NETWORK_METHODS = ['attention', 'removal', 'dosage'] as const;
export type NetworkMethod = (typeof NETWORK_METHODS)[number];

export interface InferOptions extends ReadOptions {
  /** Transcription factors; undefined: every gene may regulate. */
  readonly regulators?: readonly string[] | undefined;
  readonly regulatorsFile?: string | undefined;
  /** Cells for attention, evenly spaced; and for knock-outs, which cost far more. */
  readonly maxCells?: number | undefined;
  readonly knockoutCells?: number | undefined;
  /** Genes expressed in fewer of the cells are left out. */
  readonly minCells?: number | undefined;
  /** Only these rows of the file: one group of cells. */
  readonly rows?: ReadonlySet<number> | undefined;
  readonly seed?: number | undefined;
}

/** The networks one model sees in some cells. */
export interface InferredNetworks {
  readonly genes: NetworkGenes;
  readonly numCells: number;
  readonly attention: AttentionNetwork;
  readonly uncorrected: AttentionNetwork;
  readonly knockout: KnockoutNetwork;
  /** [G, G] Pearson correlation over the same cells. */
  readonly coExpression: Float64Array;
  readonly notes: readonly string[];
}

const DEFAULTS = { maxCells: 300, knockoutCells: 40, minCells: 10, batchSize: 16 };

/**
 * Attention, knock-outs and co-expression over the same cells of a file.
 * @throws DataError when the cells cannot be used, or none of the regulators is expressed
 */
export async function inferNetworks(checkpoint: Checkpoint, executor: Executor, file: CellFile, options: InferOptions = {}): Promise<InferredNetworks> {
  const { maxCells = DEFAULTS.maxCells, knockoutCells = DEFAULTS.knockoutCells, minCells = DEFAULTS.minCells, batchSize = DEFAULTS.batchSize, seed = 0 } = options;
  const batches: CellBatch[] = [];
  const { batches: source, notes } = await cellSource(file, checkpoint, { ...options, batchSize });
  const rows = options.rows ?? new Set(Array.from({ length: source.numCells }, (_, row) => row));
  const wanted = new Set(evenly([...rows], maxCells));
  for await (const batch of source) {
    if (options.signal?.aborted) throw new InterruptedError({ file: file.path, found: 'interrupted while cells were read', hint: 'nothing was written' });
    const kept = selectCells(batch, wanted);
    if (kept.numCells > 0) batches.push(kept);
  }
  const numCells = batches.reduce((sum, batch) => sum + batch.numCells, 0);
  if (numCells < 2) throw new DataError({ file: file.path, found: `${numCells} cells with genes that the model knows`, expected: 'at least 2' });
  const ids = expressedIds(batches, Math.min(minCells, numCells));
  if (ids.length < 2) throw new DataError({ file: file.path, found: `${ids.length} genes expressed in ${Math.min(minCells, numCells)} cells`, expected: 'at least 2', hint: 'lower --min-cells' });
  const genes = networkGenes(ids, checkpoint.vocabulary, options.regulators, options.regulatorsFile);
  const pass = async function* (): AsyncGenerator<CellBatch> {
    yield* batches;
  };
  const steps = tracked(options.progress);
  const attention = await steps('Attention', () => attentionNetwork(checkpoint, executor, genes, pass));
  const uncorrected = await steps('Attention, uncorrected', () => attentionNetwork(checkpoint, executor, genes, pass, { isCorrected: false }));
  const knockout = await steps('In-silico knock-outs', () => knockoutNetwork(checkpoint, executor, genes, pass, { maxCells: Math.min(knockoutCells, numCells), numCells, batchSize: 32, rng: Rng.fromSeed(seed).fork('knockout') }));
  return { genes, numCells, attention, uncorrected, knockout, coExpression: correlate(batches, genes), notes };
}

/** The network of a method, [R, G]; with several models, the mean of theirs, each at unit spread. */
export function combine(networks: readonly InferredNetworks[], method: NetworkMethod): Float64Array {
  return meanOfScaled(networks.map((network) => weightsOf(network, method)));
}

export function weightsOf({ attention, knockout }: InferredNetworks, method: NetworkMethod): Float64Array {
  return method === 'attention' ? attention.mean : method === 'removal' ? knockout.removal : knockout.dosage;
}

/** Agreement of the networks of several models: mean Spearman correlation of |weights| over their pairs; undefined for one model. */
export function stability(networks: readonly InferredNetworks[], method: NetworkMethod): number | undefined {
  const pairs = networks.flatMap((a, i) => networks.slice(i + 1).map((b) => spearman(weightsOf(a, method).map(Math.abs), weightsOf(b, method).map(Math.abs))));
  return pairs.length > 0 ? pairs.reduce((sum, r) => sum + r, 0) / pairs.length : undefined;
}

export interface ScoredNetwork {
  readonly name: string;
  readonly scores: NetworkScores;
  readonly reversed: NetworkScores;
  readonly signed?: SignedScores;
}

/** Every network against the true edges, beside co-expression and chance. @param truth sign in weight where known */
export function scoreNetworks(networks: readonly InferredNetworks[], truth: readonly Edge[], regulators: readonly string[] | undefined, seed: number): { methods: ScoredNetwork[]; numTrue: number; numPairs: number; perModel: Record<string, NetworkScores[]> } {
  const [{ genes, coExpression: correlation, attention }] = networks as [InferredNetworks];
  const universe = pairUniverse(truth, regulators);
  const edges = function* (weights: Float64Array, of: NetworkGenes = genes): Generator<Edge> {
    const G = of.genes.length;
    for (let at = 0; at < weights.length; at++) if (weights[at] !== 0) yield { regulator: of.genes[of.regulators[Math.floor(at / G)]!]!, target: of.genes[at % G]!, weight: weights[at]! };
  };
  const hasSigns = truth.some(({ weight = 0 }) => weight !== 0);
  const score = (name: string, weights: Float64Array, isSigned = false): ScoredNetwork => {
    const forward = edgeScores(universe, edges(weights));
    return {
      name,
      scores: networkScores(universe, forward.scores),
      reversed: networkScores(universe, edgeScores(universe, edges(weights), { isReversed: true }).scores),
      ...(hasSigns && isSigned && { signed: signedScores(universe, forward.weights) }),
    };
  };
  const G = genes.genes.length;
  const fromRegulators = Float64Array.from({ length: genes.regulators.length * G }, (_, at) => correlation[genes.regulators[Math.floor(at / G)]! * G + (at % G)]!);
  // Attention below expectation is no edge: scores take |weight|.
  const above = (weights: Float64Array) => weights.map((w) => Math.max(0, w));
  const chance = randomNetworkScores(universe, Rng.fromSeed(seed).fork('random'));
  const methods = [
    score('attention', above(combine(networks, 'attention'))),
    score('attention, uncorrected', above(meanOfScaled(networks.map((network) => network.uncorrected.mean)))),
    score('removal', combine(networks, 'removal')),
    score('dosage', combine(networks, 'dosage'), true),
    score('co-expression', fromRegulators, true),
    { name: 'random', scores: chance, reversed: chance },
  ];
  const heads = attention.heads.map(({ layer, head, weights }) => score(`layer ${layer + 1}, head ${head + 1}`, above(weights)));
  const perModel = Object.fromEntries(NETWORK_METHODS.map((method) => [method, networks.map((network) => networkScores(universe, edgeScores(universe, edges(method === 'attention' ? above(weightsOf(network, method)) : weightsOf(network, method), network.genes)).scores))]));
  return { methods: [...methods, ...heads], numTrue: universe.numTrue, numPairs: universe.numPairs, perModel };
}

function selectCells(batch: CellBatch, wanted: ReadonlySet<number>): CellBatch {
  const kept = Array.from(batch.cellIndex.keys()).filter((b) => wanted.has(batch.cellIndex[b]!));
  if (kept.length === batch.numCells) return batch;
  const L = batch.seqLen;
  const take = <T extends Int32Array | Float32Array>(data: T, make: (length: number) => T): T => {
    const out = make(kept.length * L);
    kept.forEach((b, i) => out.set(data.subarray(b * L, (b + 1) * L), i * L));
    return out;
  };
  return { ...batch, numCells: kept.length, geneIds: take(batch.geneIds, (n) => new Int32Array(n)), values: take(batch.values, (n) => new Float32Array(n)), numGenes: Int32Array.from(kept, (b) => batch.numGenes[b]!), cellIndex: Int32Array.from(kept, (b) => batch.cellIndex[b]!) };
}

/** Vocabulary ids of genes shown in at least so many cells, ascending. */
function expressedIds(batches: readonly CellBatch[], minCells: number): number[] {
  const counts = new Map<number, number>();
  for (const { numCells, seqLen, numGenes, geneIds } of batches) for (let b = 0; b < numCells; b++) for (let l = b * seqLen; l < b * seqLen + numGenes[b]!; l++) counts.set(geneIds[l]!, (counts.get(geneIds[l]!) ?? 0) + 1);
  return [...counts].filter(([, n]) => n >= minCells).map(([id]) => id).sort((a, b) => a - b);
}

function correlate(batches: readonly CellBatch[], genes: NetworkGenes): Float64Array {
  const indptr = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for (const batch of batches) {
    for (let b = 0; b < batch.numCells; b++) {
      for (let l = b * batch.seqLen; l < b * batch.seqLen + batch.numGenes[b]!; l++) {
        const gene = genes.geneAt(batch.geneIds[l]!);
        if (gene < 0) continue;
        indices.push(gene);
        values.push(batch.values[l]!);
      }
      indptr.push(indices.length);
    }
  }
  return coExpression({ numRows: indptr.length - 1, numColumns: genes.genes.length, indptr, indices, values }, genes.genes.map((_, i) => i));
}

function evenly<T>(items: readonly T[], n: number): T[] {
  return items.length <= n ? [...items] : Array.from({ length: n }, (_, i) => items[Math.floor((i * items.length) / n)]!);
}

function tracked(progress: Progress | undefined): <T>(title: string, work: () => Promise<T>) => Promise<T> {
  return async (title, work) => {
    const bar = progress?.start(title, 1, 'steps');
    try {
      const result = await work();
      bar?.update(1);
      return result;
    } finally {
      bar?.stop();
    }
  };
}
