import { parentPort, workerData } from 'node:worker_threads';
import { describeError, type PlainError } from '../../thread-errors.js';
import { ShardMaker, type OpenedSource, type ShardContext, type ShardRequest, type ShardResult } from './shard-maker.js';

/** A thread of a build: opens the sources for itself and makes the shards it is asked for. */
export type ShardReply =
  { readonly numRows: number } | { readonly index: number; readonly result: ShardResult } | { readonly index: number; readonly error: PlainError };

const context = workerData as ShardContext;
let opened: { readonly s: number; readonly source: Promise<OpenedSource> } | undefined;

/** One source at a time is open: a build can have more of them than a process may have open files. */
async function open(s: number): Promise<OpenedSource> {
  if (opened?.s !== s) {
    const before = opened;
    const { path, matrix } = context.sources[s]!;
    opened = { s, source: openSource(path, matrix) };
    if (before) (await before.source).file.close();
  }
  return opened.source;
}

/** Rows read in place need no reader: its libraries are loaded for the others. */
async function openSource(path: string, matrix: string): Promise<OpenedSource> {
  const { openCellFile } = await import('../readers/open.js');
  const file = await openCellFile(path);
  return { file, matrix: file.matrix(matrix) };
}

const post = (reply: ShardReply): void => parentPort!.postMessage(reply);
const maker = new ShardMaker(context, { open, isSequential: false, onRows: (numRows) => post({ numRows }) });

parentPort!.on('message', (request: ShardRequest) => {
  maker.make(request).then(
    (result) => post({ index: request.index, result }),
    (error: unknown) => post({ index: request.index, error: describeError(error) }),
  );
});
