import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, OutputError } from '../../errors.js';
import { writeFolderAtomic } from '../../files.js';
import { openCellFile } from '../../data/readers/open.js';
import type { CellBatch } from '../../data/batch.js';
import { loadTensorFlow } from '../../runtime/native/load.js';
import type { OpenCheckpoint } from '../../train/checkpoint.js';
import { cellSource } from '../cell-source.js';
import { compareModels, syntheticBatches, type Difference } from './check.js';
import type { ExportFormat, ExportSource } from './format.js';
import { EXPORT_FORMATS } from './formats.js';
import { runSignatures } from './run-signatures.js';
import { signaturesOf } from './signatures.js';

export interface ExportOptions {
  readonly format: string;
  /** A file of cells to compare the exported model and its source on; default: random cells. */
  readonly data?: string | undefined;
  /** Told in one line why native TensorFlow is not used, where it is not. */
  readonly notice?: ((line: string) => void) | undefined;
}

/** What was written, and how far it is from its source. */
export interface ExportReport {
  readonly out: string;
  readonly format: string;
  readonly checkpoint: string;
  /** What it can do, with the names and shapes of its inputs; a word stands for a size that is left open. */
  readonly signatures: Readonly<Record<string, Readonly<Record<string, readonly (number | string)[]>>>>;
  readonly files: readonly { readonly name: string; readonly sizeBytes: number }[];
  /** Largest differences to the source. */
  readonly differences: readonly Difference[];
  /** What was compared: a file, or random cells. */
  readonly comparedOn: string;
  readonly numCells: number;
  readonly tolerance: number | null;
  readonly ok: boolean;
}

/** Cells that are compared: enough for several batches of several lengths, few enough for the released size. */
const NUM_CELLS = 8;
const BATCH_SIZE = 3;
const SYNTHETIC_SIZES = [
  [3, 120],
  [2, 77],
  [1, 1200],
] as const;

/**
 * Writes a checkpoint in a form others read, and compares what was written with the checkpoint on cells, before it appears under its name.
 * @throws ConfigError for a format there is none of; OutputError when `out` exists or cannot be written; DataError for cells that cannot be read
 */
export async function exportCheckpoint(checkpoint: OpenCheckpoint, out: string, { format: name, data, notice }: ExportOptions): Promise<ExportReport> {
  const format = EXPORT_FORMATS[name];
  if (!format) throw new ConfigError({ key: '--format', found: name, expected: Object.keys(EXPORT_FORMATS).join(', ') });
  if (existsSync(out)) throw new OutputError({ file: out, found: 'exists already', hint: 'name another --out' });
  await loadTensorFlow(notice && { notice });
  const source: ExportSource = { checkpoint, signatures: signaturesOf(checkpoint) };
  const batches = data === undefined ? syntheticBatches(checkpoint, SYNTHETIC_SIZES) : await firstCells(data, checkpoint);
  let differences: Difference[] = [];
  await writeFolderAtomic(out, async (folder) => {
    await format.write(source, folder);
    differences = await compare(format, folder, source, batches);
  });
  const { signatures } = source;
  return {
    out,
    format: name,
    checkpoint: checkpoint.folder,
    signatures: Object.fromEntries(
      signatures.map((signature) => [signature.name, Object.fromEntries(Object.entries(signature.inputs).map(([key, { shape }]) => [key, shape]))]),
    ),
    files: await filesIn(out),
    differences,
    comparedOn: data ?? 'random cells',
    numCells: batches.reduce((sum, { numCells }) => sum + numCells, 0),
    tolerance: format.tolerance,
    ok: differences.every(({ relative }) => Number.isFinite(relative) && relative <= (format.tolerance ?? Infinity)),
  };
}

async function compare(format: ExportFormat, folder: string, { checkpoint, signatures }: ExportSource, batches: readonly CellBatch[]): Promise<Difference[]> {
  const own = await runSignatures(checkpoint);
  try {
    const exported = await format.open(folder);
    try {
      return await compareModels(signatures, own, exported, batches);
    } finally {
      exported.dispose();
    }
  } finally {
    own.dispose();
  }
}

async function firstCells(path: string, checkpoint: OpenCheckpoint): Promise<CellBatch[]> {
  const cells = await openCellFile(path);
  try {
    const { batches } = await cellSource(cells, checkpoint, { batchSize: BATCH_SIZE });
    const taken: CellBatch[] = [];
    let numCells = 0;
    for await (const batch of batches) {
      taken.push(batch);
      numCells += batch.numCells;
      if (numCells >= NUM_CELLS) break;
    }
    return taken;
  } finally {
    cells.close();
  }
}

async function filesIn(folder: string): Promise<ExportReport['files']> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return Promise.all(names.map(async (path) => ({ name: path.slice(folder.length + 1), sizeBytes: (await stat(path)).size })));
}
