/** Types of stored numbers, little-endian. */
export type StoredType = 'float32' | 'float64' | 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64';

/** What the bytes of a chunk went through before they were stored, in this order. */
export type StoredFilter = 'shuffle' | 'gzip';

/**
 * Where the numbers of a one-dimensional dataset lie in its file: in pieces, one after the other, all of the same number of elements save
 * that the last holds what is left. Plain data, on shared memory: threads get it without a copy.
 */
export interface DatasetStorage {
  /** The file itself, without # and a part. */
  readonly path: string;
  readonly type: StoredType;
  readonly numElements: number;
  readonly pieceElements: number;
  readonly filters: readonly StoredFilter[];
  /** [P] from the start of the file. */
  readonly offsets: Float64Array;
  /** [P] as stored: packed, where there are filters. */
  readonly bytes: Float64Array;
}

export const STORED_BYTES: Readonly<Record<StoredType, 1 | 2 | 4 | 8>> = {
  float32: 4,
  float64: 8,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
};
