import { DataError, type ErrorFacts } from '../../errors.js';
import { closeSync, openSync } from 'node:fs';
import { ArrayStore, type CompoundArray, type StoredArray } from './array-store.js';
import type { DatasetStorage } from './dataset-storage.js';
import type { ElementKind, NumberArray } from './hdf5-decode.js';
import { parseReference } from './reference.js';
import { StoredElements } from './stored-elements.js';
import { SyncWorker, WorkerTimeout } from './sync-worker.js';

/**
 * HDF5 files and Zarr folders, read in a worker thread. The libraries that unpack them are compiled C: on a damaged file they can loop
 * for ever, and after a failure the HDF5 library keeps the file open and answers later questions from what it remembers. So each file
 * gets a library in a known state, one that fails is thrown away with its worker, and one that does not answer is stopped.
 *
 * Plain numbers of HDF5 are read from where they lie in the file, past the library, which is about twice as fast (docs/adr/0009). Where
 * anything about them is not as their table of contents says, the library is asked instead, and has the last word.
 */

export type StoreFormat = 'hdf5' | 'zarr';

/** What the worker can be asked. */
export type StoreRequest =
  | { readonly ask: 'open'; readonly format: StoreFormat; readonly path: string }
  | { readonly ask: 'close' }
  | { readonly ask: 'kind' | 'keys' | 'dataset' | 'storage' | 'booleans'; readonly at: string }
  | { readonly ask: 'attribute' | 'referenced'; readonly at: string; readonly name: string }
  | { readonly ask: 'numbers' | 'columns' | 'strings'; readonly at: string; readonly start: number; readonly end: number }
  | { readonly ask: 'fieldNumbers' | 'fieldBooleans' | 'fieldStrings'; readonly at: string; readonly field: string };

/** What an array is, without its contents. */
export interface ArrayDescription {
  readonly shape: readonly number[];
  readonly kind: ElementKind;
  readonly dtype: string;
  readonly chunks: readonly number[] | undefined;
  /** Of records only. */
  readonly fields?: readonly { readonly name: string; readonly kind: ElementKind; readonly dtype: string }[];
}

/** Texts on their way between threads: one long text is copied at the speed of memory, a list of short ones is not. */
export type PackedStrings = { readonly joined: string; readonly count: number } | { readonly list: readonly string[] };

/** Why the worker refused. `facts`: a refusal of ours, word for word; else a failure nobody foresaw. */
export interface StoreFailure {
  readonly facts?: ErrorFacts;
  /** The library ended itself and must not be asked again. */
  readonly isFatal?: boolean;
  readonly message: string;
}

/** A read of at most this many elements takes seconds at worst, on the slowest disk: no answer after ANSWER_LIMIT_MS is none at all. */
const ELEMENTS_PER_ASK = 1 << 24;
const STRINGS_PER_ASK = 1 << 18;
const ANSWER_LIMIT_MS = 60_000;

const WORKER = new URL('./store-worker.js', import.meta.url);
/** A worker whose last file gave no trouble, kept because starting one takes a quarter of a second. */
let idle: SyncWorker | undefined;

/** Ends the worker that is kept for the next file, whose library holds what its last files took: some 40 MB. */
export function stopIdleReader(): void {
  idle?.stop();
  idle = undefined;
}

export interface IsolationOptions {
  /** Milliseconds after which a call that has not returned is given up. Default one minute. */
  readonly answerLimitMs?: number;
}

export class IsolatedStore extends ArrayStore {
  /** doubtful: the worker refused something, and its library may not have cleaned up. gone: it was stopped; what is asked next gets another. */
  private state: 'sound' | 'doubtful' | 'gone' | 'closed' = 'sound';
  private readonly answers = new Map<string, unknown>();
  /** The file itself, for what is read past the library. */
  private fd: number | undefined;

  private constructor(
    readonly path: string,
    private readonly format: StoreFormat,
    private worker: SyncWorker,
    private readonly limitMs: number,
  ) {
    super();
  }

