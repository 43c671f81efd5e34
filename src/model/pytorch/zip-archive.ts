import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import yauzl from 'yauzl';
import { CheckpointError } from '../../errors.js';

/** Where an entry's bytes stand in the file. */
export interface ZipEntry {
  readonly name: string;
  readonly start: number;
  readonly length: number;
  /** Why it cannot be read as it stands. */
  readonly refusal?: 'a compressed entry' | 'an encrypted entry';
}

/** More entries than any state dict has tensors. */
const MAX_ENTRIES = 100_000;

/** One read call moves at most this much: the operating system refuses more than 2 GB at once. */
const CHUNK_BYTES = 256 * 2 ** 20;

/**
 * A zip file whose entries are read where they stand. Entries are bytes of the file, each byte of one entry at most: overlapping entries are
 * refused, compressed and encrypted ones cannot be read, so that nothing read is larger than the file; nothing is ever unpacked to disk.
 */
export class ZipArchive {
  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly entries: ReadonlyMap<string, ZipEntry>,
  ) {}

  get names(): readonly string[] {
    return [...this.entries.keys()];
  }

  /** Undefined where there is none of that name. @throws CheckpointError for a compressed or encrypted one */
  entry(name: string): ZipEntry | undefined {
    const entry = this.entries.get(name);
    if (entry?.refusal) throw refusal(this.path, name, entry.refusal);
    return entry;
  }

  /** @throws CheckpointError for what is no zip file, is damaged, or has entries that are refused */
  static async open(path: string): Promise<ZipArchive> {
    const entries = await readDirectory(path);
    checkOverlap(entries, path);
    return new ZipArchive(path, await open(path, 'r'), new Map(entries.map((entry) => [entry.name, entry])));
  }

  /** The bytes of an entry. @throws CheckpointError when the file ends before them */
  async read({ name, start, length }: ZipEntry, from = 0, to = length): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(to - from);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await this.handle.read(bytes, at, Math.min(CHUNK_BYTES, bytes.length - at), start + from + at);
      if (bytesRead === 0) throw new CheckpointError({ file: this.path, key: name, found: 'the file became shorter while it was read' });
      at += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

async function readDirectory(path: string): Promise<ZipEntry[]> {
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  let zip: yauzl.ZipFile | undefined;
  try {
    // strictFileNames: no backslashes; absolute names and `..` are always errors.
    zip = await yauzl.openPromise(path, { autoClose: false, strictFileNames: true });
    if (zip.entryCount > MAX_ENTRIES) throw refusal(path, 'zip directory', `${zip.entryCount} entries`);
    for await (const entry of zip.eachEntry()) {
      const { fileName: name } = entry;
      if (name.endsWith('/')) continue;
      if (names.has(name)) throw refusal(path, name, 'named twice');
      names.add(name);
      const { fileDataStart: start } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      if (start + entry.compressedSize > zip.fileSize) throw refusal(path, name, `${entry.compressedSize} bytes in a file of ${zip.fileSize}`);
      const problem = entry.isEncrypted() ? 'an encrypted entry' : entry.compressionMethod !== 0 ? 'a compressed entry' : undefined;
      entries.push({ name, start, length: entry.compressedSize, ...(problem && { refusal: problem }) });
    }
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw new CheckpointError({
      file: path,
      found: `no readable zip file: ${(cause as Error).message}`,
      hint: 'it is damaged or truncated: fetch or write it again',
      cause,
    });
  } finally {
    zip?.close();
  }
  return entries;
}

function checkOverlap(entries: readonly ZipEntry[], path: string): void {
  const inOrder = [...entries].sort((a, b) => a.start - b.start || a.length - b.length);
  let end = 0;
  for (const { name, start, length } of inOrder) {
    if (length > 0 && start < end)
      throw new CheckpointError({ file: path, key: name, found: 'its bytes belong to another entry as well', hint: 'the file is damaged or made to mislead' });
    end = Math.max(end, start + length);
  }
}

function refusal(path: string, name: string, found: string): CheckpointError {
  return new CheckpointError({ file: path, key: name.slice(0, 120), found, expected: 'a file as torch.save writes it' });
}
