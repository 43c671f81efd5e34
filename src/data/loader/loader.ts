import { Rng } from '../../rng.js';
import type { BatchPart, CellBatch, CellBatches } from '../batch.js';
import { RowReader } from '../corpus/row-reader.js';
import { loadBatchAddon } from './batch-addon.js';
import { BatchCrew, isForCrew } from './batch-crew.js';
import { BatchMaker, type BatchMakerOptions, type UnlabelledBatch } from './batch-maker.js';
import { BatchPlan } from './batch-plan.js';
import { inOrder, type BatchRequest, type BatchSource } from './batch-source.js';
import { checkPart, partOf } from './batch-part.js';
import type { DepthCorruption, LoaderConfig, Preprocessing } from './config.js';
import { checkDepth } from './depth.js';
import type { CellSource } from './mixture.js';
import { passRows } from './sampling.js';
import { WorkerPool } from './worker-pool.js';

export interface LoaderOptions {
  /** Corpus rows of this pass, as `corpus.splitRows` gives them. */
  readonly rows: Int32Array;
  /** Cells a batch; with `part`, over all processes together. */
  readonly batchSize: number;
  /** Where several processes train together: what this one takes of every batch. */
  readonly part?: BatchPart | undefined;
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
 * One pass over cells of a corpus, or of several, as batches for the model. The batches are a function of the corpus and the options, number
 * of threads excepted: any number of threads gives the same batches in the same order.
 * `numBatches` counts the whole pass, skipped batches included.
 * @throws DataError for an unknown label key; ConfigError for thinning of values that are not counts
 */
export function createLoader(corpus: CellSource, options: LoaderOptions): CellBatches {
  const { preprocessing, rng, skipBatches = 0, depth = { kind: 'none' }, entropy = corpus.entropy } = options;
  checkDepth(depth, corpus.scale);
  if (entropy.length !== corpus.vocabulary.size) throw new RangeError(`entropy has ${entropy.length} entries for a vocabulary of ${corpus.vocabulary.size}`);
  checkPart(options.part, options.batchSize);
  const labels = (options.labelKeys ?? []).map((key): [string, Int32Array] => [key, corpus.labelCodes(key)]);
  const makerOptions: BatchMakerOptions = { preprocessing, scale: corpus.scale, entropy, padId: corpus.vocabulary.padId, depth, cellSeed: cellSeed(rng) };
  const reader = new RowReader(corpus.layouts);
  const length = (row: number): number => Math.min(preprocessing.maxGenes, reader.numGenes(row));
  const rows = rng ? passRows(corpus, options.rows, options.loader.sampling, rng) : options.rows;
  const plan = new BatchPlan({ rows, batchSize: options.batchSize, rng, length, sortWindow: options.loader.sortWindow });

  function longestOf(rows: Int32Array): number {
    let longest = 0;
    for (const row of rows) longest = Math.max(longest, length(row));
    return longest;
  }
  function* requests(): Generator<BatchRequest> {
    for (let index = skipBatches; index < plan.numBatches; index++) {
      const rows = partOf(plan.rowsOf(index), options.part);
      yield { rows, longest: longestOf(rows) };
    }
  }

  let maker: BatchMaker | undefined;
  const makeHere = ({ rows, longest }: BatchRequest): UnlabelledBatch =>
    (maker ??= new BatchMaker(makerOptions)).make(rows, longest, (row) => reader.read(row));

  async function startThreads(): Promise<BatchSource | undefined> {
    const numThreads = Math.min(options.loader.numWorkers, Math.max(1, plan.numBatches - skipBatches));
    if (numThreads === 0) return undefined;
    const addon = options.loader.compiledLoops && isForCrew(makerOptions, corpus.layouts) ? await loadBatchAddon() : undefined;
    return addon
      ? new BatchCrew(addon, makerOptions, corpus.layouts, numThreads, makeHere)
      : new WorkerPool({ ...makerOptions, layouts: corpus.layouts }, numThreads);
  }

  let threads: BatchSource | undefined;
  async function close(): Promise<void> {
    reader.close();
    await threads?.close();
    threads = undefined;
  }
  async function* batches(): AsyncGenerator<CellBatch> {
    try {
      threads = await startThreads();
      const source = threads ? threads.batches(requests()) : inOrder(requests(), 1, async (request) => makeHere(request));
      for await (const batch of source)
        yield { ...batch, labels: Object.fromEntries(labels.map(([key, codes]) => [key, batch.cellIndex.map((row) => codes[row]!)])) };
    } finally {
      await close();
    }
  }
  return { numBatches: plan.numBatches, close, recycle: (batch) => threads?.recycle?.(batch), [Symbol.asyncIterator]: batches };
}

/** A seed can be handed to a thread, a stream cannot. */
function cellSeed(rng: Rng | null): number {
  const stream = (rng ?? Rng.fromSeed(0)).fork('cells');
  return (stream.uint32() & 0x1fffff) * 2 ** 32 + stream.uint32();
}