  /** @param path as the user gave it, perhaps with # and a part. @throws DataError when the file cannot be opened */
  static open(path: string, format: StoreFormat, { answerLimitMs = ANSWER_LIMIT_MS }: IsolationOptions = {}): IsolatedStore {
    const worker = idle ?? new SyncWorker(WORKER);
    idle = undefined;
    const store = new IsolatedStore(path, format, worker, answerLimitMs);
    try {
      store.ask({ ask: 'open', format, path: parseReference(path).path });
      return store;
    } catch (error) {
      store.close();
      throw error;
    }
  }

  close(): void {
    if (this.state === 'closed') return;
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
    try {
      if (this.state === 'sound') this.ask({ ask: 'close' });
    } finally {
      if (this.state === 'sound' && idle === undefined) idle = this.worker;
      else if (this.state !== 'gone') this.worker.stop();
      this.state = 'closed';
    }
  }

  kind(at: string): 'group' | 'dataset' | undefined {
    return this.remembered({ ask: 'kind', at }) as 'group' | 'dataset' | undefined;
  }

  keys(at: string): readonly string[] {
    return this.remembered({ ask: 'keys', at }) as readonly string[];
  }

  attribute(at: string, name: string): unknown {
    return this.remembered({ ask: 'attribute', at, name });
  }

  referenced(at: string, name: string): string | undefined {
    return this.remembered({ ask: 'referenced', at, name }) as string | undefined;
  }

  dataset(at: string): StoredArray {
    const description = this.remembered({ ask: 'dataset', at }) as ArrayDescription;
    const access: Access = {
      ask: (request) => this.ask(request),
      storage: () => (this.format === 'hdf5' ? (this.remembered({ ask: 'storage', at }) as DatasetStorage | undefined) : undefined),
      fd: () => this.descriptor(),
    };
    return description.kind === 'compound' ? new IsolatedTable(at, description, access) : new IsolatedArray(at, description, access);
  }

  private descriptor(): number {
    if (this.state === 'closed') throw new Error(`${this.path} is closed`);
    return (this.fd ??= openSync(parseReference(this.path).path, 'r'));
  }

  private remembered(request: StoreRequest): unknown {
    const key = JSON.stringify(request);
    if (!this.answers.has(key)) this.answers.set(key, this.ask(request));
    return this.answers.get(key);
  }

  private ask(request: StoreRequest): unknown {
    if (this.state === 'closed') throw new Error(`${this.path} is closed`);
    if (this.state === 'gone') {
      this.worker = new SyncWorker(WORKER);
      this.state = 'doubtful';
      this.ask({ ask: 'open', format: this.format, path: parseReference(this.path).path });
    }
    let answer;
    try {
      answer = this.worker.ask(request, this.limitMs);
    } catch (error) {
      this.state = 'gone';
      throw error instanceof WorkerTimeout ? this.noAnswer(request) : error;
    }
    if ('value' in answer) return answer.value;
    const { facts, message, isFatal } = answer.error as StoreFailure;
    if (isFatal) this.worker.stop();
    this.state = isFatal ? 'gone' : 'doubtful';
    throw facts ? new DataError(facts) : new Error(message);
  }

  private noAnswer(request: StoreRequest): DataError {
    return new DataError({
      file: this.path,
      key: 'at' in request ? request.at : undefined,
      found: `cannot be read: what unpacks it gave no answer for ${this.limitMs / 1000} s`,
      hint: 'the file is damaged, or its disk hangs: copy or download it again',
    });
  }
}

/** What an array needs of its store. */
interface Access {
  ask(request: StoreRequest): unknown;
  storage(): DatasetStorage | undefined;
  fd(): number;
}

class IsolatedArray implements StoredArray {
  readonly shape: readonly number[];
  readonly kind: ElementKind;
  readonly dtype: string;
  readonly chunks: readonly number[] | undefined;
  /** null: only the library can read it. */
  private elements: StoredElements | null | undefined;

