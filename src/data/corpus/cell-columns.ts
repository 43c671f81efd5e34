import { DataError } from '../../errors.js';
import { readRegion } from './file-region.js';
import type { ShardLayout } from './shard-layout.js';

/** What a corpus keeps of each cell besides its genes and values, for the cells of one shard. */
export interface CellColumns {
  readonly numCells: number;
  /** [R] stored genes. */
  readonly numGenes: Int32Array;
  /** [R] sum of the whole source row. */
  readonly total: Float64Array;
  /** [R] category code of an obs field or of `split`, -1 = missing. */
  codes(key: string): Int32Array;
}

/** Reads the small columns of a shard, not its genes and values. @param fd the open shard */
export function readCellColumns(fd: number, layout: ShardLayout): CellColumns {
  const { numCells } = layout;
  return {
    numCells,
    numGenes: readNumGenes(fd, layout),
    total: new Float64Array(readRegion(fd, { offset: layout.total.offset, bytes: numCells * 8 }).buffer),
    codes: (key) => readCodes(fd, layout, key),
  };
}

export function readNumGenes(fd: number, { indptr: region, numCells }: ShardLayout): Int32Array {
  const indptr = new Int32Array(readRegion(fd, { offset: region.offset, bytes: (numCells + 1) * 4 }).buffer);
  return indptr.subarray(1).map((end, i) => end - indptr[i]!);
}

/** @throws DataError where the shard has no such column */
export function readCodes(fd: number, layout: ShardLayout, key: string): Int32Array {
  const column = layout.dictionaries.find((dictionary) => dictionary.key === key);
  if (!column) throw new DataError({ file: layout.file, key, found: 'no such column, but corpus.json lists it', hint: 'build the corpus again' });
  const { buffer } = readRegion(fd, { offset: column.codes.offset, bytes: layout.numCells * column.bytesPerCode });
  const stored = column.bytesPerCode === 1 ? new Int8Array(buffer) : column.bytesPerCode === 2 ? new Int16Array(buffer) : new Int32Array(buffer);
  const isPresent = readRegion(fd, column.validity);
  const codes = new Int32Array(stored.length);
  for (let i = 0; i < codes.length; i++) codes[i] = isPresent.length === 0 || (isPresent[i >> 3]! >> (i & 7)) & 1 ? stored[i]! : -1;
  return codes;
}
