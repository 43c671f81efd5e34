import type * as H5wasm from 'h5wasm/node';
import { OutputError } from '../../errors.js';
import { asOutputError } from '../../files.js';
import { loadHdf5 } from '../readers/hdf5-library.js';
import { BOOLEAN_RECORD } from './hdf5-patch.js';

export type Typed = Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | BigInt64Array | BigUint64Array | Uint8Array | Uint16Array | Uint32Array;
export type AttributeValue = string | readonly string[] | number | Typed;

/** Bytes of a matrix handed to the library at a time. */
const BLOCK_BYTES = 1 << 24;

/** An HDF5 file open for writing. Paths are absolute. Whatever cannot be written is an OutputError. */
export class Hdf5Tree {
  /** Datasets that become booleans once the file is closed (see hdf5-patch). */
  readonly booleans: number[] = [];
  private isOpen = true;

  private constructor(
    private readonly output: string,
    private readonly h5wasm: typeof H5wasm,
    private readonly file: H5wasm.File,
  ) {}

  /**
   * @param path the file written to, which exists
   * @param output what the user calls it, for messages
   */
  static async open(path: string, output: string): Promise<Hdf5Tree> {
    const h5wasm = await loadHdf5();
    // The earliest layout is the one every reader knows, and the one that the patches afterwards understand.
    return new Hdf5Tree(
      output,
      h5wasm,
      writing(output, () => new h5wasm.File(path, 'a', { libver: ['earliest', 'latest'] })),
    );
  }

  /** Starts a new file in place of what is at `path`. */
  static async create(path: string, output: string): Promise<Hdf5Tree> {
    const h5wasm = await loadHdf5();
    return new Hdf5Tree(
      output,
      h5wasm,
      writing(output, () => new h5wasm.File(path, 'w', { libver: ['earliest', 'latest'] })),
    );
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    writing(this.output, () => this.file.close());
  }

  /** Closes a file that is thrown away: what the disk refuses now no longer matters. */
  abandon(): void {
    try {
      this.close();
    } catch {
      this.isOpen = false;
    }
  }

  makeGroup(path: string): void {
    const [parent, name] = this.split(path);
    writing(this.output, () => parent.create_group(name));
  }

  /** Gives an object one more name; the data stay where they are. */
  link(from: string, to: string): void {
    writing(this.output, () => this.h5wasm.Module.create_hard_link(this.file.file_id, from, to));
  }

  /** Address of an object relative to the superblock. */
  addressOf(path: string): number {
    return writing(this.output, () => {
      const { ref_data: reference } = (this.file.get(path) as H5wasm.Group).create_reference();
      return Number(new DataView(Uint8Array.from(reference).buffer).getBigUint64(0, true));
    });
  }

  /** Whether a group has a member; asks no more than its own list of names. */
  exists(path: string): boolean {
    const [parent, name] = this.split(path);
    return writing(this.output, () => parent.keys().includes(name));
  }

  hasAttribute(path: string, name: string): boolean {
    return writing(this.output, () => this.h5wasm.Module.get_attribute_names(this.file.file_id, path).includes(name));
  }

  /** Writes an attribute, in place of one of that name. */
  setAttribute(path: string, name: string, value: AttributeValue): void {
    writing(this.output, () => {
      const object = this.file.get(path) as H5wasm.Group;
      if (this.hasAttribute(path, name)) object.delete_attribute(name);
      // The library cannot write an empty array of strings; h5py writes doubles for it, too.
      if (Array.isArray(value) && value.length === 0) object.create_attribute(name, new Float64Array(0));
      else object.create_attribute(name, value as string | string[] | number | Typed);
    });
  }

  /** Copies the attributes of one object to another. @returns the names of those that are of types the library cannot write */
  copyAttributes(from: string, to: string): string[] {
    return writing(this.output, () => {
      const [source, target] = [this.file.get(from) as H5wasm.Group, this.file.get(to) as H5wasm.Group];
      return Object.entries(source.attrs).flatMap(([name, attribute]) => {
        const { value, shape, dtype } = attribute;
        if (value === null || shape === null || typeof dtype !== 'string' || !/^[<>|]?[bhiqfdBHIQSA]\d*$/.test(dtype) || shape.includes(0)) return [name];
        target.create_attribute(name, value as H5wasm.GuessableDataTypes, shape, dtype.replace('>', '<'));
        return [];
      });
    });
  }

  writeNumbers(path: string, data: Typed, shape: readonly number[] = [data.length]): void {
    this.create(path, { data, shape: [...shape] });
  }