  constructor(
    readonly path: string,
    description: ArrayDescription,
    protected readonly access: Access,
  ) {
    this.shape = description.shape;
    this.kind = description.kind;
    this.dtype = description.dtype;
    this.chunks = description.chunks;
  }

  get length(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  storage(): DatasetStorage | undefined {
    return this.kind === 'number' && this.shape.length === 1 ? this.access.storage() : undefined;
  }

  numbers(start = 0, end = this.shape[0] ?? 1): NumberArray {
    return this.numbersInPlace(start, end) ?? this.numbersOfLibrary(start, end);
  }

  private numbersInPlace(start: number, end: number): NumberArray | undefined {
    if (this.elements === undefined) {
      const storage = this.storage();
      this.elements = storage ? new StoredElements(storage, () => this.access.fd()) : null;
    }
    try {
      return this.elements?.numbers(start, end);
    } catch {
      // Whatever it is, the library judges: it reads the same bytes, or says what is wrong with them.
      this.elements = null;
      return undefined;
    }
  }

  private numbersOfLibrary(start: number, end: number): NumberArray {
    const rowElements = this.shape.slice(1).reduce((product, size) => product * size, 1);
    const step = Math.max(1, Math.floor(ELEMENTS_PER_ASK / Math.max(1, rowElements)));
    if (end - start <= step) return this.access.ask({ ask: 'numbers', at: this.path, start, end }) as NumberArray;
    const first = this.access.ask({ ask: 'numbers', at: this.path, start, end: start + step }) as NumberArray;
    const all = new (first.constructor as new (length: number) => NumberArray)((end - start) * rowElements);
    all.set(first);
    for (let from = start + step; from < end; from += step)
      all.set(this.access.ask({ ask: 'numbers', at: this.path, start: from, end: Math.min(end, from + step) }) as NumberArray, (from - start) * rowElements);
    return all;
  }

  columns(start: number, end: number): NumberArray {
    return this.access.ask({ ask: 'columns', at: this.path, start, end }) as NumberArray;
  }

  booleans(): boolean[] {
    return this.access.ask({ ask: 'booleans', at: this.path }) as boolean[];
  }

  strings(start = 0, end = this.shape[0] ?? 1): string[] {
    const all: string[] = [];
    for (let from = start; from < end; from += STRINGS_PER_ASK) {
      for (const text of unpack(this.access.ask({ ask: 'strings', at: this.path, start: from, end: Math.min(end, from + STRINGS_PER_ASK) }) as PackedStrings))
        all.push(text);
    }
    return all;
  }
}

class IsolatedTable extends IsolatedArray implements CompoundArray {
  override readonly kind = 'compound';
  readonly fields: readonly string[];
  private readonly members: NonNullable<ArrayDescription['fields']>;

  constructor(path: string, description: ArrayDescription, access: Access) {
    super(path, description, access);
    this.members = description.fields ?? [];
    this.fields = this.members.map(({ name }) => name);
  }

  fieldKind(field: string): ElementKind {
    return this.members.find(({ name }) => name === field)!.kind;
  }

  fieldDtype(field: string): string {
    return this.members.find(({ name }) => name === field)!.dtype;
  }

  fieldNumbers(field: string): NumberArray {
    return this.access.ask({ ask: 'fieldNumbers', at: this.path, field }) as NumberArray;
  }

  fieldBooleans(field: string): boolean[] {
    return this.access.ask({ ask: 'fieldBooleans', at: this.path, field }) as boolean[];
  }

  fieldStrings(field: string): string[] {
    return unpack(this.access.ask({ ask: 'fieldStrings', at: this.path, field }) as PackedStrings);
  }
}

const SEPARATOR = '\0';

export function pack(texts: readonly string[]): PackedStrings {
  return texts.some((text) => text.includes(SEPARATOR)) ? { list: texts } : { joined: texts.join(SEPARATOR), count: texts.length };
}

function unpack(packed: PackedStrings): string[] {
  if ('list' in packed) return [...packed.list];
  return packed.count === 0 ? [] : packed.joined.split(SEPARATOR);
}
