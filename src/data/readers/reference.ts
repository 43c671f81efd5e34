import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { DataError } from '../../errors.js';
import { sha256File } from '../../files.js';
import { findMtxFiles } from './mtx-files.js';
import { isZarrFolder } from './zarr-folder.js';

/**
 * What a user names: a file or folder, and after # which part or reading of it is meant where there are several:
 * `cells.h5mu#rna`, `counts.csv#genes-in-rows`, `old.h5#GRCh38`. A file whose own name holds a # is taken as it is.
 */
export interface Reference {
  readonly path: string;
  readonly part: string | undefined;
}

export function parseReference(text: string): Reference {
  const hash = text.lastIndexOf('#');
  return hash <= 0 || existsSync(text) ? { path: text, part: undefined } : { path: text.slice(0, hash), part: text.slice(hash + 1) };
}

/** The name of a file without folder, part and the endings of the formats read here: what its results are called after. */
export function sourceName(text: string): string {
  const { path } = parseReference(text);
  return basename(path)
    .replace(/\.gz$/i, '')
    .replace(/\.(h5ad|h5mu|h5|loom|zarr|mtx|csv|tsv|txt|tab)$/i, '');
}

/** The files that are read from a source, sorted. @throws DataError when it is not there */
export async function sourceFiles(text: string): Promise<string[]> {
  const { path } = parseReference(text);
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError({ file: path, found: cause.code === 'ENOENT' ? 'no such file' : `cannot be read (${cause.code})`, cause });
  });
  if (found.isDirectory() && isZarrFolder(path)) {
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  }
  if (found.isDirectory() || /\.mtx(\.gz)?$/i.test(path)) return Object.values(await findMtxFiles(path)).sort();
  return [path];
}

/** SHA-256 of all that is read from a source: of its file, or of the names and hashes of its files where there are several. */
export async function hashSource(text: string): Promise<string> {
  const files = await sourceFiles(text);
  if (files.length === 1) return sha256File(files[0]!);
  const folder = dirname(files[0]!);
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${relative(folder, file)}\0${await sha256File(file)}\0`);
  return hash.digest('hex');
}
