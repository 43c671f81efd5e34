import { DataError } from '../../errors.js';

/** One array of a browser holds no more. */
const LARGEST_ARRAY = 2 ** 31 - 2 ** 26;
const GB = 2 ** 30;

/** The share of the device's memory that a page may take for a file: the download is made in memory, as a copy. */
const SHARE = 0.25;

/** @throws DataError for a file that is larger than a page can hold */
export function fileLimit({ name, size }: Pick<File, 'name' | 'size'>): void {
  // In GB, rounded; browsers that do not tell have none.
  const { deviceMemory = 8 } = navigator as { deviceMemory?: number };
  const limit = Math.min(LARGEST_ARRAY, deviceMemory * GB * SHARE);
  if (size > limit)
    throw new DataError({
      file: name,
      found: `is ${(size / GB).toFixed(1)} GB, and a page here can hold ${(limit / GB).toFixed(1)} GB`,
      hint: 'use scdiva annotate, which reads it piece by piece',
    });
}
