import type { DatasetStorage } from './dataset-storage.js';
import type { ElementKind, NumberArray } from './hdf5-decode.js';

/**
 * A tree of groups, arrays and attributes, as HDF5 files and Zarr folders both are: AnnData is laid out alike in the two.
 * Paths inside it are absolute, without the first slash: `obs/cell_type`.
 */
export abstract class ArrayStore {
  /** The path as the user gave it; messages use it. */
  abstract readonly path: string;
  abstract kind(at: string): 'group' | 'dataset' | undefined;
  /** Names inside a group; none where there is no such group. */
  abstract keys(at: string): readonly string[];
  /** A string, number, boolean or array attribute; undefined where there is none or it is of another type. */
  abstract attribute(at: string, name: string): unknown;
  /** @throws DataError when there is no such array */
  abstract dataset(at: string): StoredArray;
  /** The path of the object that a reference attribute points to; undefined where there is none or it is no reference. */
  abstract referenced(at: string, name: string): string | undefined;
  abstract close(): void;

  stringAttribute(at: string, name: string): string | undefined {
    const value = this.attribute(at, name);
    return typeof value === 'string' ? value : undefined;
  }

  /** An attribute of strings; undefined where there is none. */
  stringsAttribute(at: string, name: string): string[] | undefined {
    const value = this.attribute(at, name);
    return Array.isArray(value) && value.every((entry) => typeof entry === 'string') ? value : undefined;
  }

  numbersAttribute(at: string, name: string): number[] | undefined {
    const value = this.attribute(at, name);
    return Array.isArray(value) && value.every((entry) => typeof entry === 'number') ? value : undefined;
  }
}

/** One array, read whole or by ranges. Reading is synchronous. */
export interface StoredArray {
  readonly path: string;
  /** Empty for a scalar. */
  readonly shape: readonly number[];
  readonly kind: ElementKind;
  /** numpy's word: float32, int64, bool, str … */
  readonly dtype: string;
  /** Sizes of the storage chunks; undefined for contiguous storage. */
  readonly chunks: readonly number[] | undefined;
  readonly length: number;
  /** Rows [start, end) along the first axis, all of every other; 64-bit integers become doubles, half floats singles. */
  numbers(start?: number, end?: number): NumberArray;
  /** Columns [start, end) of a matrix, all rows, row by row. */
  columns(start: number, end: number): NumberArray;
  /** Where the numbers lie in the file, for whoever can read them there; undefined where only the library can, or there is none. */
  storage?(): DatasetStorage | undefined;
  booleans(): boolean[];
  /** Entries [start, end) of a list of texts. */
  strings(start?: number, end?: number): string[];
}

/** An array of records: how AnnData before 0.7 stored its tables. HDF5 alone has them. */
export interface CompoundArray extends StoredArray {
  readonly kind: 'compound';
  /** Names of the fields, in order. */
  readonly fields: readonly string[];
  fieldKind(field: string): ElementKind;
  fieldDtype(field: string): string;
  fieldNumbers(field: string): NumberArray;
  fieldBooleans(field: string): boolean[];
  fieldStrings(field: string): string[];
}

export function isCompound(array: StoredArray): array is CompoundArray {
  return array.kind === 'compound';
}

/** The part of a store below one group, as a store of its own: a modality of a MuData file. */
export class Subtree extends ArrayStore {
  readonly path: string;

  constructor(
    private readonly store: ArrayStore,
    private readonly root: string,
  ) {
    super();
    this.path = store.path;
  }

  kind(at: string): 'group' | 'dataset' | undefined {
    return this.store.kind(this.below(at));
  }

  keys(at: string): readonly string[] {
    return this.store.keys(this.below(at));
  }

  attribute(at: string, name: string): unknown {
    return this.store.attribute(this.below(at), name);
  }

  dataset(at: string): StoredArray {
    return this.store.dataset(this.below(at));
  }

  referenced(at: string, name: string): string | undefined {
    const target = this.store.referenced(this.below(at), name);
    return target?.startsWith(`${this.root}/`) ? target.slice(this.root.length + 1) : undefined;
  }

  close(): void {
    this.store.close();
  }

  private below(at: string): string {
    return at === '/' ? this.root : `${this.root}/${at}`;
  }
}
