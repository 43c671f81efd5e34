import { opendirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { open as openFile, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as zarrita from 'zarrita';
import { DataError } from '../../errors.js';
import { checkDeclared } from './declared-limits.js';
import { asBooleans, wideIntegers, type ElementKind, type NumberArray } from './hdf5-decode.js';
import type { HostedArray, HostedStore } from './store-worker.js';

/** What the metadata of one node say, in either version of the format. */
interface Node {
  readonly kind: 'group' | 'dataset';
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly array?: { readonly shape: readonly number[]; readonly chunks: readonly number[]; readonly dtype: string };
}

/** A Zarr folder open for reading. The metadata of each node are read from its own folder, never from a consolidated copy. */
export class ZarrFolder implements HostedStore {
  private readonly nodes = new Map<string, Node | undefined>();

  private constructor(readonly path: string) {}

  /** @throws DataError when the folder is no Zarr group */
  static open(path: string): ZarrFolder {
    const folder = new ZarrFolder(path);
    if (folder.kind('/') !== 'group') throw new DataError({ file: path, found: 'is no Zarr group', expected: 'a folder with .zgroup or zarr.json' });
    return folder;
  }

  close(): void {
    this.nodes.clear();
  }

  kind(at: string): 'group' | 'dataset' | undefined {
    return this.node(at)?.kind;
  }

  keys(at: string): readonly string[] {
    if (this.kind(at) !== 'group') return [];
    const below = at === '/' ? '' : `${at}/`;
    const names = readdirSync(this.folder(at), { withFileTypes: true })
      .filter((entry) => !entry.isFile())
      .map(({ name }) => name);
    return names.filter((name) => this.kind(below + name) !== undefined).sort();
  }

  attribute(at: string, name: string): unknown {
    const attributes = this.node(at)?.attributes ?? {};
    return Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  }

  /** Zarr has no references. */
  referenced(): undefined {
    return undefined;
  }

  dataset(at: string): ZarrArray {
    const node = this.node(at);
    if (!node?.array) throw new DataError({ file: this.path, key: at, found: 'no such array' });
    const parent = at.slice(0, Math.max(0, at.lastIndexOf('/')));
    const { shape, chunks, dtype } = node.array;
    // What is in it is asked of the whole folder, and only where much is declared: an array of zeros needs no chunk at all.
    const container = { name: 'folder', size: (enough: number) => (enough <= NEVER_MUCH ? enough : folderSize(this.path, enough)) } as const;
    checkDeclared(this.path, at, { shape, isText: dtype === 'str', chunkBytes: chunks.reduce((product, n) => product * n, bytesOf(dtype)) }, container);
    const isSparse = /^cs[rc]_matrix$/.test(String(this.attribute(parent, 'encoding-type')));
    // A chunk that is not there stands for one full of the fill value. Stored values of a sparse matrix are no zeros.
    return new ZarrArray(this.path, at, this.folder(at), node.array, isSparse && basename(at) === 'data');
  }

  private folder(at: string): string {
    return at === '/' ? this.path : join(this.path, ...at.split('/'));
  }

  private node(at: string): Node | undefined {
    if (!this.nodes.has(at)) this.nodes.set(at, this.readNode(at));
    return this.nodes.get(at);
  }

  private readNode(at: string): Node | undefined {
    const json = (name: string): Record<string, unknown> | undefined => this.readJson(at, name);
    const version3 = json('zarr.json');
    if (version3) {
      const attributes = (version3['attributes'] ?? {}) as Record<string, unknown>;
      if (version3['node_type'] === 'group') return { kind: 'group', attributes };
      return { kind: 'dataset', attributes, array: this.layout(at, version3['shape'], chunkShape(version3), dtypeOfVersion3(version3['data_type'])) };
    }
    const array = json('.zarray');
    if (array) return { kind: 'dataset', attributes: json('.zattrs') ?? {}, array: this.layout(at, array['shape'], array['chunks'], dtypeOfVersion2(array)) };
    return json('.zgroup') ? { kind: 'group', attributes: json('.zattrs') ?? {} } : undefined;
  }

  private layout(at: string, shape: unknown, chunks: unknown, dtype: string): NonNullable<Node['array']> {
    const areSizes = (sizes: unknown, least: number): sizes is number[] =>
      Array.isArray(sizes) && sizes.every((size) => Number.isSafeInteger(size) && size >= least);
    if (!areSizes(shape, 0) || !areSizes(chunks, 1) || shape.length !== chunks.length)
      throw new DataError({
        file: this.path,
        key: at,
        found: `shape ${JSON.stringify(shape)} in chunks of ${JSON.stringify(chunks)}`,
        expected: 'lists of sizes',
        hint: 'the metadata are damaged: copy or write the folder again',
      });
    return { shape, chunks, dtype };
  }

  private readJson(at: string, name: string): Record<string, unknown> | undefined {
    const path = join(this.folder(at), name);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw new DataError({ file: path, found: code === 'EACCES' ? 'cannot be read: permission denied' : `cannot be read (${code})`, cause });
    }
    try {
      // Python writes NaN and infinity into JSON, which the standard does not know: they occur as fill values only.
      const value: unknown = JSON.parse(text.replace(/(:\s*)(NaN|-?Infinity)\b/g, '$1null'));
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    } catch (cause) {
      throw new DataError({ file: path, found: 'is no JSON', hint: 'the metadata are damaged: copy or write the folder again', cause });
    }
    throw new DataError({ file: path, found: 'is no JSON object', hint: 'the metadata are damaged: copy or write the folder again' });
  }
}

/** Bytes that any folder of cells may be taken to have. */
const NEVER_MUCH = 2 ** 16;

/** Bytes of all files below a folder; counting ends where there are enough. */
function folderSize(path: string, enough: number): number {
  let bytes = 0;
  const folder = opendirSync(path);
  try {
    for (let entry = folder.readSync(); entry && bytes < enough; entry = folder.readSync()) {
      const below = join(path, entry.name);
      if (entry.isDirectory()) bytes += folderSize(below, enough - bytes);
      else if (entry.isFile()) bytes += statSync(below).size;
    }
  } finally {
    folder.closeSync();
  }
  return bytes;
}

/** Of one element; a text is taken for a reference to one. */
function bytesOf(dtype: string): number {
  return Number(/\d+$/.exec(dtype)?.[0] ?? 64) / 8;
}

/** What is unpacked at a time: of an array in shards the chunks within them. */
function chunkShape(metadata: Record<string, unknown>): unknown {
  interface Named {
    readonly name?: unknown;
    readonly configuration?: { readonly chunk_shape?: unknown };
  }
  const codecs = Array.isArray(metadata['codecs']) ? (metadata['codecs'] as readonly (Named | null)[]) : [];
  const sharding = codecs.find((codec) => codec?.name === 'sharding_indexed');
  return (sharding ?? (metadata['chunk_grid'] as Named | null | undefined))?.configuration?.chunk_shape;
}

/** numpy's word for `<f4`, `|O` … */
function dtypeOfVersion2({ dtype, filters }: Record<string, unknown>): string {
  const [, letter, bytes] = /^[<>|]?([a-zA-Z])(\d*)$/.exec(String(dtype)) ?? [];
  const bits = Number(bytes) * 8;
  if (letter === 'O') return Array.isArray(filters) && filters.some((filter) => (filter as { id?: unknown }).id === 'vlen-utf8') ? 'str' : 'object';
  if (letter === 'U' || letter === 'S') return 'str';
  if (letter === 'b') return 'bool';
  const word = { i: 'int', u: 'uint', f: 'float' }[letter ?? ''];
  return word === undefined ? String(dtype) : `${word}${bits}`;
}

function dtypeOfVersion3(dataType: unknown): string {
  const word = typeof dataType === 'string' ? dataType : String((dataType as { name?: unknown } | undefined)?.name);
  return word === 'string' ? 'str' : word;
}

function kindOf(dtype: string): ElementKind {
  if (dtype === 'str') return 'string';
  if (dtype === 'bool') return 'boolean';
  return /^(u?int(8|16|32|64)|float(16|32|64))$/.test(dtype) ? 'number' : 'other';
}

/** What a chunk unpacks to. */
type ChunkData = NumberArray | BigInt64Array | BigUint64Array | { readonly length: number; get(i: number): unknown } | readonly unknown[];
interface Chunk {
  readonly data: ChunkData;
  readonly stride: readonly number[];
}

/** One array of a Zarr folder, of one or two dimensions. */
class ZarrArray implements HostedArray {
  readonly shape: readonly number[];
  readonly chunks: readonly number[];
  readonly dtype: string;
  readonly kind: ElementKind;
  private opening: Promise<zarrita.Array<zarrita.DataType>> | undefined;

  constructor(
    private readonly file: string,
    readonly path: string,
    private readonly folder: string,
    layout: NonNullable<Node['array']>,
    private readonly needsEveryChunk: boolean,
  ) {
    this.shape = layout.shape;
    this.chunks = layout.chunks;
    this.dtype = layout.dtype;
    this.kind = kindOf(layout.dtype);
  }

  get length(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  async numbers(start = 0, end = this.shape[0] ?? 1): Promise<NumberArray> {
    const [, numColumns = 1] = this.shape;
    return this.region([start, end], [0, numColumns]);
  }

  async columns(start: number, end: number): Promise<NumberArray> {
    return this.region([0, this.shape[0] ?? 1], [start, end]);
  }

  async booleans(): Promise<boolean[]> {
    return asBooleans(await this.numbers(), { file: this.file, key: this.path });
  }

  async strings(start = 0, end = this.shape[0] ?? 1): Promise<string[]> {
    if (this.kind !== 'string') throw this.unreadable(`holds ${this.dtype}`, 'strings');
    const texts = new Array<string>(end - start);
    await this.eachPiece([start, end], [0, 1], ({ data }, from, to, count) => {
      for (let i = 0; i < count; i++) {
        const text = Array.isArray(data) ? (data as readonly unknown[])[from + i] : (data as { get(i: number): unknown }).get(from + i);
        if (typeof text !== 'string') throw this.unreadable('has a chunk missing', 'every text of it');
        texts[to + i] = text;
      }
    });
    return texts;
  }

  private async region(rows: readonly [number, number], columns: readonly [number, number]): Promise<NumberArray> {
    if (this.kind !== 'number' && this.kind !== 'boolean')
      throw this.unreadable(`holds ${this.kind === 'string' ? 'strings' : `values of type ${this.dtype}, which cannot be read here`}`, 'numbers');
    const numbers = emptyNumbers(this.dtype, (rows[1] - rows[0]) * (columns[1] - columns[0]));
    await this.eachPiece(rows, columns, ({ data }, from, to, count, step) => {
      const values = asNumbers(data);
      if (step === 1) numbers.set(values.subarray(from, from + count), to);
      else for (let i = 0; i < count; i++) numbers[to + i] = values[from + i * step]!;
    });
    return numbers;
  }

  /** Hands out, chunk by chunk, each run of the region that lies in one row of one chunk. */
  private async eachPiece(
    [firstRow, lastRow]: readonly [number, number],
    [firstColumn, lastColumn]: readonly [number, number],
    use: (chunk: Chunk, from: number, to: number, count: number, step: number) => void,
  ): Promise<void> {
    if (this.shape.length > 2 || this.shape.length === 0) throw this.unreadable(`has ${this.shape.length} dimensions`, 'one or two');
    const [chunkRows, chunkColumns = 1] = this.chunks as [number, number?];
    const isMatrix = this.shape.length === 2;
    const width = lastColumn - firstColumn;
    for (let chunkRow = Math.floor(firstRow / chunkRows); chunkRow * chunkRows < lastRow; chunkRow++) {
      for (let chunkColumn = Math.floor(firstColumn / chunkColumns); chunkColumn * chunkColumns < lastColumn; chunkColumn++) {
        const chunk = await this.chunk(isMatrix ? [chunkRow, chunkColumn] : [chunkRow]);
        const [top, left] = [chunkRow * chunkRows, chunkColumn * chunkColumns];
        const [rowStride, columnStride = 1] = chunk.stride as [number, number?];
        const rows = [Math.max(firstRow, top), Math.min(lastRow, top + chunkRows)] as const;
        const columns = [Math.max(firstColumn, left), Math.min(lastColumn, left + chunkColumns)] as const;
        if (!isMatrix) {
          use(chunk, rows[0] - top, rows[0] - firstRow, rows[1] - rows[0], 1);
          continue;
        }
        for (let row = rows[0]; row < rows[1]; row++)
          use(
            chunk,
            (row - top) * rowStride + (columns[0] - left) * columnStride,
            (row - firstRow) * width + columns[0] - firstColumn,
            columns[1] - columns[0],
            columnStride,
          );
      }
    }
  }

  private async chunk(at: number[]): Promise<Chunk> {
    try {
      const array = await (this.opening ??= this.open());
      const chunk = (await array.getChunk(at)) as unknown as Chunk;
      const expected = this.chunks.reduce((product, size) => product * size, 1);
      if (chunk.data.length !== expected) throw this.unreadable(`chunk ${at.join('.')} holds ${chunk.data.length} values`, `${expected}`);
      return chunk;
    } catch (cause) {
      if (cause instanceof DataError) throw cause;
      const reason =
        cause instanceof Error && cause.cause instanceof Error
          ? `${cause.message}: ${cause.cause.message}`
          : cause instanceof Error
            ? cause.message
            : String(cause);
      throw new DataError({
        file: this.file,
        key: this.path,
        found: `chunk ${at.join('.')} cannot be unpacked: ${reason}`,
        hint: 'is the folder whole? copy or download it again',
        cause,
      });
    }
  }

  /** Rooted at the array's own folder: the library takes paths for addresses, in which # and ? would end them. */
  private open(): Promise<zarrita.Array<zarrita.DataType>> {
    const file = (key: string): string => join(this.folder, ...key.split('/'));
    const get = async (key: string): Promise<Uint8Array | undefined> => {
      const bytes = await whenThere(readFile(file(key)));
      if (bytes === undefined && this.needsEveryChunk && !/\.z(array|attrs|group)$|zarr\.json$/.test(key))
        throw this.unreadable(`the chunk ${key.slice(1)} is missing`, 'every value of a sparse matrix');
      // A copy of its own: small files are read into a shared buffer, which the unpackers take for theirs from its start.
      return bytes && Uint8Array.from(bytes);
    };
    const getRange = async (key: string, range: { offset: number; length: number } | { suffixLength: number }): Promise<Uint8Array | undefined> => {
      const handle = await whenThere(openFile(file(key)));
      if (!handle) return undefined;
      try {
        const [position, length] = 'offset' in range ? [range.offset, range.length] : [(await handle.stat()).size - range.suffixLength, range.suffixLength];
        const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, position);
        return buffer.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    };
    return zarrita.open(zarrita.root({ get, getRange }), { kind: 'array' });
  }

  private unreadable(found: string, expected: string): DataError {
    return new DataError({ file: this.file, key: this.path, found, expected, hint: 'is the folder whole? copy or write it again' });
  }
}

/** What a promise gives, or undefined where there is no such file. */
async function whenThere<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function emptyNumbers(dtype: string, length: number): NumberArray {
  switch (dtype) {
    case 'float64':
    case 'int64':
    case 'uint64':
      return new Float64Array(length);
    case 'float32':
    case 'float16':
      return new Float32Array(length);
    case 'int32':
      return new Int32Array(length);
    case 'uint32':
      return new Uint32Array(length);
    case 'int16':
      return new Int16Array(length);
    case 'uint16':
      return new Uint16Array(length);
    case 'int8':
      return new Int8Array(length);
    default:
      return new Uint8Array(length);
  }
}

function asNumbers(data: ChunkData): NumberArray {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    return wideIntegers(new Uint32Array(data.buffer, data.byteOffset, data.length * 2), data instanceof BigInt64Array);
  if (ArrayBuffer.isView(data)) return data as NumberArray;
  const truths = data as { readonly length: number; get(i: number): unknown };
  return Uint8Array.from({ length: truths.length }, (_, i) => Number(truths.get(i)));
}
