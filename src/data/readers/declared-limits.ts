import { DataError } from '../../errors.js';

/**
 * What a file may declare. HDF5 and Zarr store nothing of a chunk that was never written, so a few kilobytes can claim a billion rows, and believing
 * them is memory and minutes. Real data never come near these numbers: gzip packs an index of a sparse matrix into a byte or more, and a file has more bytes than cells and genes have names.
 */
const MOST_NUMBERS_A_BYTE = 20;
const MOST_TEXTS_A_BYTE = 1;
/** Chunks are unpacked as a whole: those of ordinary size are never asked about. */
const ORDINARY_CHUNK_BYTES = 64 * 2 ** 20;
const MOST_CHUNK_BYTES_A_BYTE = 200;

/** What is said of an array before anything of it is read. */
export interface DeclaredArray {
  readonly shape: readonly number[];
  /** Of names, or of records that hold some. */
  readonly isText: boolean;
  /** Unpacked; 0 where there are none. */
  readonly chunkBytes: number;
}

/** Where an array lies. */
export interface Container {
  readonly name: 'file' | 'folder';
  /** Bytes of all of it, or as many as are enough. */
  size(enough: number): number;
}

/** @throws DataError for an array that cannot be in there */
export function checkDeclared(file: string, key: string, { shape, isText, chunkBytes }: DeclaredArray, container: Container): void {
  const take = (least: number, declared: string): void => {
    const bytes = container.size(least);
    if (bytes < least)
      throw new DataError({
        file,
        key,
        found: `${declared} declared in a ${container.name} of ${bytes} bytes`,
        hint: `the ${container.name} is damaged or made to mislead`,
      });
  };
  if (shape.length === 1) take(shape[0]! / (isText ? MOST_TEXTS_A_BYTE : MOST_NUMBERS_A_BYTE), `${shape[0]} entries`);
  if (chunkBytes > ORDINARY_CHUNK_BYTES) take(chunkBytes / MOST_CHUNK_BYTES_A_BYTE, `chunks of ${chunkBytes} bytes`);
}
