import { availableParallelism } from 'node:os';
import { ConfigError } from '../../errors.js';
import type { CellMatrix } from '../readers/reader.js';

/** Below this many rows a build is over before its threads have started. */
const WORTH_THREADS = 20_000;
/** The process without what it reads and makes: the engine, libraries, a file of some cells while it is opened. */
const BASE_BYTES = 200e6;
/** Of the largest file while it is opened: names and offsets of its rows. */
const ROW_BYTES = 170;
/** A thread before it makes anything: the engine and blocks on their way; where readers bring them, the HDF5 library, too. */
const THREAD_BYTES = { inPlace: 60e6, byReaders: 150e6 };
/** An id and a value, in arrays that may have grown. */
const ENTRY_BYTES = 6;
const SAMPLE_ROWS = 256;

interface ThreadRequest {
  readonly vocabularySize: number;
  readonly shardCells: number;
  /** Default: one for each processor, none for a small build. */
  readonly asked: number | undefined;
  readonly memoryBytes: number | undefined;
  /** Whether rows are read from where they lie in the files, without their readers. */
  readonly isInPlace: boolean;
}

/**
 * How many threads make shards; 0: the building thread does. What a thread holds grows with the cells of a shard and their genes, not with
 * the corpus. @throws ConfigError where the memory allowed does not hold one shard
 */
export async function buildThreads(
  matrices: readonly CellMatrix[],
  { vocabularySize, shardCells, asked, memoryBytes, isInPlace }: ThreadRequest,
): Promise<number> {
  const numRows = matrices.reduce((n, { numCells }) => n + numCells, 0);
  // A column-compressed matrix is turned into rows in one pass that threads cannot share.
  const isShared = matrices.every(({ encoding }) => encoding !== 'csc');
  const wanted = !isShared ? 0 : (asked ?? (numRows < WORTH_THREADS ? 0 : availableParallelism()));
  if (memoryBytes === undefined) return wanted;
  const genes = isShared ? await genesPerCell(matrices) : vocabularySize;
  const shardBytes = Math.min(shardCells, numRows) * genes * ENTRY_BYTES;
  const baseBytes = BASE_BYTES + ROW_BYTES * Math.max(...matrices.map(({ numCells }) => numCells));
  const least = baseBytes + shardBytes;
  if (memoryBytes < least) {
    throw new ConfigError({
      key: '--memory',
      found: `${megabytes(memoryBytes)} MB`,
      expected: `at least ${megabytes(least)} MB for shards of ${shardCells} cells`,
      hint: 'give more or make smaller shards with --shard-cells',
    });
  }
  const threadBytes = isInPlace ? THREAD_BYTES.inPlace : THREAD_BYTES.byReaders;
  return Math.min(wanted, Math.floor((memoryBytes - baseBytes) / (threadBytes + shardBytes)));
}

/** The largest mean over the first rows of a matrix. */
async function genesPerCell(matrices: readonly CellMatrix[]): Promise<number> {
  let most = 1;
  for (const matrix of matrices) {
    for await (const { numRows, values } of matrix.rowBlocks({ end: Math.min(SAMPLE_ROWS, matrix.numCells) }))
      most = Math.max(most, values.length / Math.max(1, numRows));
  }
  return most;
}

const megabytes = (bytes: number): number => Math.ceil(bytes / 1e6);
