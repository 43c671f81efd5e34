import type { Metadata } from 'h5wasm/node';
import { DataError } from '../../errors.js';

/**
 * What a file may declare. HDF5 stores nothing of a chunk that was never written, so a few kilobytes can claim a billion rows, and believing
 * them is memory and minutes. Real data never come near these numbers: gzip packs an index of a sparse matrix into a byte or more, and a file has more bytes than cells and genes have names.
 */
const MOST_NUMBERS_A_BYTE = 20;
const MOST_TEXTS_A_BYTE = 1;
/** Chunks are unpacked as a whole: those of ordinary size are never asked about. */
const ORDINARY_CHUNK_BYTES = 64 * 2 ** 20;
const MOST_CHUNK_BYTES_A_BYTE = 200;
/** HDF5's class of strings, and of records: tables of old AnnData. */
const TEXT_CLASSES = [3, 6];

const MISLEADING = 'the file is damaged or made to mislead';

/** @param sizeBytes of the file @throws DataError for a dataset that cannot be in a file of that size, or is in another one */
export function checkDeclared(file: string, key: string, { type, shape, chunks, size, virtual_sources: sources }: Metadata, sizeBytes: number): void {
  const foreign = sources?.find(({ file_name: name }) => name !== '.');
  if (foreign) throw elsewhere(file, key, foreign.file_name);
  const most = (TEXT_CLASSES.includes(type) ? MOST_TEXTS_A_BYTE : MOST_NUMBERS_A_BYTE) * sizeBytes;
  if (shape?.length === 1 && shape[0]! > most) throw new DataError({ file, key, found: `${shape[0]} entries declared in a file of ${sizeBytes} bytes`, hint: MISLEADING });
  const chunkBytes = (chunks ?? []).reduce((product, n) => product * n, chunks?.length ? size : 0);
  if (chunkBytes > ORDINARY_CHUNK_BYTES && chunkBytes > MOST_CHUNK_BYTES_A_BYTE * sizeBytes) throw new DataError({ file, key, found: `chunks of ${chunkBytes} bytes declared in a file of ${sizeBytes}`, hint: MISLEADING });
}

/** What is in another file is not read: a file that was sent must not say which of the receiver's own are opened. */
export function elsewhere(file: string, key: string, other: string): DataError {
  return new DataError({ file, key, found: `lies in another file, ${JSON.stringify(other.slice(0, 100))}`, expected: 'all data in the file itself', hint: 'write it again as one file' });
}
