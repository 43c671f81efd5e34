import type * as H5wasm from 'h5wasm/node';
import type { File, Group, Metadata } from 'h5wasm/node';
import { DataError } from '../../errors.js';
import { ArrayStore, type StoredArray } from './array-store.js';
import { decodeBooleans, decodeNumbers, decodeStrings, decodeText, numpyDtype, type ElementKind, elementKind, type NumberArray } from './hdf5-decode.js';
import { diagnoseHdf5 } from './hdf5-diagnosis.js';
import { loadHdf5 } from './hdf5-library.js';
import { checkDeclared } from './declared-limits.js';
import { fileSize, findPackedTexts, findStorage, isStoredElsewhere } from './hdf5-storage.js';
import { readPackedTexts } from './packed-texts.js';
import type { DatasetStorage } from './dataset-storage.js';

type Library = typeof H5wasm.Module;

/** Filters compiled into the library: deflate, shuffle, fletcher32, n-bit, scale-offset. */
const BUILT_IN_FILTERS = [1, 2, 3, 5, 6];
/** Filters of h5wasm-plugins that give back exactly what was stored: bzip2, lzf, blosc, lz4, bitshuffle, zstd, blosc2. */
const PLUGIN_FILTERS = [307, 32000, 32001, 32004, 32008, 32015, 32026];
/** With any other the library hands out wrong numbers or fails inside, so every read asks first. */
const READABLE_FILTERS = new Set([...BUILT_IN_FILTERS, ...PLUGIN_FILTERS]);
const LZF = 32000;
const FILTER_NAMES: Record<number, string> = { [LZF]: 'lzf', 4: 'szip', 32013: 'zfp', 32017: 'sz', 32019: 'jpeg' };
/** HDF5's class of strings, and of records: tables of old AnnData. */
const TEXT_CLASSES = [3, 6];
/** Strings are read this many at a time: the library keeps a copy of each in its own memory meanwhile. */
const STRINGS_PER_READ = 1 << 16;

/** An HDF5 file open for reading. Paths inside it are absolute, without the first slash: `obs/cell_type`. */
export class Hdf5File extends ArrayStore {
  private isOpen = true;
  private readonly listings = new Map<string, readonly string[]>();
  private readonly library: Library;
  private readonly sizeBytes: number;

  private constructor(
    readonly path: string,
    private readonly file: File,
    private readonly h5wasm: typeof H5wasm,
  ) {
    super();
    this.library = h5wasm.Module;
    this.sizeBytes = fileSize(path);
  }

  /** @throws DataError with the reason when the file cannot be opened */
  static async open(path: string): Promise<Hdf5File> {
    await diagnoseHdf5(path);
    const h5wasm = await loadHdf5();
    return new Hdf5File(
      path,
      refusing(path, undefined, () => new h5wasm.File(path, 'r')),
      h5wasm,
    );
  }

  close(): void {
    if (this.isOpen) this.file.close();
    this.isOpen = false;
  }

  kind(at: string): 'group' | 'dataset' | undefined {
    const path = absolute(at);
    // The library treats a question about a missing name as an error, so ask the parent for its names first.
    if (path !== '/' && !this.keys(parentOf(path)).includes(path.slice(path.lastIndexOf('/') + 1))) return undefined;
    this.refuseExternalLink(at, path);
    const type = refusing(this.path, at, () => this.library.get_type(this.file.file_id, path));
    return type === this.library.H5G_GROUP ? 'group' : type === this.library.H5G_DATASET ? 'dataset' : undefined;
  }

  /** Names inside a group, in creation order where the file keeps it, else sorted; none where there is no such group. */
  keys(at: string): readonly string[] {
    const path = absolute(at);
    let keys = this.listings.get(path);
    if (!keys)
      this.listings.set(
        path,
        (keys = this.kind(path) === 'group' ? refusing(this.path, at, () => this.library.get_names(this.file.file_id, path, false)) : []),
      );
    return keys;
  }

  attributeNames(at: string): string[] {
    return refusing(this.path, at, () => this.library.get_attribute_names(this.file.file_id, absolute(at)));
  }

  hasAttribute(at: string, name: string): boolean {
    return this.attributeNames(at).includes(name);
  }

  /** A string, number, boolean or array attribute; undefined where there is none or it is of another type. */
  attribute(at: string, name: string): unknown {
    if (!this.hasAttribute(at, name)) return undefined;
    return refusing(this.path, `${at} @${name}`, () => this.entity(at).get_attribute(name, true));
  }

