import { openCellFile } from '../readers/open.js';
import type { CellFile, CellMatrix, MatrixKey, ObsColumn, RowBlock, RowBlockOptions } from '../readers/reader.js';
import { MAX_CATEGORIES } from './obs-columns.js';

/** Files that stay open at once: each holds a thread and some 25 MB. */
export const MOST_OPEN_FILES = 8;

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

  constructor(private readonly mostOpen = MOST_OPEN_FILES) {}

  /** @throws DataError as openCellFile */
  async open(path: string, wanted: WantedObs): Promise<CellFile> {
    return this.use(path, (file) => new PooledFile(this, file, wanted));
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

  async close(): Promise<void> {
    for (const { file } of this.entries.values()) await file.then((opened) => opened.close(), () => {});
    this.entries.clear();
  }

  private async makeRoom(): Promise<void> {
    for (const [path, { file, numUsers }] of this.entries) {
      if (this.entries.size <= this.mostOpen) return;
      if (numUsers > 0) continue;
      this.entries.delete(path);
      (await file).close();
    }
  }
}

/** The names and labels of a file, and rows on demand. The file it was made from may be closed. */
class PooledFile implements CellFile {
  private readonly columns = new Map<string, () => ObsColumn>();
  private readonly byKey = new Map<MatrixKey, () => CellMatrix>();

  constructor(pool: FilePool, private readonly file: CellFile, wanted: WantedObs) {
    for (const key of file.obsKeys) {
      if (wanted.keys.has(key)) this.columns.set(key, keep(() => file.obs(key)));
      else if (wanted.labels) this.columns.set(key, keep(() => asLabel(file.obs(key))));
    }
    for (const { key } of file.matrices) this.byKey.set(key, keep(() => pooledMatrix(pool, file, key)));
  }

  get path(): string {
    return this.file.path;
  }

  get format(): CellFile['format'] {
    return this.file.format;
  }

  get numCells(): number {
    return this.file.numCells;
  }

  get cellIds(): readonly string[] {
    return this.file.cellIds;
  }

  get obsKeys(): readonly string[] {
    return this.file.obsKeys;
  }

  get matrices(): CellFile['matrices'] {
    return this.file.matrices;
  }

  get notes(): readonly string[] {
    return this.file.notes;
  }

  obs(key: string): ObsColumn {
    return this.columns.get(key)?.() ?? this.file.obs(key); // throws, naming the columns there are
  }

  matrix(key: MatrixKey): CellMatrix {
    return this.byKey.get(key)?.() ?? this.file.matrix(key); // throws, naming the matrices there are
  }

  close(): void {
    // The pool closes what is open.
  }
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

/** A column that is a label, at four bytes a cell; one that is none, at nothing. */
function asLabel(column: ObsColumn): ObsColumn {
  if (column.kind === 'numeric') return { ...column, values: new Float64Array(0) };
  if (column.kind !== 'string') return column;
  const distinct = new Set<string>();
  for (const value of column.values) if (value !== null && distinct.add(value).size > MAX_CATEGORIES) return { kind: 'numeric', values: new Float64Array(0), dtype: 'str' };
  const categories = [...distinct].sort();
  const codeOf = new Map(categories.map((category, code) => [category, code]));
  return { kind: 'categorical', categories, codes: Int32Array.from(column.values, (value) => (value === null ? -1 : codeOf.get(value)!)), isOrdered: false };
}
