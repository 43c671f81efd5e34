import { realpath } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Vocabulary } from '../data/genes/vocabulary.js';
import { openCellFile } from '../data/readers/open.js';
import type { CellFile, ObsColumn } from '../data/readers/reader.js';
import type { NewColumn, UnsValue } from '../data/writers/h5ad.js';
import { checkOutput, writeNewH5ad, type SparseRows } from '../data/writers/new-h5ad.js';
import { OutputError } from '../errors.js';
import type { Executor } from '../runtime/program/program.js';
import type { Checkpoint } from '../train/checkpoint.js';
import { cellSource, type CellSource, type ReadOptions } from './cell-source.js';
import type { GenerateConfig } from './config.js';
import { generateCells, type GeneratedCell, type Generation } from './generate.js';

export interface GenerateFileJob {
  readonly input: string;
  readonly output: string;
  readonly config: GenerateConfig;
  /** Of this package, for the record. */
  readonly version: string;
}

export interface GeneratedFile extends Generation {
  readonly source: Omit<CellSource, 'batches'>;
  /** Rows of the input without any gene of the vocabulary: nothing was generated from them. */
  readonly emptyRows: readonly number[];
}

/**
 * Completes the cells of a file and writes the completions to another.
 * @throws OutputError when the output is the input or cannot be written, DataError when the input cannot be used, InterruptedError
 */
export async function generateFile(
  checkpoint: Checkpoint,
  executor: Executor,
  { input, output, config, version }: GenerateFileJob,
  options: ReadOptions = {},
): Promise<GeneratedFile> {
  await checkOutput(output);
  const real = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));
  if ((await real(input)) === (await real(output)))
    throw new OutputError({ file: output, found: 'is the input file', expected: 'another one: the input is never changed', hint: 'choose another --out' });
  const file = await openCellFile(input);
  try {
    const { batches, ...source } = await cellSource(file, checkpoint, options);
    const generation = await generateCells(checkpoint, executor, batches, { config, file: input, progress: options.progress, signal: options.signal });
    await writeGeneratedFile(output, file, checkpoint.vocabulary, generation.cells, {
      version,
      checkpoint: basename(checkpoint.folder),
      matrix: source.matrix.key,
      config,
      recovery: generation.recovery,
    });
    return { ...generation, source, emptyRows: [...batches.emptyRows] };
  } finally {
    file.close();
  }
}

/** What is told of a generated file under uns['scdiva']. */
export interface GenerationRecord {
  readonly version: string;
  readonly checkpoint: string;
  readonly matrix: string;
  readonly config: GenerateConfig;
  readonly recovery: Generation['recovery'];
}

/**
 * Writes generated cells as an .h5ad: X holds log-normalised expression over every vocabulary gene, `layers['scdiva_generated']` a 1 at each
 * generated entry, obs the columns of the cells they were made from and `scdiva_source_cell`, `scdiva_sample`, `scdiva_num_generated`.
 * A generated value of 0 is a stored entry of X: the gene was drawn and no expression predicted for it.
 * @throws OutputError when it cannot be written
 */
export async function writeGeneratedFile(
  output: string,
  source: CellFile,
  vocabulary: Vocabulary,
  cells: readonly GeneratedCell[],
  record: GenerationRecord,
): Promise<void> {
  const rows = Int32Array.from(cells, ({ cellIndex }) => cellIndex);
  const carried = Object.fromEntries(source.obsKeys.map((key) => [key, columnOfRows(source.obs(key), rows)]));
  await writeNewH5ad({
    output,
    cellIds: uniqueNames(cells.map(({ cellIndex, sample }) => `${source.cellIds[cellIndex]!}-sample${sample}`)),
    geneNames: uniqueNames(vocabulary.genes.map(({ symbol, ensemblId }) => symbol || ensemblId)),
    x: sparseRows(cells, vocabulary.firstGeneId, ({ values }, i) => values[i]!),
    layers: { scdiva_generated: sparseRows(cells, vocabulary.firstGeneId, ({ isGenerated }, i) => (isGenerated[i] ? 1 : null)) },
    obs: {
      ...carried,
      scdiva_source_cell: { kind: 'string', values: cells.map(({ cellIndex }) => source.cellIds[cellIndex]!) },
      scdiva_sample: { kind: 'numeric', values: Int32Array.from(cells, ({ sample }) => sample) },
      scdiva_num_generated: { kind: 'numeric', values: Int32Array.from(cells, ({ isGenerated }) => isGenerated.reduce((sum, is) => sum + is, 0)) },
    },
    var: {
      ensembl_id: { kind: 'string', values: vocabulary.genes.map(({ ensemblId }) => ensemblId) },
      scdiva_gene_id: { kind: 'numeric', values: Int32Array.from(vocabulary.genes, (_, i) => i + vocabulary.firstGeneId) },
    },
    uns: { scdiva: unsOf({ ...record, source: basename(source.path), task: 'generate' }) },
  });
}

/** @param value of a cell's i-th entry; null leaves it out */
function sparseRows(cells: readonly GeneratedCell[], firstGeneId: number, value: (cell: GeneratedCell, i: number) => number | null): SparseRows {
  const indptr = new Int32Array(cells.length + 1);
  const capacity = cells.reduce((sum, { geneIds }) => sum + geneIds.length, 0);
  const indices = new Int32Array(capacity);
  const values = new Float32Array(capacity);
  let n = 0;
  for (const [row, cell] of cells.entries()) {
    cell.geneIds.forEach((id, i) => {
      const entry = value(cell, i);
      if (entry === null) return;
      indices[n] = id - firstGeneId;
      values[n++] = entry;
    });
    indptr[row + 1] = n;
  }
  return { indptr, indices: indices.subarray(0, n), values: values.subarray(0, n) };
}

/** The entries of an obs column at the given rows, repeated as they repeat. */
function columnOfRows(column: ObsColumn, rows: Int32Array): NewColumn {
  switch (column.kind) {
    case 'categorical':
      return { kind: 'categorical', categories: column.categories, codes: rows.map((row) => column.codes[row]!), isOrdered: column.isOrdered };
    case 'numeric':
      return { kind: 'numeric', values: Float64Array.from(rows, (row) => column.values[row]!) };
    case 'boolean':
      return { kind: 'categorical', categories: ['False', 'True'], codes: rows.map((row) => (column.values[row] == null ? -1 : Number(column.values[row]))) };
    case 'string': {
      const categories = [...new Set(column.values.filter((value) => value !== null))].sort();
      const codes = new Map(categories.map((category, code) => [category, code]));
      return { kind: 'categorical', categories, codes: rows.map((row) => (column.values[row] == null ? -1 : codes.get(column.values[row])!)) };
    }
  }
}

/** Repeated names get -1, -2 … as anndata's own var_names_make_unique gives them. */
export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set(names);
  const numSeen = new Map<string, number>();
  return names.map((name) => {
    if (!numSeen.has(name)) {
      numSeen.set(name, 0);
      return name;
    }
    let next: string;
    do {
      numSeen.set(name, numSeen.get(name)! + 1);
      next = `${name}-${numSeen.get(name)}`;
    } while (taken.has(next));
    taken.add(next);
    return next;
  });
}

/** Plain values as uns holds them: no null, names as Python writes them. */
function unsOf(value: object): { [key: string]: UnsValue } {
  const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, entry]: [string, unknown]): [string, UnsValue][] => {
      if (entry === null || entry === undefined) return [];
      return [[snake(key), typeof entry === 'object' ? unsOf(entry) : (entry as string | number)]];
    }),
  );
}
