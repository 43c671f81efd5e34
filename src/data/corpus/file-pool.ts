import { DataError } from '../../errors.js';
import { stopIdleReader } from '../readers/isolated-store.js';
import { openCellFile } from '../readers/open.js';
import type { CellFile, CellMatrix, MatrixInfo, MatrixKey, ObsColumn, PackedNames, RowBlock, RowBlockOptions } from '../readers/reader.js';
import { NameSpool, unpackNames, type SpooledNames } from './cell-names.js';
import { fittingCodes, type Codes } from './codes.js';
import { MAX_CATEGORIES } from './obs-columns.js';

/** Files that stay open at once: each holds a thread and some 25 MB. */
export const MOST_OPEN_FILES = 8;
/** Rows of files that stay open while another one is opened: each holds its names, a hundred bytes a row. */
const MOST_OPEN_ROWS = 200_000;

/** Which obs columns of a file are kept in memory: those asked for, and with `labels` all that could be labels. */
export interface WantedObs {
  readonly keys: ReadonlySet<string>;
  readonly labels: boolean;
}

interface PoolEntry {
  readonly file: Promise<CellFile>;
  numUsers: number;
}

/**
 * Hundreds of files as if all were open: names and labels are read once and kept, rows open their file again where it was
 * closed to make room for another one.
 */
export class FilePool {
  /** By path; the one used last comes last. */
  private readonly entries = new Map<string, PoolEntry>();
  private readonly names = new NameSpool();

  constructor(
    private readonly mostOpen = MOST_OPEN_FILES,
    private readonly mostRows = MOST_OPEN_ROWS,
  ) {}

  /** @throws DataError as openCellFile */
  async open(path: string, wanted: WantedObs): Promise<CellFile> {
    return this.use(path, (file) => new PooledFile(this, file, this.names.add(file.cellIds), wanted));
  }

  /** Has the file open while `work` goes on. */
  async use<T>(path: string, work: (file: CellFile) => T | Promise<T>): Promise<T> {
    const release = await this.hold(path);
    try {
      return await work(await this.entries.get(path)!.file);
    } finally {
      await release();
    }
  }

  /** Opens the file and keeps it open until what is returned is called. */
  async hold(path: string): Promise<() => Promise<void>> {
    if (!this.entries.has(path)) await this.makeRoom(this.mostOpen - 1, this.mostRows);
    const entry = this.entries.get(path) ?? { file: openCellFile(path), numUsers: 0 };
    this.entries.delete(path);
    this.entries.set(path, entry);
    entry.numUsers++;
    try {
      await entry.file;
    } catch (error) {
      this.entries.delete(path);
      throw error;
    }
    await this.makeRoom();
    return async () => {
      entry.numUsers--;
      await this.makeRoom();
    };
  }

  /** Files that are open now. */
  get numOpen(): number {
    return this.entries.size;
  }

  file(path: string): Promise<CellFile> {
    return this.entries.get(path)!.file;
  }

  /** Closes what is not in use, and lets go of the memory that goes with it. Whoever asks for rows later opens their file again. */
  async rest(): Promise<void> {
    await this.makeRoom(0);
    stopIdleReader();
  }

  async close(): Promise<void> {
    for (const { file } of this.entries.values())
      await file.then(
        (opened) => opened.close(),
        () => {},
      );
    this.entries.clear();
    this.names.close();
  }

  /** Closes those used longest ago until so many files, of so many rows, are open at most. */
  private async makeRoom(mostOpen = this.mostOpen, mostRows = Infinity): Promise<void> {
    let numRows = 0;
    for (const { numUsers, file } of mostRows < Infinity ? this.entries.values() : []) if (numUsers === 0) numRows += (await file).numCells;
    for (const [path, { file, numUsers }] of this.entries) {
      if (this.entries.size <= mostOpen && numRows <= mostRows) return;
      if (numUsers > 0) continue;
      this.entries.delete(path);
      const opened = await file;
      numRows -= opened.numCells;
      opened.close();
    }
  }
}

