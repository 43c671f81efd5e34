// R regulators, G genes
import { DataError, InterruptedError } from '../../errors.js';
import type { CellBatch } from '../../data/batch.js';
import type { CellFile } from '../../data/readers/reader.js';
import type { Progress } from '../../progress.js';
import { Rng } from '../../rng.js';
import type { Executor } from '../../runtime/program/program.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { cellSource } from '../cell-source.js';
import { evenlySpaced, readCells, type ControlCellOptions, type FileCells } from '../control-cells.js';
import { attentionNetwork, meanOfScaled, type AttentionNetwork } from './attention-network.js';
import { coExpressionNetwork, differentialNetwork, expressionColumns } from './expression.js';
import { filledUp } from './filled-up.js';
import { networkGenes, type NetworkGenes } from './genes.js';
import { knockoutNetwork } from './knockout-network.js';
import { isPerturbationModel, perturbationNetwork, touchedRegulators } from './perturbation-network.js';
import { vectorNetwork } from './vector-network.js';

/**
 * How the strength of an edge is told:
 * - `perturbation`: what a model that was fine-tuned on perturbations predicts of the target when the regulator is perturbed; of regulators it
 *   never saw perturbed, the cosines of gene vectors on the same scale
 * - `vectors`: what the regulator's vector tells of the target's beside those of the other regulators
 * - `dosage`: how the value expected of the target changes when the regulator is raised from low to high in the cells
 * - `removal`: how it changes when the regulator is hidden
 * - `attention`: how much more the target attends to the regulator than their ranks explain; no sign, and below 0 no edge
 */
export const NETWORK_METHODS = ['perturbation', 'vectors', 'dosage', 'removal', 'attention'] as const;
export type NetworkMethod = (typeof NETWORK_METHODS)[number];

/** The best a model can say: what perturbations do, where it has learned that, else what its gene vectors tell. */
export function defaultMethod(checkpoint: Checkpoint): NetworkMethod {
  return isPerturbationModel(checkpoint) ? 'perturbation' : 'vectors';
}

/** The methods that a model knows. */
export function knownMethods(checkpoint: Checkpoint): NetworkMethod[] {
  return NETWORK_METHODS.filter((method) => method !== 'perturbation' || isPerturbationModel(checkpoint));
}

export interface InferOptions extends ControlCellOptions {
  /** Transcription factors; undefined: every gene may regulate. */
  readonly regulators?: readonly string[] | undefined;
  readonly regulatorsFile?: string | undefined;
  /** Default: the default method of the model. */
  readonly methods?: readonly NetworkMethod[] | undefined;
  /** Simple methods on all cells beside them. */
  readonly baselines?: boolean | undefined;
  /** Cells for attention, evenly spaced; and for knock-outs, which cost far more. */
  readonly maxCells?: number | undefined;
  readonly knockoutCells?: number | undefined;
  /** Genes expressed in fewer of the cells are left out. */
  readonly minCells?: number | undefined;
  /** Only these rows of the file: one group of cells. */
  readonly rows?: ReadonlySet<number> | undefined;
  readonly seed?: number | undefined;
}

/** The networks one model sees in some cells; [R, G] each. */
export interface InferredNetworks {
  readonly genes: NetworkGenes;
  readonly numCells: number;
  readonly weights: Readonly<Partial<Record<NetworkMethod, Float64Array>>>;
  /** Where attention was asked for: its heads, and the same without the correction for ranks. */
  readonly attention?: AttentionNetwork;
  readonly uncorrected?: AttentionNetwork;
  /** Networks of simple methods by name. */
  readonly baselines: ReadonlyMap<string, Float64Array>;
  readonly notes: readonly string[];
}

const DEFAULTS = { maxCells: 300, knockoutCells: 40, minCells: 10, batchSize: 16 };

/**
 * Networks of one model over the cells of a file.
 * @throws DataError when the cells cannot be used, none of the regulators is expressed, or a method is asked for that the model does not know
 */
