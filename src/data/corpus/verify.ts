import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256File } from '../../files.js';
import { silentProgress, type Progress } from '../../progress.js';
import { GENES_FILE, readManifest } from './manifest.js';

/** What is wrong with one file of a corpus. */
export interface FileFault {
  readonly file: string;
  readonly fault: 'missing' | 'truncated' | 'altered' | 'unreadable';
  /** With the figures. */
  readonly detail: string;
}

export interface Verification {
  readonly numFiles: number;
  readonly bytes: number;
  /** Every file that is not as it was written, in the order of the manifest; empty for a whole corpus. */
  readonly faults: readonly FileFault[];
  /** Shards in the folder that the manifest does not list: no part of the corpus, and never read. */
  readonly strangers: readonly string[];
}

/**
 * Reads every file of a corpus and compares size and hash with the manifest, to the end: all that is damaged is named.
 * @throws DataError where there is no readable manifest
 */
export async function verifyCorpus(path: string, progress: Progress = silentProgress): Promise<Verification> {
  const { manifest } = await readManifest(path);
  const files = [{ ...manifest.genes, file: GENES_FILE }, ...manifest.shards];
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const faults: FileFault[] = [];
  const bar = progress.start('Verify', bytes, 'bytes');
  let done = 0;
  try {
    for (const { file, bytes: expected, sha256 } of files) {
      const fault = await faultOf(join(path, file), expected, sha256);
      if (fault) faults.push({ file, ...fault });
      bar.update((done += expected), file);
    }
  } finally {
    bar.stop();
  }
  const listed = new Set(files.map(({ file }) => file));
  const strangers = (await readdir(path)).filter((name) => /^shard-.*\.arrow$/.test(name) && !listed.has(name)).sort();
  return { numFiles: files.length, bytes, faults, strangers };
}

async function faultOf(file: string, bytes: number, sha256: string): Promise<Omit<FileFault, 'file'> | undefined> {
  try {
    const { size } = await stat(file);
    if (size < bytes) return { fault: 'truncated', detail: `${size} of ${bytes} bytes` };
    if (size > bytes) return { fault: 'altered', detail: `${size} bytes, not ${bytes}` };
    const found = await sha256File(file);
    return found === sha256 ? undefined : { fault: 'altered', detail: `sha256 ${found.slice(0, 12)}…, not ${sha256.slice(0, 12)}…` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? { fault: 'missing', detail: `${bytes} bytes` } : { fault: 'unreadable', detail: code ?? (error as Error).message };
  }
}