/** The names and labels of a file, and rows on demand. The file it was made from may be closed, and nothing of it is kept. */
class PooledFile implements CellFile {
  readonly path: string;
  readonly format: CellFile['format'];
  readonly numCells: number;
  readonly obsKeys: readonly string[];
  readonly matrices: readonly MatrixInfo[];
  readonly notes: readonly string[];
  private readonly columns = new Map<string, () => KeptColumn>();
  private readonly byKey = new Map<MatrixKey, () => CellMatrix>();

  constructor(
    pool: FilePool,
    file: CellFile,
    private readonly names: SpooledNames,
    wanted: WantedObs,
  ) {
    this.path = file.path;
    this.format = file.format;
    this.numCells = file.numCells;
    this.obsKeys = file.obsKeys;
    this.matrices = file.matrices;
    this.notes = file.notes;
    for (const key of file.obsKeys) {
      if (wanted.keys.has(key))
        this.columns.set(
          key,
          keep(() => narrowed(file.obs(key))),
        );
      else if (wanted.labels)
        this.columns.set(
          key,
          keep(() => narrowed(asLabel(file.obs(key)))),
        );
    }
    for (const { key } of file.matrices)
      this.byKey.set(
        key,
        keep(() => pooledMatrix(pool, file, key)),
      );
  }

  get cellIds(): readonly string[] {
    return unpackNames(this.names.read(0, this.numCells));
  }

  packedCellIds(start: number, end: number): PackedNames {
    return this.names.read(start, end);
  }

  obs(key: string): ObsColumn {
    const column = this.columns.get(key)?.();
    if (!column)
      throw new DataError({
        file: this.path,
        key: `obs['${key}']`,
        found: 'no such column',
        expected: `one of ${this.obsKeys.join(', ') || '(no columns at all)'}`,
      });
    return column.kind === 'categorical' ? { ...column, codes: Int32Array.from(column.codes) } : column;
  }

  matrix(key: MatrixKey): CellMatrix {
    const matrix = this.byKey.get(key)?.();
    if (!matrix)
      throw new DataError({
        file: this.path,
        key,
        found: 'no such matrix',
        expected: `one of ${this.matrices.map((info) => info.key).join(', ') || '(the file holds no matrix)'}`,
      });
    return matrix;
  }

  close(): void {
    // The pool closes what is open.
  }
}

type KeptColumn = Exclude<ObsColumn, { kind: 'categorical' }> | (Omit<Extract<ObsColumn, { kind: 'categorical' }>, 'codes'> & { readonly codes: Codes });

/** Most labels have few classes: a byte a cell. */
function narrowed(column: ObsColumn): KeptColumn {
  return column.kind === 'categorical' ? { ...column, codes: fittingCodes(column.codes, column.categories.length) } : column;
}

/** Reads now; what goes wrong is thrown to whoever asks for it. */
function keep<T>(read: () => T): () => T {
  try {
    const value = read();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function pooledMatrix(pool: FilePool, file: CellFile, key: MatrixKey): CellMatrix {
  const { numGenes, encoding, dtype, numCells, genes } = file.matrix(key);
  const { path } = file;
  return {
    key,
    numGenes,
    encoding,
    dtype,
    numCells,
    genes,
    async *rowBlocks(options?: RowBlockOptions): AsyncGenerator<RowBlock> {
      const release = await pool.hold(path);
      try {
        yield* (await pool.file(path)).matrix(key).rowBlocks(options);
      } finally {
        await release();
      }
    },
    storedRows: () => pool.use(path, (opened) => opened.matrix(key).storedRows?.()),
  };
}

/** A column that is a label; one that is none, at nothing. */
function asLabel(column: ObsColumn): ObsColumn {
  if (column.kind === 'numeric') return { ...column, values: new Float64Array(0) };
  if (column.kind !== 'string') return column;
  const distinct = new Set<string>();
  for (const value of column.values)
    if (value !== null && distinct.add(value).size > MAX_CATEGORIES) return { kind: 'numeric', values: new Float64Array(0), dtype: 'str' };
  const categories = [...distinct].sort();
  const codeOf = new Map(categories.map((category, code) => [category, code]));
  return { kind: 'categorical', categories, codes: Int32Array.from(column.values, (value) => (value === null ? -1 : codeOf.get(value)!)), isOrdered: false };
}
