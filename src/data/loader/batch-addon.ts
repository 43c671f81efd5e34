import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { SetupError } from '../../errors.js';
import { compileLibrary, libraryPlace, type CompileOptions, type Library, type LibraryPlace } from '../../toolchain/library.js';
import type { ShardLayout } from '../corpus/shard-layout.js';

/** Plain data: what the threads of batches/ make batches of, the same for all of a pass. */
export interface CrewSettings {
  /** Of shards with 16-bit ids and counts. */
  readonly layouts: readonly Pick<ShardLayout, 'file' | 'numCells' | 'indptr' | 'geneIds' | 'values' | 'total'>[];
  /** [V] what a gene's value is multiplied with to rank it; finite, >= 0. */
  readonly weights: Float32Array;
  readonly targetSum: number;
  readonly padId: number;
}

/** Threads that have been started: C++'s own. */
type Crew = object;

/** batches/, compiled. */
export interface BatchAddon {
  /** Keeps the process from ending until `stop`. */
  start(settings: CrewSettings, numThreads: number): Crew;
  /**
   * Has the cells of `rows` [B] ranked into `geneIds` [B, L], `values` [B, L] and `numGenes` [B], L >= 1, padding included: those of a cell
   * that are best, at most L. Nothing may touch the arrays until `done` is called.
   * @param done whether it is certain that they hold what JavaScript would have written; where it is not, they hold anything
   */
  ask(crew: Crew, rows: Int32Array, geneIds: Int32Array, values: Float32Array, numGenes: Int32Array, done: (isMade: boolean) => void): void;
  /** Ends the threads. What has not begun is not made. */
  stop(crew: Crew): void;
}

/** batches/: reading, scoring and ranking of a batch's cells. */
const BATCHES: Library = {
  name: 'batches',
  flags: ['-I', (createRequire(import.meta.url)('node-api-headers') as { include_dir: string }).include_dir],
  without: 'loader.compiledLoops: false does without',
};

export const batchLibrary = (cache?: string): Promise<LibraryPlace> => libraryPlace(BATCHES, cache);

/**
 * Compiles it for this processor (about five seconds), unless it has been done.
 * @throws SetupError where there is no compiler, it fails, or the system is another one than Linux
 */
export async function buildBatchAddon(options?: CompileOptions): Promise<string> {
  if (process.platform !== 'linux') throw new SetupError({ found: `batches/ is for Linux, not ${process.platform}` });
  return compileLibrary(BATCHES, [], options);
}

let loading: Promise<BatchAddon | undefined> | undefined;

/**
 * The addon, loaded once a thread, compiled first where that has not been done. Without it batches are the same, made by WebAssembly at
 * twice the cost, and that is said.
 * @param notice told in one line why there is none
 */
export function loadBatchAddon(notice: (line: string) => void = (line) => process.emitWarning(line, 'ScDiva')): Promise<BatchAddon | undefined> {
  return (loading ??= load(notice));
}

async function load(notice: (line: string) => void): Promise<BatchAddon | undefined> {
  try {
    const module = { exports: {} };
    process.dlopen(module, await buildBatchAddon(), constants.dlopen.RTLD_NOW);
    return module.exports as BatchAddon;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    notice(`the loader goes on with WebAssembly, slower: ${error.message}`);
    return undefined;
  }
}