export async function inferNetworks(checkpoint: Checkpoint, executor: Executor, file: CellFile, options: InferOptions = {}): Promise<InferredNetworks> {
  const {
    methods = [defaultMethod(checkpoint)],
    maxCells = DEFAULTS.maxCells,
    knockoutCells = DEFAULTS.knockoutCells,
    minCells = DEFAULTS.minCells,
    batchSize = DEFAULTS.batchSize,
    seed = 0,
  } = options;
  if (methods.includes('perturbation') && !isPerturbationModel(checkpoint))
    throw new DataError({
      file: checkpoint.folder,
      key: '--method',
      found: 'perturbation, but the model has learned no perturbations',
      hint: 'fine-tune it with scdiva finetune perturbation, or use another method',
    });
  const { batches, notes: read } = await readBatches(checkpoint, file, options, maxCells, batchSize);
  const notes = [...read];
  const numCells = batches.reduce((sum, batch) => sum + batch.numCells, 0);
  if (numCells < 2) throw new DataError({ file: file.path, found: `${numCells} cells with genes that the model knows`, expected: 'at least 2' });
  const ids = expressedIds(batches, Math.min(minCells, numCells));
  if (ids.length < 2)
    throw new DataError({
      file: file.path,
      found: `${ids.length} genes expressed in ${Math.min(minCells, numCells)} cells`,
      expected: 'at least 2',
      hint: 'lower --min-cells',
    });
  const genes = networkGenes(ids, checkpoint.vocabulary, options.regulators, options.regulatorsFile);
  const pass = async function* (): AsyncGenerator<CellBatch> {
    yield* batches;
  };
  const whole = options.baselines || methods.includes('perturbation') ? await readWhole(checkpoint, file, options) : undefined;
  const weights: Partial<Record<NetworkMethod, Float64Array>> = {};
  let attention: AttentionNetwork | undefined;
  let uncorrected: AttentionNetwork | undefined;
  if (methods.includes('vectors')) weights.vectors = vectorNetwork(checkpoint, genes, 'conditional');
  if (methods.includes('perturbation')) {
    const cosines = vectorNetwork(checkpoint, genes, 'cosine');
    const { weights: predicted, numTrained } = await tracked(options.progress, 'Perturb regulators', genes.regulators.length, 'regulators', (done) =>
      perturbationNetwork(checkpoint, executor, genes, cosines, file, whole!, {
        ...options,
        maxCells: knockoutCells,
        batchSize: 2 * batchSize,
        onRegulators: done,
      }),
    );
    weights.perturbation = predicted;
    if (numTrained < genes.regulators.length)
      notes.push(
        `${numTrained} of ${genes.regulators.length} regulators were perturbed in training; edges of the others are cosines of gene vectors, on the same scale`,
      );
  }
  if (methods.includes('dosage') || methods.includes('removal')) {
    const most = Math.min(knockoutCells, numCells);
    const { dosage, removal } = await tracked(options.progress, 'Change regulators in cells', most, 'cells', (done) =>
      knockoutNetwork(checkpoint, executor, genes, pass, { maxCells: most, numCells, rng: Rng.fromSeed(seed).fork('knockout'), onCells: done }),
    );
    Object.assign(weights, methods.includes('dosage') && { dosage }, methods.includes('removal') && { removal });
  }
  if (methods.includes('attention')) {
    attention = await tracked(options.progress, 'Attention', 1, 'passes', () => attentionNetwork(checkpoint, executor, genes, pass));
    uncorrected = await tracked(options.progress, 'Attention, uncorrected', 1, 'passes', () =>
      attentionNetwork(checkpoint, executor, genes, pass, { isCorrected: false }),
    );
    weights.attention = attention.mean;
  }
  return {
    genes,
    numCells,
    weights,
    ...(attention && { attention }),
    ...(uncorrected && { uncorrected }),
    baselines: options.baselines ? simpleNetworks(checkpoint, file, whole!, genes, options) : new Map(),
    notes,
  };
}

