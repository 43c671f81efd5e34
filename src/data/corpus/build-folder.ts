import { readdir, rm } from 'node:fs/promises';
import { DataError, OutputError } from '../../errors.js';
import { asOutputError } from '../../files.js';
import { isOurs, readJournal, removeFiles } from './journal.js';
import { MANIFEST_FILE, readManifest, type BuildRecord, type CorpusManifest } from './manifest.js';
import { PART_FILE, readPart, type Share } from './part.js';

/** The folder that a build writes to: what is there already, and whether it is of the same build. */

export type FolderState =
  | { readonly kind: 'free' }
  | { readonly kind: 'finished'; readonly manifest: CorpusManifest; readonly share: Share | null }
  | ({ readonly kind: 'unfinished'; readonly share: Share | null } & NonNullable<Awaited<ReturnType<typeof readJournal>>>);

/** @throws OutputError for a folder with other things in it: a corpus does not mix with them */
export async function stateOf(out: string): Promise<FolderState> {
  const names = await readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw asOutputError(out, error);
  });
  if (names.includes(MANIFEST_FILE)) return { kind: 'finished', manifest: (await readManifest(out)).manifest, share: null };
  if (names.includes(PART_FILE)) return { kind: 'finished', ...(await readPart(out)) };
  const journal = await readJournal(out);
  if (journal) return { kind: 'unfinished', share: journal.header.share, ...journal };
  const foreign = names.find((name) => !isOurs(name));
  if (foreign !== undefined)
    throw new OutputError({ file: out, found: `holds other files (${foreign})`, expected: 'a new or empty folder', hint: 'choose another --out' });
  return { kind: 'free' };
}

export async function removeUnfinished(out: string): Promise<void> {
  await removeFiles(out, []);
  if ((await readdir(out)).length === 0) await rm(out, { recursive: true });
}

const OTHER_INPUT: Partial<Record<keyof BuildRecord, string>> = {
  sources: 'of other files',
  vocabularyHash: 'over another vocabulary',
  geneTableHash: 'with another gene table',
  orthologsHash: 'with another table of orthologs',
};

/** @throws DataError where the folder holds another rank's part, or a part where a corpus is wanted */
export function sameShare(out: string, there: Share | null, asked: Share | undefined): void {
  const words = (share: Share | null | undefined): string => (share ? `part ${share.rank} of ${share.world}` : 'a whole corpus');
  if (words(there) !== words(asked))
    throw new DataError({ file: out, found: words(there), expected: words(asked), hint: 'choose another --out or delete the folder' });
}

/** @returns `value` where both builds are the same @throws DataError naming what differs */
export function sameBuild<T>(out: string, there: BuildRecord, asked: BuildRecord, value: T): T {
  const differing = (Object.keys(asked) as (keyof BuildRecord)[]).filter((key) => JSON.stringify(there[key]) !== JSON.stringify(asked[key]));
  if (differing.length === 0) return value;
  const [key] = differing;
  const show = (record: BuildRecord): string => JSON.stringify(record[key!]);
  const words = OTHER_INPUT[key!];
  throw new DataError({
    file: out,
    key: differing.join(', '),
    found: words ? `a corpus ${words}` : `a corpus built with ${key} ${show(there)}`,
    expected: words ? 'the same input' : show(asked),
    hint: 'choose another --out or delete the folder',
  });
}