  /** @throws DataError when there is no such dataset */
  dataset(at: string): Hdf5Dataset {
    if (this.kind(at) !== 'dataset')
      throw new DataError({ file: this.path, key: at, found: 'no such dataset', expected: `one of ${this.keys(parentOf(at)).join(', ') || 'none there'}` });
    const metadata = refusing(this.path, at, () => this.library.get_dataset_metadata(this.file.file_id, absolute(at)));
    const { type, shape, chunks, size, virtual_sources: sources } = metadata;
    const foreign = sources?.find(({ file_name: name }) => name !== '.');
    if (foreign) throw elsewhere(this.path, at, foreign.file_name);
    const chunkBytes = (chunks ?? []).reduce((product, n) => product * n, chunks?.length ? size : 0);
    checkDeclared(this.path, at, { shape: shape ?? [], isText: TEXT_CLASSES.includes(type), chunkBytes }, { name: 'file', size: () => this.sizeBytes });
    if (isStoredElsewhere(this.path, this.addressOf(at))) throw elsewhere(this.path, at, 'external storage');
    return new Hdf5Dataset(this.path, at, this.file.file_id, metadata, this.library);
  }

  /** The path of the object that a reference attribute points to; undefined where there is none or it is no reference. */
  referenced(at: string, name: string): string | undefined {
    if (!this.hasAttribute(at, name)) return undefined;
    const entity = this.entity(at);
    const value = refusing(this.path, `${at} @${name}`, () => entity.get_attribute(name, false));
    if (!(value instanceof this.h5wasm.Reference)) return undefined;
    return refusing(this.path, `${at} @${name}`, () => this.library.get_referenced_name(this.file.file_id, value.ref_data, true)).replace(/^\//, '');
  }

  private refuseExternalLink(at: string, path: string): void {
    if (path === '/') return;
    const { filename } = refusing(this.path, at, () => this.library.get_external_link(this.file.file_id, path)) as { filename?: string };
    if (filename !== undefined) throw elsewhere(this.path, at, filename);
  }

  /** A reference to an object is the address of its header. */
  private addressOf(at: string): number {
    return Number(Buffer.from(refusing(this.path, at, () => this.library.create_object_reference(this.file.file_id, absolute(at)))).readBigUInt64LE(0));
  }

  private entity(at: string): Group {
    return this.file.get(absolute(at)) as Group;
  }
}

/** One array of an HDF5 file, read whole or by ranges. */
export class Hdf5Dataset implements StoredArray {
  readonly shape: readonly number[];
  readonly kind: ElementKind;
  /** numpy's word: float32, int64, bool, str … */
  readonly dtype: string;
  /** Sizes of the storage chunks; undefined for contiguous storage. */
  readonly chunks: readonly number[] | undefined;
  /** Texts that are unpacked here, once they were asked for. */
  private packedTexts: readonly string[] | undefined;

  constructor(
    private readonly file: string,
    readonly path: string,
    private readonly fileId: bigint,
    private readonly metadata: Metadata,
    private readonly library: Library,
  ) {
    this.shape = metadata.shape ?? [];
    this.kind = elementKind(metadata);
    this.dtype = numpyDtype(metadata);
    this.chunks = metadata.chunks ?? undefined;
  }

