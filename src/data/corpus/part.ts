import { readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError, DataError } from '../../errors.js';
import { syncFolder, writeFileAtomic } from '../../files.js';
import { JOURNAL_FILE, ShardRecord, Share } from './journal.js';
import { CorpusManifest } from './manifest.js';

/**
 * A build that several processes share: each makes a range of the shards in a folder of its own, which ends with a part.json instead of a
 * corpus.json. Everything that is decided over all cells (genes, labels, split) each of them works out alike from the names and labels of
 * all files; values it reads of its own range alone.
 */
export const PART_FILE = 'part.json';
/** Stands for the hash of a file that no row of this part is from: another part has read it. */
export const UNREAD_SOURCE = '0'.repeat(64);

export type { Share };

const PartManifest = z.strictObject({
  format: z.literal('scdiva-corpus-part'),
  scdiva: z.string().describe('the version that made it: another one may make other bytes'),
  share: Share,
  numShards: z.int().nonnegative().describe('of the whole corpus'),
  firstShard: z.int().nonnegative(),
  endShard: z.int().nonnegative(),
  manifest: CorpusManifest.describe('of this part alone'),
  records: z.array(ShardRecord),
});
export type PartManifest = z.infer<typeof PartManifest>;

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
  return version;
}

/** @throws ConfigError for a rank that the world does not have */
export function checkShare({ rank, world }: Share): Share {
  if (Number.isSafeInteger(world) && world >= 1 && Number.isSafeInteger(rank) && rank >= 0 && rank < world) return { rank, world };
  throw new ConfigError({ key: '--rank', found: `${rank} of --world ${world}`, expected: 'a rank from 0 up to one less than --world' });
}

/** @returns first shard and the one after the last; shares differ by one shard at most */
export function shardsOf({ rank, world }: Share, numShards: number): [first: number, end: number] {
  return [Math.floor((rank * numShards) / world), Math.floor(((rank + 1) * numShards) / world)];
}

/** The part is whole once this file is there. */
export async function writePart(folder: string, part: Omit<PartManifest, 'format' | 'scdiva'>): Promise<void> {
  await writeFileAtomic(join(folder, PART_FILE), `${JSON.stringify({ format: 'scdiva-corpus-part', scdiva: packageVersion(), ...part }, null, 1)}\n`);
  await rm(join(folder, JOURNAL_FILE), { force: true });
  await syncFolder(folder);
}

/** @throws DataError where the folder holds no finished part */
export async function readPart(folder: string): Promise<PartManifest> {
  const file = join(folder, PART_FILE);
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new DataError({
      file: folder,
      found: cause.code === 'ENOENT' ? `no ${PART_FILE}: not a part of a corpus, or not finished` : `cannot be read (${cause.code})`,
      hint: 'make it with scdiva data build --rank, which continues an unfinished one',
      cause,
    });
  });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new DataError({ file, found: 'not JSON', hint: 'delete the folder and build this part again', cause });
  }
  const version = (raw as { scdiva?: unknown } | null)?.scdiva;
  if (typeof version === 'string' && version !== packageVersion()) {
    throw new DataError({
      file,
      key: 'scdiva',
      found: `made by version ${version}`,
      expected: packageVersion(),
      hint: 'build all parts and merge them with one version',
    });
  }
  const parsed = PartManifest.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new DataError({
    file,
    key: issue?.path.join('.'),
    found: issue?.message ?? 'not a part of a corpus',
    hint: 'delete the folder and build this part again',
  });
}
