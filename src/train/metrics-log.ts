import { existsSync } from 'node:fs';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { asOutputError, writeFileAtomic } from '../files.js';

/** One line of metrics.jsonl: `step` and `loss` in every line, the split they belong to, and whatever else was measured. */
export interface MetricsRecord {
  readonly step: number;
  readonly split: 'train' | 'validation' | 'test';
  readonly loss: number;
  readonly [name: string]: number | string;
}

/** metrics.jsonl of a run folder: appended to, one JSON object a line. */
export class MetricsLog {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /** @param afterStep lines of later steps are dropped first: a resumed run takes those steps again */
  static async open(path: string, afterStep: number): Promise<MetricsLog> {
    if (existsSync(path)) {
      const kept = (await readMetrics(path)).filter(({ step }) => step <= afterStep);
      await writeFileAtomic(path, kept.map((record) => `${JSON.stringify(record)}\n`).join(''));
    }
    return new MetricsLog(path, await open(path, 'a').catch((error: unknown) => Promise.reject(asOutputError(path, error))));
  }

  async append(record: MetricsRecord): Promise<void> {
    try {
      await this.file.appendFile(`${JSON.stringify(record)}\n`);
    } catch (error) {
      throw asOutputError(this.path, error);
    }
  }

  /** Makes the lines durable: a checkpoint must never be ahead of its log. */
  async sync(): Promise<void> {
    await this.file.sync();
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/** The lines of a metrics.jsonl; a last line that a crash cut short is left out. */
export async function readMetrics(path: string): Promise<MetricsRecord[]> {
  const lines = (await readFile(path, 'utf8')).split('\n');
  lines.pop(); // what follows the last newline: nothing, or a torn line
  return lines.map((line) => JSON.parse(line) as MetricsRecord);
}