  get length(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** Names of the fields of a compound dataset, in order. */
  get fields(): readonly string[] {
    return this.metadata.compound_type?.members.map((member) => member.name) ?? [];
  }

  /** The type of one field of a compound dataset. */
  fieldKind(field: string): ElementKind {
    return elementKind(this.member(field));
  }

  fieldDtype(field: string): string {
    return numpyDtype(this.member(field));
  }

  /** Rows [start, end) along the first axis, all of every other; 64-bit integers become doubles, half floats singles. */
  numbers(start = 0, end = this.shape[0] ?? 1): NumberArray {
    return decodeNumbers(this.read(start, end), this.metadata, this.place());
  }

  storage(): DatasetStorage | undefined {
    if (this.kind !== 'number' || this.shape.length !== 1) return undefined;
    return findStorage(this.file, this.address(), this.length);
  }

  /** A reference to an object is the address of its header. */
  private address(): number {
    const reference = refusing(this.file, this.path, () => this.library.create_object_reference(this.fileId, absolute(this.path)));
    return Number(Buffer.from(reference).readBigUInt64LE(0));
  }

  columns(start: number, end: number): NumberArray {
    const [numRows = 1] = this.shape;
    let numbers: NumberArray = new Uint8Array();
    this.readRegion([0, start], [numRows, end - start], (bytes) => {
      numbers = decodeNumbers(bytes, this.metadata, this.place());
    });
    return numbers;
  }

  booleans(): boolean[] {
    return decodeBooleans(this.read(0, this.shape[0] ?? 1), this.metadata, this.place());
  }

  strings(first = 0, last = this.shape[0] ?? 1): string[] {
    const unpacked = this.unpackedHere();
    if (unpacked) return unpacked.slice(first, last);
    const all: string[] = [];
    for (let start = first; start < last; start += STRINGS_PER_READ) {
      this.readWith(start, Math.min(last, start + STRINGS_PER_READ), (bytes) => {
        for (const text of decodeStrings(bytes, this.metadata, this.place(), (pointer) => this.textAt(pointer))) all.push(text);
      });
    }
    return all;
  }

  /** One field of a compound dataset: numbers, strings or booleans by `fieldKind`. */
  fieldNumbers(field: string): NumberArray {
    return decodeNumbers(this.fieldBytes(field), this.member(field), this.place(field));
  }

  fieldBooleans(field: string): boolean[] {
    return decodeBooleans(this.fieldBytes(field), this.member(field), this.place(field));
  }

  fieldStrings(field: string): string[] {
    const member = this.member(field);
    let texts: string[] = [];
    this.readWith(0, this.shape[0] ?? 1, (bytes) => {
      texts = decodeStrings(this.column(bytes, member), member, this.place(field), (pointer) => this.textAt(pointer));
    });
    return texts;
  }

  /** A field that holds a short array in each row, as a matrix; undefined when it is no array of numbers. */
  fieldMatrix(field: string): { values: NumberArray; numColumns: number } | undefined {
    const member = this.member(field);
    const elements = member.array_type ?? member;
    if (elementKind(elements) !== 'number') return undefined;
    return { values: decodeNumbers(this.fieldBytes(field), elements, this.place(field)), numColumns: member.size / elements.size };
  }

  /** Texts of variable length behind lzf; undefined for everything else, and where they are damaged: then the filter is refused. */
  private unpackedHere(): readonly string[] | undefined {
    if (this.packedTexts || this.metadata.vlen !== true || this.shape.length !== 1) return this.packedTexts;
    const [filter, more] = refusing(this.file, this.path, () => this.library.get_dataset_filters(this.fileId, absolute(this.path)));
    if (filter?.id !== LZF || more) return undefined;
    const storage = findPackedTexts(this.file, this.address(), this.length);
    return (this.packedTexts = storage && readPackedTexts(storage));
  }

  /** @throws DataError naming the filter when the library lacks one this dataset is stored with */
  checkFilters(): void {
    const filters = refusing(this.file, this.path, () => this.library.get_dataset_filters(this.fileId, absolute(this.path)));
    // The lzf plugin unpacks into a buffer of the size of a chunk, which the program that packed texts of variable length does not tell it.
    const missing = filters.find(({ id, cd_values: sizes }) => !READABLE_FILTERS.has(id) || (id === LZF && sizes.length < 3));
    if (!missing) return;
    throw new DataError({
      file: this.file,
      key: this.path,
      found: `is compressed with ${FILTER_NAMES[missing.id] ?? (missing.name || 'an unknown filter')} (HDF5 filter ${missing.id}), which cannot be unpacked here`,
      hint: "write it again with gzip, in Python: anndata.read_h5ad(FILE).write_h5ad(NEW, compression='gzip')",
    });
  }

  private fieldBytes(field: string): Uint8Array {
    return this.column(this.read(0, this.shape[0] ?? 1), this.member(field));
  }

  /** The bytes of one field, taken out of whole rows. */
  private column(rows: Uint8Array, member: { readonly offset: number; readonly size: number }): Uint8Array {
    const numRows = rows.length / this.metadata.size;
    const bytes = new Uint8Array(numRows * member.size);
    for (let row = 0; row < numRows; row++) {
      const from = row * this.metadata.size + member.offset;
      bytes.set(rows.subarray(from, from + member.size), row * member.size);
    }
    return bytes;
  }

  private member(field: string) {
    const members = this.metadata.compound_type?.members ?? [];
    const member = members.find(({ name }) => name === field);
    if (!member) throw new DataError({ file: this.file, key: this.path, found: `no field '${field}'`, expected: `one of ${this.fields.join(', ')}` });
    const orders = new Set(members.filter(({ type, size }) => type <= 1 && size > 1).map(({ littleEndian }) => littleEndian));
    if (orders.size > 1)
      throw new DataError({ file: this.file, key: this.path, found: 'mixes byte orders within its rows', hint: 'write the file again with a current anndata' });
    return member;
  }

  private read(start: number, end: number): Uint8Array {
    let copy: Uint8Array = new Uint8Array();
    this.readWith(start, end, (bytes) => {
      copy = bytes;
    });
    return copy;
  }

  /** Reads rows [start, end) and lets `use` see the bytes while the library still holds what they point to. */
  private readWith(start: number, end: number, use: (bytes: Uint8Array) => void): void {
    const [, ...rest] = this.shape;
    this.readRegion(this.shape.length === 0 ? [] : [start, ...rest.map(() => 0)], this.shape.length === 0 ? [] : [end - start, ...rest], use);
  }

  /** As readWith, for the box of `size` that begins at `start`. */
  private readRegion(start: readonly number[], size: readonly number[], use: (bytes: Uint8Array) => void): void {
    const { library, metadata, shape } = this;
    if (metadata.shape === null) return use(new Uint8Array());
    const elements = size.reduce((product, count) => product * count, 1);
    if (elements === 0) return use(new Uint8Array());
    this.checkFilters();
    const numBytes = elements * metadata.size;
    if (!(numBytes <= library.MAXIMUM_MEMORY / 2))
      throw new DataError({
        file: this.file,
        key: this.path,
        found: `${numBytes} bytes would have to be read at once`,
        hint: 'write the file again in smaller chunks',
      });
    const isWhole = size.every((count, axis) => count === shape[axis]);
    const count = isWhole ? null : size.map(BigInt);
    const offset = isWhole ? null : start.map(BigInt);
    const strides = isWhole ? null : shape.map(() => 1n);
    const pointer = library._malloc(numBytes);
    if (pointer === 0)
      throw new DataError({
        file: this.file,
        key: this.path,
        found: `no memory for ${numBytes} bytes`,
        hint: 'close other programs or use a machine with more memory',
      });
    try {
      // Zeroed first: a read that stops half-way must not leave stray pointers to strings.
      if (hasVariableStrings(metadata)) library.HEAPU8.fill(0, pointer, pointer + numBytes);
      const status = refusing(this.file, this.path, () => library.get_dataset_data(this.fileId, absolute(this.path), count, offset, strides, BigInt(pointer)));
      if (status < 0)
        throw new DataError({ file: this.file, key: this.path, found: 'cannot be read: the stored data are damaged', hint: 'copy or download the file again' });
      use(library.HEAPU8.slice(pointer, pointer + numBytes));
      if (hasVariableStrings(metadata)) library.reclaim_vlen_memory_count(this.fileId, absolute(this.path), '', BigInt(pointer), count ?? shape.map(BigInt));
    } finally {
      library._free(pointer);
    }
  }

  /** The text that a pointer into the library's memory leads to, up to its zero byte. */
  private textAt(pointer: number): string {
    const memory = this.library.HEAPU8;
    let isAscii = true;
    let end = pointer;
    for (; memory[end] !== 0; end++) if (memory[end]! > 127) isAscii = false;
    // The library's own reading of short texts makes other letters of what is no UTF-8.
    return isAscii ? this.library.UTF8ToString(pointer) : decodeText(memory.slice(pointer, end));
  }

  private place(field?: string): { file: string; key: string } {
    return { file: this.file, key: field === undefined ? this.path : `${this.path}['${field}']` };
  }
}

/** What is in another file is not read: a file that was sent must not say which of the receiver's own are opened. */
function elsewhere(file: string, key: string, other: string): DataError {
  return new DataError({
    file,
    key,
    found: `lies in another file, ${JSON.stringify(other.slice(0, 100))}`,
    expected: 'all data in the file itself',
    hint: 'write it again as one file',
  });
}

function hasVariableStrings(metadata: Metadata): boolean {
  return metadata.vlen || (metadata.compound_type?.members.some((member) => member.vlen) ?? false);
}

function absolute(at: string): string {
  return at.startsWith('/') ? at : `/${at}`;
}

function parentOf(at: string): string {
  return at.slice(0, Math.max(0, at.lastIndexOf('/'))) || '/';
}

/** Runs a call into the library; its stack of C messages becomes the one that says why. */
export function refusing<T>(file: string, key: string | undefined, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    if (/^Aborted\(/.test(text))
      throw new DataError({
        file,
        key,
        found: 'cannot be unpacked: the library ended itself over it',
        hint: 'the stored data are damaged: copy or download the file again',
        cause,
      });
    const reasons = [...text.matchAll(/#\d+: .* in \w+\(\): (.+)/g)].map((match) => match[1]);
    throw new DataError({ file, key, found: `HDF5 cannot read it: ${reasons.at(-1) ?? text}`, hint: 'is the file whole? copy or download it again', cause });
  }
}
