import { readFile, readdir, stat } from 'node:fs/promises';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sha256File, writeFileAtomic } from '../../files.js';

/** Written last into a staged folder: what is in it. A folder without it, or that differs from it, counts as not there. */
export interface Marker {
  readonly format: 1;
  readonly key: string;
  /** Every other file of the folder, by path relative to it. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

export const MARKER = 'staged.json';

/** Lists and hashes what is in the folder now; of a link, what it points to. */
export async function writeMarker(folder: string, key: string): Promise<Marker> {
  const files: Record<string, { bytes: number; sha256: string }> = {};
  for (const entry of (await readdir(folder, { recursive: true, withFileTypes: true })).filter((e) => !e.isDirectory())) {
    const path = join(entry.parentPath, entry.name);
    const { size } = await stat(path);
    files[path.slice(folder.length + 1)] = { bytes: size, sha256: await sha256File(path) };
  }
  const marker: Marker = { format: 1, key, files };
  await writeFileAtomic(join(folder, MARKER), `${JSON.stringify(marker, null, 1)}\n`);
  return marker;
}

/** First thing wrong with a staged folder as far as names and sizes tell (a millisecond), or null. 'absent' = nothing is there. */
export function glance(folder: string, key: string): string | 'absent' | null {
  const marker = readMarker(folder, key);
  if (typeof marker === 'string') return marker;
  for (const [path, { bytes }] of Object.entries(marker.files)) {
    const size = statSync(join(folder, path), { throwIfNoEntry: false })?.size;
    if (size === undefined) return `${path} is missing`;
    if (size !== bytes) return `${path} has ${size} bytes, not ${bytes}`;
  }
  return null;
}

/** As `glance`, and every byte is read and hashed. */
export async function inspect(folder: string, key: string): Promise<string | 'absent' | null> {
  const glanced = glance(folder, key);
  if (glanced !== null) return glanced;
  const { files } = JSON.parse(await readFile(join(folder, MARKER), 'utf8')) as Marker;
  for (const [path, { sha256 }] of Object.entries(files)) {
    if ((await sha256File(join(folder, path))) !== sha256) return `${path} differs from what was staged`;
  }
  return null;
}

function readMarker(folder: string, key: string): Marker | string {
  let text: string;
  try {
    text = readFileSync(join(folder, MARKER), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return statSync(folder, { throwIfNoEntry: false }) ? `${MARKER} is missing` : 'absent';
  }
  try {
    const marker = JSON.parse(text) as Marker;
    if (marker.format === 1 && marker.key === key && typeof marker.files === 'object') return marker;
  } catch {
    // Told below: to the caller a marker that does not parse is one that says nothing.
  }
  return `${MARKER} is damaged`;
}