/** The network of a method, [R, G]; with several models, the mean of theirs, each at unit spread. */
export function combine(networks: readonly InferredNetworks[], method: NetworkMethod): Float64Array {
  return meanOfScaled(networks.map(({ weights }) => weights[method]!));
}

/** Evenly spaced cells as the model is shown them. */
async function readBatches(
  checkpoint: Checkpoint,
  file: CellFile,
  options: InferOptions,
  maxCells: number,
  batchSize: number,
): Promise<{ batches: CellBatch[]; notes: readonly string[] }> {
  const batches: CellBatch[] = [];
  const { batches: source, notes } = await cellSource(file, checkpoint, { ...options, batchSize });
  const rows = options.rows ?? new Set(Array.from({ length: source.numCells }, (_, row) => row));
  const wanted = new Set(evenlySpaced([...rows], maxCells));
  for await (const batch of source) {
    if (options.signal?.aborted) throw new InterruptedError({ file: file.path, found: 'interrupted while cells were read', hint: 'nothing was written' });
    const kept = selectCells(batch, wanted);
    if (kept.numCells > 0) batches.push(kept);
  }
  return { batches, notes };
}

/** All genes of all cells of the group. */
async function readWhole(checkpoint: Checkpoint, file: CellFile, options: InferOptions): Promise<FileCells> {
  const read = await readCells(file, checkpoint, options);
  return options.rows ? { ...read, cells: read.cells.filter(({ row }) => options.rows!.has(row)) } : read;
}

function simpleNetworks(checkpoint: Checkpoint, file: CellFile, whole: FileCells, genes: NetworkGenes, options: InferOptions): Map<string, Float64Array> {
  const columns = expressionColumns(
    whole.cells.map(({ all }) => all),
    genes,
  );
  const pearson = coExpressionNetwork(columns, genes, 'pearson');
  const networks = new Map([
    ['co-expression', pearson],
    ['co-expression, Spearman', coExpressionNetwork(columns, genes, 'spearman')],
  ]);
  const done = isPerturbationModel(checkpoint) ? touchedRegulators(checkpoint, file, whole, genes, options) : undefined;
  if (!done?.touched.some((regulator) => regulator >= 0)) return networks;
  const differential = differentialNetwork(columns, genes, done.touched, done.isKnockout);
  const seen = new Set(done.touched);
  return networks.set('differential expression', differential).set(
    'the same, co-expression elsewhere',
    filledUp(
      differential,
      pearson,
      genes.regulators.map((_, r) => seen.has(r)),
    ),
  );
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
  return {
    ...batch,
    numCells: kept.length,
    geneIds: take(batch.geneIds, (n) => new Int32Array(n)),
    values: take(batch.values, (n) => new Float32Array(n)),
    numGenes: Int32Array.from(kept, (b) => batch.numGenes[b]!),
    cellIndex: Int32Array.from(kept, (b) => batch.cellIndex[b]!),
  };
}

/** Vocabulary ids of genes shown in at least so many cells, ascending. */
function expressedIds(batches: readonly CellBatch[], minCells: number): number[] {
  const counts = new Map<number, number>();
  for (const { numCells, seqLen, numGenes, geneIds } of batches)
    for (let b = 0; b < numCells; b++) for (let l = b * seqLen; l < b * seqLen + numGenes[b]!; l++) counts.set(geneIds[l]!, (counts.get(geneIds[l]!) ?? 0) + 1);
  return [...counts]
    .filter(([, n]) => n >= minCells)
    .map(([id]) => id)
    .sort((a, b) => a - b);
}

async function tracked<T>(
  progress: Progress | undefined,
  title: string,
  total: number,
  unit: string,
  work: (done: (n: number) => void) => Promise<T>,
): Promise<T> {
  const bar = progress?.start(title, total, unit);
  try {
    const result = await work((n) => bar?.update(n));
    bar?.update(total);
    return result;
  } finally {
    bar?.stop();
  }
}
