import { open, readdir, readFile, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { asOutputError, writeFileAtomic } from '../../files.js';
import { BuildRecord, ShardEntry } from './manifest.js';

/**
 * building.jsonl: the state of an unfinished build. First line: what is being built. Then one line for each shard, appended
 * after the shard is safely in place, so that a build continues after its last line whatever ended it.
 */
export const JOURNAL_FILE = 'building.jsonl';

/** What a pass over the sources found out and a second pass must know from its start. */
export const Knowledge = z.strictObject({
  valueType: z.enum(['uint16', 'float32']),
  /** Source rows that turned out to have too few genes; they are left out when cells are dealt to the splits. */
  excludedRows: z.array(z.int().nonnegative()),
});
export type Knowledge = z.infer<typeof Knowledge>;

/** Per source file: what the rows of one shard contributed. */
export const SourceTally = z.strictObject({
  numCellsKept: z.int(),
  numCellsWithoutGenes: z.int(),
  numCellsBelowMinGenes: z.int(),
  numCellsBelowMinCounts: z.int(),
  numCellsAboveMaxMito: z.int(),
  sumAll: z.number(),
  sumMatched: z.number(),
  sumRenamed: z.number().describe('the part of sumMatched in columns that only the gene table knows'),
});
export type SourceTally = z.infer<typeof SourceTally>;

export const ShardRecord = z.strictObject({
  /** Null where no cell of the range was kept. */
  shard: ShardEntry.nullable(),
  droppedRows: z.array(z.int()),
  tallies: z.record(z.string(), SourceTally).describe('by index of the source'),
});
export type ShardRecord = z.infer<typeof ShardRecord>;

/** Which process of how many. */
export const Share = z.strictObject({ rank: z.int().nonnegative(), world: z.int().positive() });
export type Share = z.infer<typeof Share>;

const Header = z.strictObject({ build: BuildRecord, share: Share.nullable().describe('null: all of it'), knowledge: Knowledge });
export type JournalHeader = z.infer<typeof Header>;

/** @returns undefined where there is no journal, or not even its first line */
export async function readJournal(folder: string): Promise<{ header: JournalHeader; records: ShardRecord[] } | undefined> {
  const text = await readFile(join(folder, JOURNAL_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const [first, ...lines] = text.split('\n');
  const header = parseLine(Header, first ?? '');
  if (!header) return undefined;
  const records: ShardRecord[] = [];
  for (const line of lines) {
    const record = parseLine(ShardRecord, line);
    if (!record) break; // the line that was being written when the build ended
    records.push(record);
  }
  return { header, records };
}

function parseLine<S extends z.ZodType>(schema: S, line: string): z.output<S> | undefined {
  try {
    return schema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

export class Journal {
  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
  ) {}

  /** Starts the journal anew with these records, and stays open for more. */
  static async create(folder: string, header: JournalHeader, records: readonly ShardRecord[]): Promise<Journal> {
    const file = join(folder, JOURNAL_FILE);
    await writeFileAtomic(file, [header, ...records].map((line) => `${JSON.stringify(line)}\n`).join(''));
    return new Journal(file, await open(file, 'a'));
  }

  async append(record: ShardRecord): Promise<void> {
    try {
      await this.handle.appendFile(`${JSON.stringify(record)}\n`);
      await this.handle.sync();
    } catch (error) {
      throw asOutputError(this.file, error);
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Names a build gives its files, those it had not finished included; the manifest is not among them. */
export function isOurs(name: string): boolean {
  return /^(shard-\d{5,}\.arrow|genes\.arrow|building\.jsonl|(corpus|part)\.json(?=\.tmp-))(\.tmp-.*)?$/.test(name);
}

/** Removes a build's files but those named: what a killed build was writing, and shards of a pass that starts again. */
export async function removeFiles(folder: string, keep: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) if (isOurs(name) && !keep.includes(name)) await rm(join(folder, name), { force: true });
}
