import { Rng } from '../../rng.js';
import type { CellBatch, CellBatches } from '../batch.js';
import type { Corpus } from '../corpus/corpus.js';
import { RowReader } from '../corpus/row-reader.js';
import { BatchMaker, type BatchMakerOptions, type UnlabelledBatch } from './batch-maker.js';
import { BatchPlan } from './batch-plan.js';
import type { DepthCorruption, LoaderConfig, Preprocessing, Sampling } from './config.js';
import { checkDepth } from './depth.js';
import { balancedWeights, drawRows } from './sampling.js';
import type { WorkerRequest } from './worker.js';
import { WorkerPool } from './worker-pool.js';

export interface LoaderOptions {
  /** Corpus rows of this pass, as `corpus.splitRows` gives them. */
  readonly rows: Int32Array;
  /** Cells a batch; with `part`, over all processes together. */
  readonly batchSize: number;
  /**
   * What this process takes of every batch where several train together: cells rank, rank + worldSize … The batches do not depend on
   * worldSize, so a run goes on with another number of processes at the batch where it stopped. A short last batch can leave some
   * processes without a cell.
   */
  readonly part?: { readonly rank: number; readonly worldSize: number };
  readonly preprocessing: Preprocessing;
  /** The pass's own stream: order, and the streams of single cells. null: in the order of `rows`. */
  readonly rng: Rng | null;
  /** Obs fields whose codes come with every batch. */
  readonly labelKeys?: readonly string[];
  /** Continue after this many batches of the same pass. */
  readonly skipBatches?: number;
  /** Default: none. With rng null the streams of single cells come from seed 0, the same in every pass. */
  readonly depth?: DepthCorruption;
  /** [V] other entropy table than the corpus's own: that of the checkpoint being fine-tuned. */
  readonly entropy?: Float32Array;
  readonly loader: LoaderConfig;
}

/**
 * One pass over cells of a corpus as batches for the model. The batches are a function of the corpus and the options, number
 * of threads excepted: any number of threads gives the same batches in the same order.
 * `numBatches` counts the whole pass, skipped batches included.
 * @throws DataError for an unknown label key; ConfigError for thinning of values that are not counts
 */
export function createLoader(corpus: Corpus, options: LoaderOptions): CellBatches {
  const { preprocessing, rng, skipBatches = 0, depth = { kind: 'none' }, entropy = corpus.entropy } = options;
  checkDepth(depth, corpus.scale);
  if (entropy.length !== corpus.vocabulary.size) throw new RangeError(`entropy has ${entropy.length} entries for a vocabulary of ${corpus.vocabulary.size}`);
  const { rank, worldSize } = options.part ?? { rank: 0, worldSize: 1 };
  if (!(Number.isInteger(rank) && rank >= 0 && rank < worldSize && worldSize <= options.batchSize)) throw new RangeError(`rank ${rank} of ${worldSize} processes for batches of ${options.batchSize} cells`);
  const labels = (options.labelKeys ?? []).map((key): [string, Int32Array] => [key, corpus.labelCodes(key)]);
  const makerOptions: BatchMakerOptions = { preprocessing, scale: corpus.scale, entropy, padId: corpus.vocabulary.padId, depth, cellSeed: cellSeed(rng) };
  const reader = new RowReader(corpus.layouts);
  const length = (row: number): number => Math.min(preprocessing.maxGenes, reader.numGenes(row));
  const rows = rng ? sampledRows(corpus, options.rows, options.loader.sampling, rng) : options.rows;
  const plan = new BatchPlan({ rows, batchSize: options.batchSize, rng, length, sortWindow: options.loader.sortWindow });

  function* requests(): Generator<WorkerRequest> {
    for (let index = skipBatches; index < plan.numBatches; index++) {
      const rows = partOf(plan.rowsOf(index), options.part);
      yield { rows, longest: rows.reduce((longest, row) => Math.max(longest, length(row)), 0) };
    }
  }

  const { numWorkers } = options.loader;
  let pool: WorkerPool | undefined;
  async function close(): Promise<void> {
    reader.close();
    await pool?.close();
    pool = undefined;
  }
  async function* batches(): AsyncGenerator<CellBatch> {
    try {
      if (numWorkers > 0) pool = new WorkerPool({ ...makerOptions, layouts: corpus.layouts }, Math.min(numWorkers, Math.max(1, plan.numBatches - skipBatches)));
      const source: AsyncIterable<UnlabelledBatch> | Iterable<UnlabelledBatch> = pool ? pool.batches(requests()) : makeHere(requests(), new BatchMaker(makerOptions), reader);
      for await (const batch of source) yield { ...batch, labels: Object.fromEntries(labels.map(([key, codes]) => [key, batch.cellIndex.map((row) => codes[row]!)])) };
    } finally {
      await close();
    }
  }
  return { numBatches: plan.numBatches, close, [Symbol.asyncIterator]: batches };
}

function sampledRows(corpus: Corpus, rows: Int32Array, sampling: Sampling | undefined, rng: Rng): Int32Array {
  if (!sampling || sampling.kind === 'once') return rows;
  return drawRows(rows, balancedWeights(rows, corpus.labelCodes(sampling.labelKey), sampling.strength), rng.fork('sampling'));
}

function partOf(rows: Int32Array, part: LoaderOptions['part']): Int32Array {
  return part ? rows.filter((_, i) => i % part.worldSize === part.rank) : rows;
}

function* makeHere(requests: Iterable<WorkerRequest>, maker: BatchMaker, reader: RowReader): Generator<UnlabelledBatch> {
  for (const { rows, longest } of requests) yield maker.make(rows, longest, (row) => reader.read(row));
}

/** A seed can be handed to a thread, a stream cannot. */
function cellSeed(rng: Rng | null): number {
  const stream = (rng ?? Rng.fromSeed(0)).fork('cells');
  return (stream.uint32() & 0x1fffff) * 2 ** 32 + stream.uint32();
}
