import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OutputError } from '../../errors.js';
import { asOutputError, sha256File, writeFileAtomic } from '../../files.js';

/** One step of a longer piece of work: made from known inputs, leaving known files. */
export interface Step {
  /** Stable name in steps.json. */
  readonly name: string;
  /** What it does, for people: `pretrain a small model`. */
  readonly title: string;
  /** Plain JSON that decides the outputs, hashes of what earlier steps left included. */
  readonly inputs: unknown;
  /** Files it leaves, relative to the log's folder. */
  readonly outputs: readonly string[];
  /** The folder that is its own and is emptied when it was made from other inputs. */
  readonly folder?: string;
  /** @param hasBegun an earlier attempt with the same inputs was cut short: go on where it stopped */
  readonly work: (hasBegun: boolean) => Promise<void>;
}

export interface StepTime {
  readonly name: string;
  /** Of the attempt that did the work. */
  readonly seconds: number;
  readonly isReused: boolean;
}

interface Entry {
  readonly inputs: string;
  /** Absent while the step is under way. */
  readonly outputs?: Readonly<Record<string, string>>;
  readonly seconds?: number;
}

const LOG_FILE = 'steps.json';

/** steps.json: from what each step was made and what it left, by hash, so that a second run does only what is missing. */
export class StepLog {
  readonly times: StepTime[] = [];
  private numAnnounced = 0;

  private constructor(
    readonly folder: string,
    private readonly entries: Record<string, Entry>,
    private readonly numSteps: number,
    private readonly say: (line: string) => void,
  ) {}

  /** @throws OutputError for a folder that holds other things, or that cannot be made */
  static async open(folder: string, numSteps: number, say: (line: string) => void): Promise<StepLog> {
    const file = join(folder, LOG_FILE);
    if (!existsSync(file)) {
      const [foreign] = await mkdir(folder, { recursive: true })
        .then(() => readdir(folder))
        .catch((error: unknown) => Promise.reject(asOutputError(folder, error)));
      if (foreign !== undefined)
        throw new OutputError({
          file: folder,
          found: `holds other files (${foreign})`,
          expected: 'a new folder, or one of an earlier quickstart',
          hint: 'choose another --out',
        });
    }
    return new StepLog(folder, existsSync(file) ? parseEntries(await readFile(file, 'utf8')) : {}, numSteps, say);
  }

  /** Announces a step and does it, or says that what is there is what it would make. @returns the hashes of its outputs */
  async run({ name, title, inputs, outputs, folder, work }: Step): Promise<Readonly<Record<string, string>>> {
    const heading = `${++this.numAnnounced}/${this.numSteps} ${title}`;
    const inputHash = createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
    const entry = this.entries[name];
    const isSame = entry?.inputs === inputHash;
    if (isSame && entry.outputs && (await this.areWhole(entry.outputs, outputs))) {
      this.say(`${heading}: reusing what is there`);
      this.times.push({ name: title, seconds: entry.seconds ?? 0, isReused: true });
      return entry.outputs;
    }
    this.say(heading);
    const hasBegun = isSame && entry.outputs === undefined;
    if (entry && !hasBegun && folder !== undefined) await rm(join(this.folder, folder), { recursive: true, force: true });
    const started = Date.now();
    await this.record(name, { inputs: inputHash });
    await work(hasBegun);
    const hashes = Object.fromEntries(await Promise.all(outputs.map(async (file) => [file, await sha256File(join(this.folder, file))] as const)));
    const seconds = (Date.now() - started) / 1000;
    await this.record(name, { inputs: inputHash, outputs: hashes, seconds });
    this.times.push({ name: title, seconds, isReused: false });
    return hashes;
  }

  private async areWhole(recorded: Readonly<Record<string, string>>, wanted: readonly string[]): Promise<boolean> {
    for (const file of wanted) {
      const path = join(this.folder, file);
      if (recorded[file] === undefined || !existsSync(path) || (await sha256File(path)) !== recorded[file]) return false;
    }
    return true;
  }

  private async record(name: string, entry: Entry): Promise<void> {
    this.entries[name] = entry;
    await writeFileAtomic(join(this.folder, LOG_FILE), `${JSON.stringify(this.entries, null, 1)}\n`);
  }
}

/** A damaged log is no log: every step is then made anew. */
function parseEntries(text: string): Record<string, Entry> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, Entry>) : {};
  } catch {
    return {};
  }
}