  /** [numRows, numColumns], row by row, block after block. `dtype` and numbers agree by the type of `data`. */
  writeMatrix(path: string, data: Typed, numColumns: number): void {
    const numRows = numColumns === 0 ? 0 : data.length / numColumns;
    const rowsPerBlock = Math.max(1, Math.floor(BLOCK_BYTES / data.BYTES_PER_ELEMENT / Math.max(1, numColumns)));
    if (numRows <= rowsPerBlock) return this.writeNumbers(path, data, [numRows, numColumns]);
    const chunks = [Math.max(1, rowsPerBlock >> 4), numColumns];
    this.create(path, { data: data.subarray(0, rowsPerBlock * numColumns), shape: [rowsPerBlock, numColumns], maxshape: [numRows, numColumns], chunks });
    writing(this.output, () => {
      const dataset = this.file.get(path) as H5wasm.Dataset;
      dataset.resize([numRows, numColumns]);
      for (let row = rowsPerBlock; row < numRows; row += rowsPerBlock) {
        const end = Math.min(numRows, row + rowsPerBlock);
        dataset.write_slice([[row, end], []], data.subarray(row * numColumns, end * numColumns));
      }
    });
  }

  /** A list of numbers of unknown length, written piece by piece. */
  startArray(path: string, Numbers: typeof Float32Array | typeof Int32Array): GrowingArray {
    const [parent, name] = this.split(path);
    return new GrowingArray(this.output, parent, name, new Numbers(GROWN_ENTRIES));
  }

  /** A scalar when `text` is one string. */
  writeStrings(path: string, text: string | readonly string[]): void {
    this.create(path, typeof text === 'string' ? { data: text, dtype: 'S' } : { data: [...text], shape: [text.length], dtype: 'S' });
  }

  writeNumber(path: string, value: number): void {
    const data = Number.isSafeInteger(value) ? BigInt64Array.of(BigInt(value)) : Float64Array.of(value);
    this.create(path, { data, shape: [] });
  }

  writeBooleans(path: string, values: readonly boolean[]): void {
    if (values.length === 0) return this.writeNumbers(path, new Int8Array(0));
    this.create(path, { data: new Map([['boolean', Int8Array.from(values, Number)]]), dtype: BOOLEAN_RECORD, shape: [values.length] });
    this.booleans.push(this.addressOf(path));
  }

  private create(path: string, args: Omit<Parameters<H5wasm.Group['create_dataset']>[0], 'name'>): void {
    const [parent, name] = this.split(path);
    writing(this.output, () => parent.create_dataset({ name, ...args }));
  }

  private split(path: string): [H5wasm.Group, string] {
    const slash = path.lastIndexOf('/');
    return [this.file.get(path.slice(0, slash) || '/') as H5wasm.Group, path.slice(slash + 1)];
  }
}

/** Entries of a GrowingArray that are written at a time, and a storage chunk of it. */
const GROWN_ENTRIES = 1 << 20;
const GROWN_CHUNK = 1 << 16;

export class GrowingArray {
  private buffered = 0;
  private written = 0;

  constructor(
    private readonly output: string,
    private readonly parent: H5wasm.Group,
    private readonly name: string,
    private readonly buffer: Float32Array | Int32Array,
  ) {}

  append(values: Float32Array | Int32Array): void {
    for (let from = 0; from < values.length;) {
      const piece = values.subarray(from, from + GROWN_ENTRIES - this.buffered);
      this.buffer.set(piece, this.buffered);
      this.buffered += piece.length;
      from += piece.length;
      if (this.buffered === GROWN_ENTRIES) this.flush();
    }
  }

  /** Writes what is left. Until then the array may not be there at all. */
  end(): void {
    if (this.buffered > 0 || this.written === 0) this.flush();
  }

  private flush(): void {
    const data = this.buffer.subarray(0, this.buffered);
    writing(this.output, () => {
      if (this.written > 0) {
        const dataset = this.parent.get(this.name) as H5wasm.Dataset;
        dataset.resize([this.written + data.length]);
        dataset.write_slice([[this.written, this.written + data.length]], data);
      } else if (data.length < GROWN_ENTRIES) this.parent.create_dataset({ name: this.name, data: data.slice(), shape: [data.length] });
      else this.parent.create_dataset({ name: this.name, data, shape: [data.length], maxshape: [null], chunks: [GROWN_CHUNK] });
    });
    this.written += data.length;
    this.buffered = 0;
  }
}

/** Runs a call that writes; what the disk refuses becomes one line, anything else stays a bug. */
function writing<T>(output: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const code = /No space left/i.test(text) ? 'ENOSPC' : /quota/i.test(text) ? 'EDQUOT' : /File too large/i.test(text) ? 'EFBIG' : undefined;
    if (code) throw asOutputError(output, Object.assign(new Error(text, { cause }), { code }));
    if (/I\/O error/i.test(text))
      throw new OutputError({ file: output, found: 'cannot be written: input/output error', hint: 'is the disk sound? choose another --out', cause });
    throw cause;
  }
}
