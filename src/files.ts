import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OutputError } from './errors.js';

/**
 * Writes under a temporary name beside `path`, fsyncs, renames: a reader sees the old file or the new one, never half of one.
 * @param data the whole, or pieces in order for what is too large to hold at once
 * @param options sync false: without the fsync; the file may be lost or empty after a power cut, never after a killed process.
 *   onWritten hears that the operating system has all of `data`, whose memory may then be used again
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { sync = true, onWritten }: { sync?: boolean; onWritten?: () => void } = {},
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await makeFolder(dirname(path));
    const handle = await open(temporary, 'wx');
    try {
      if (Array.isArray(data)) await writeAll(handle, data as Uint8Array[]);
      else {
        const pieces = typeof data === 'string' || data instanceof Uint8Array ? [data] : data;
        // Each call continues where the one before it ended.
        for await (const piece of pieces) await handle.writeFile(piece);
      }
      onWritten?.();
      if (sync) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await removeQuietly(temporary);
    throw asOutputError(path, error);
  }
}

/** Pieces a single call takes at most: the operating system's limit. */
const MOST_PIECES = 1024;

/** All pieces in as few calls as can be: this thread is free meanwhile. */
async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  for (let [next, within] = [0, 0]; next < pieces.length;) {
    const rest = pieces.slice(next, next + MOST_PIECES);
    rest[0] = rest[0]!.subarray(within);
    let { bytesWritten } = await handle.writev(rest);
    for (const piece of rest) {
      if (bytesWritten < piece.length) break;
      bytesWritten -= piece.length;
      [next, within] = [next + 1, 0];
    }
    within += bytesWritten;
  }
}

/** Fills a folder under a temporary name, then renames it to `path`; an existing `path` is replaced only once the new one is whole. */
export async function writeFolderAtomic(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
  const old = `${temporary}.old`;
  try {
    await makeFolder(temporary);
    await fill(temporary);
    const hadOld = await rename(path, old).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false;
        throw error;
      },
    );
    try {
      await rename(temporary, path);
    } catch (error) {
      if (hadOld) await rename(old, path);
      throw error;
    }
    await syncFolder(dirname(path));
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    await removeQuietly(temporary);
    throw asOutputError(path, error);
  }
}

/** Clears up after an error that is about to be thrown: that one is the news, not a second one from clearing up. */
async function removeQuietly(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {});
}

/**
 * Makes a folder and those it stands in. Node's own recursive mkdir never ends below /proc, where a folder that is there refuses new ones with
 * "no such folder".
 * @throws OutputError
 */
export async function makeFolder(path: string): Promise<void> {
  const refusal = await mkdir(path).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error,
  );
  if (refusal === undefined) return;
  if (refusal.code === 'EEXIST' && (await stat(path)).isDirectory()) return;
  if (refusal.code !== 'ENOENT' || dirname(path) === path) throw asOutputError(path, refusal);
  await makeFolder(dirname(path));
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return; // another process was faster
    throw error.code === 'ENOENT'
      ? new OutputError({ file: path, found: 'no folder can be made there', hint: 'choose another --out', cause: error })
      : asOutputError(path, error);
  });
}

/** Makes a rename inside `path` durable. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function temporaryName(path: string): string {
  return `${path.replace(/\/+$/, '')}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** No table or description that is read as a whole comes near this. */
const MOST_TEXT_BYTES = 2 ** 28;

/**
 * Reads a text as a whole, of files alone: a link to a device has no end, and a pipe no beginning.
 * @throws as readFile; `code` says in words what else is wrong
 */
export async function readText(path: string): Promise<string> {
  const { size } = await statOfFile(path);
  if (size > MOST_TEXT_BYTES) throw Object.assign(new Error(`${path} is too large`), { code: `${size} bytes, at most ${MOST_TEXT_BYTES} of text are read` });
  return readFile(path, 'utf8');
}

/** Opens a file for reading. @throws as open, and where it is none: opening a pipe would wait for ever */
export async function openFile(path: string): Promise<FileHandle> {
  await statOfFile(path);
  return open(path, 'r');
}

async function statOfFile(path: string): Promise<Stats> {
  const found = await stat(path);
  if (!found.isFile()) throw Object.assign(new Error(`${path} is no file`), { code: 'not a file' });
  return found;
}

const HASH_PIECE = 1 << 20;

/** One piece is hashed while the next is read, in the same two pieces of memory for the whole file. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(path, 'r');
  try {
    let [piece, next] = [Buffer.allocUnsafeSlow(HASH_PIECE), Buffer.allocUnsafeSlow(HASH_PIECE)];
    for (let reading = handle.read(piece, 0, HASH_PIECE); ; [piece, next] = [next, piece]) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return hash.digest('hex');
      reading = handle.read(next, 0, HASH_PIECE);
      hash.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

const MENDS: Record<string, [found: string, hint: string]> = {
  EACCES: ['permission denied', 'write to a folder you own'],
  EPERM: ['operation not permitted', 'write to a folder you own'],
  EROFS: ['the file system is read-only', 'choose another --out'],
  ENOSPC: ['the disk is full', 'free space or choose another --out'],
  EDQUOT: ['the disk quota is used up', 'free space or choose another --out'],
  EEXIST: ['a part of the path is a file, not a folder', 'choose another --out'],
  ENOTDIR: ['a part of the path is a file, not a folder', 'choose another --out'],
  EISDIR: ['is a folder', 'name a file'],
  EFBIG: ['the file is too large for this file system', 'choose another --out'],
};

/** The operating system's refusal to write, as the user's one line; anything else unchanged. */
export function asOutputError(path: string, error: unknown): unknown {
  const mend = MENDS[(error as NodeJS.ErrnoException | null)?.code ?? ''];
  return mend ? new OutputError({ file: path, found: `cannot be written: ${mend[0]}`, hint: mend[1], cause: error }) : error;
}
