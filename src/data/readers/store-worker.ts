import { workerData } from 'node:worker_threads';
import { ScDivaError } from '../../errors.js';
import type { CompoundArray, StoredArray } from './array-store.js';
import type { DatasetStorage } from './dataset-storage.js';
import type { NumberArray } from './hdf5-decode.js';
import { pack, type ArrayDescription, type StoreFailure, type StoreRequest } from './isolated-store.js';
import { serve, type WorkerChannel } from './sync-worker.js';

/** The thread in which files are opened (see isolated-store.ts): one store at a time. */

type Awaitable<T> = T | Promise<T>;

/** A store as it is here, where reading may be asynchronous. */
export interface HostedStore {
  readonly path: string;
  kind(at: string): 'group' | 'dataset' | undefined;
  keys(at: string): readonly string[];
  attribute(at: string, name: string): unknown;
  referenced(at: string, name: string): string | undefined;
  dataset(at: string): HostedArray;
  close(): void;
}

export interface HostedArray extends Omit<StoredArray, 'numbers' | 'columns' | 'storage' | 'booleans' | 'strings'> {
  numbers(start?: number, end?: number): Awaitable<NumberArray>;
  columns(start: number, end: number): Awaitable<NumberArray>;
  storage?(): DatasetStorage | undefined;
  booleans(): Awaitable<boolean[]>;
  strings(start?: number, end?: number): Awaitable<string[]>;
}

let store: HostedStore | undefined;
let arrays = new Map<string, HostedArray>();

async function handle(request: StoreRequest): Promise<unknown> {
  switch (request.ask) {
    case 'open':
      arrays = new Map();
      store =
        request.format === 'hdf5'
          ? await (await import('./hdf5.js')).Hdf5File.open(request.path)
          : await (await import('./zarr.js')).ZarrFolder.open(request.path);
      return undefined;
    case 'close':
      store?.close();
      store = undefined;
      arrays.clear();
      return undefined;
    case 'kind':
      return store!.kind(request.at);
    case 'keys':
      return store!.keys(request.at);
    case 'attribute':
      return sendable(store!.attribute(request.at, request.name));
    case 'referenced':
      return store!.referenced(request.at, request.name);
    case 'dataset':
      return describe(array(request.at));
    case 'storage':
      return array(request.at).storage?.();
    case 'numbers':
      return owned(await array(request.at).numbers(request.start, request.end));
    case 'columns':
      return owned(await array(request.at).columns(request.start, request.end));
    case 'booleans':
      return array(request.at).booleans();
    case 'strings':
      return pack(await array(request.at).strings(request.start, request.end));
    case 'fieldNumbers':
      return owned(table(request.at).fieldNumbers(request.field));
    case 'fieldBooleans':
      return table(request.at).fieldBooleans(request.field);
    case 'fieldStrings':
      return pack(table(request.at).fieldStrings(request.field));
  }
}

function array(at: string): HostedArray {
  let found = arrays.get(at);
  if (!found) arrays.set(at, (found = store!.dataset(at)));
  return found;
}

function table(at: string): CompoundArray {
  return array(at) as CompoundArray;
}

function describe(found: HostedArray): ArrayDescription {
  const { shape, kind, dtype, chunks } = found;
  if (kind !== 'compound') return { shape, kind, dtype, chunks };
  const records = found as CompoundArray;
  return { shape, kind, dtype, chunks, fields: records.fields.map((name) => ({ name, kind: records.fieldKind(name), dtype: records.fieldDtype(name) })) };
}

/** Only texts, numbers, truth values and lists of such: what else an attribute may hold is nothing to the readers. */
function sendable(value: unknown): unknown {
  if (Array.isArray(value)) return value.every((entry) => ['string', 'number', 'boolean'].includes(typeof entry)) ? value : undefined;
  return ['string', 'number', 'boolean'].includes(typeof value) ? value : undefined;
}

/** An array alone in its buffer, which can then be handed over without a copy. */
function owned(numbers: NumberArray): NumberArray {
  return numbers.byteLength === numbers.buffer.byteLength && numbers.buffer instanceof ArrayBuffer ? numbers : numbers.slice();
}

/** How compiled code ends itself. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'RuntimeError';
}

/** A refusal keeps its words. What fails inside compiled code (a WebAssembly RuntimeError), or asks for more memory than there can be, is the file's fault, too. */
function asFailure(error: unknown): StoreFailure {
  if (error instanceof ScDivaError) {
    const { file, key, found, expected, hint } = error.facts;
    return { facts: { file, key, found, expected, hint }, message: error.message, isFatal: isAbort(error.cause) };
  }
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RangeError || isAbort(error)) {
    return {
      facts: { file: store?.path, found: `cannot be read: ${message}`, hint: 'the file is damaged: copy or download it again' },
      message,
      isFatal: isAbort(error),
    };
  }
  return { message: error instanceof Error ? (error.stack ?? message) : message };
}

serve(workerData as WorkerChannel, (request) => handle(request as StoreRequest), asFailure);
