import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { closeSync, openSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DataError } from '../../errors.js';
import { sha256File } from '../../files.js';
import { silentProgress, type Progress } from '../../progress.js';
import type { Vocabulary } from '../genes/vocabulary.js';
import type { ValueScale } from '../loader/config.js';
import type { RawCell } from '../loader/depth.js';
import { readCellColumns, readCodes, readNumGenes, type CellColumns } from './cell-columns.js';
import { readRegion } from './file-region.js';
import { readGeneTable } from './gene-table.js';
import { GENES_FILE, readManifest, SPLITS, type CorpusManifest, type Split } from './manifest.js';
import { RowReader } from './row-reader.js';
import type { GeneStatistics } from './statistics.js';
import { readShardLayout, type ShardLayout } from './shard-layout.js';

/**
 * A finished corpus folder. Opening reads the manifest and the gene table and compares file sizes: the cost does not grow
 * with the number of cells. Per-cell columns are read when first asked for; rows leave it one at a time.
 */
export interface Corpus {
  /** The folder, as the user named it. */
  readonly path: string;
  readonly manifest: CorpusManifest;
  /** sha256 of corpus.json, which holds the hash of every other file: two corpora are the same when this is equal. */
  readonly fingerprint: string;
  readonly vocabulary: Vocabulary;
  readonly scale: ValueScale;
  /** Per gene of the vocabulary, over the training split. */
  readonly statistics: GeneStatistics;
  /** [V] smoothed normalised entropy in (0, 1] by vocabulary id, 1 for special ids and unseen genes: serialisation weights a gene by 1.1 - entropy. */
  readonly entropy: Float32Array;
  readonly numCells: number;
  /** Obs fields kept in this corpus. */
  readonly obsKeys: readonly string[];
  /** Category names of an obs field. @throws DataError naming the fields there are */
  labelNames(key: string): readonly string[];
  /** [numCells] category code of each cell, -1 = missing. */
  labelCodes(key: string): Int32Array;
  /** Rows of a split, ascending. */
  splitRows(split: Split): Int32Array;
  /** [numCells] stored genes of each cell. */
  numGenesPerCell(): Int32Array;
  /** Genes, library sizes and labels of the cells, shard by shard: one shard is in memory at a time. */
  cellColumns(): Iterable<CellColumns>;
  /** Cell names as in the source files, for all rows or for some. */
  cellIds(rows?: Int32Array): readonly string[];
  /** One cell's raw values: views that the next call overwrites. */
  readCell(row: number): RawCell;
  /** Everything worker threads need to read cells themselves. Plain data. */
  readonly layouts: readonly ShardLayout[];
  /** Reads every file and compares its hash. @throws DataError naming the first file that differs */
  verify(progress?: Progress): Promise<void>;
  /** Closes open files. Reading again opens them again. */
  close(): void;
}

/** @throws DataError where the folder is no finished corpus, or a file of it is missing, cut short or foreign */
export async function openCorpus(path: string): Promise<Corpus> {
  const { manifest, text } = await readManifest(path);
  await Promise.all([{ ...manifest.genes, file: GENES_FILE }, ...manifest.shards].map(({ file, bytes }) => checkSize(join(path, file), bytes)));
  const { vocabulary, statistics, entropy } = await readGeneTable(path);
  if (vocabulary.hash !== manifest.vocabularyHash) {
    throw new DataError({ file: join(path, GENES_FILE), found: 'other genes than corpus.json says', hint: 'build the corpus again' });
  }
  return new OpenedCorpus(path, manifest, createHash('sha256').update(text).digest('hex'), vocabulary, statistics, entropy);
}

async function checkSize(file: string, bytes: number): Promise<void> {
  const { size } = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError({
      file,
      found: cause.code === 'ENOENT' ? 'no such file, but corpus.json lists it' : `cannot be read (${cause.code})`,
      hint: 'build the corpus again',
      cause,
    });
  });
  if (size !== bytes) {
    throw new DataError({
      file,
      found: `${size} bytes${size < bytes ? ': the file is cut short' : ''}`,
      expected: `${bytes} bytes`,
      hint: 'copy the corpus again or build it again',
    });
  }
}

class OpenedCorpus implements Corpus {
  private cachedLayouts: readonly ShardLayout[] | undefined;
  private rows: RowReader | undefined;
  private readonly codes = new Map<string, Int32Array>();

  constructor(
    readonly path: string,
    readonly manifest: CorpusManifest,
    readonly fingerprint: string,
    readonly vocabulary: Vocabulary,
    readonly statistics: GeneStatistics,
    readonly entropy: Float32Array,
  ) {}

  get scale(): ValueScale {
    return this.manifest.scale;
  }

  get numCells(): number {
    return this.manifest.numCells;
  }

  get obsKeys(): readonly string[] {
    return this.manifest.obs.map(({ key }) => key);
  }

  get layouts(): readonly ShardLayout[] {
    return (this.cachedLayouts ??= this.manifest.shards.map(({ file }) => readShardLayout(join(this.path, file))));
  }

  labelNames(key: string): readonly string[] {
    const found = this.manifest.obs.find((obs) => obs.key === key);
    if (found) return found.categories;
    throw new DataError({
      file: this.path,
      key: `obs['${key}']`,
      found: 'no such field in this corpus',
      expected: this.obsKeys.length ? `one of ${this.obsKeys.join(', ')}` : 'a corpus with labels',
      hint: `build it with --obs ${key}`,
    });
  }

  labelCodes(key: string): Int32Array {
    this.labelNames(key);
    return this.dictionaryCodes(key);
  }

  splitRows(split: Split): Int32Array {
    const wanted = SPLITS.indexOf(split);
    const codes = this.dictionaryCodes('split');
    const rows = new Int32Array(codes.length);
    let n = 0;
    for (let row = 0; row < codes.length; row++) if (codes[row] === wanted) rows[n++] = row;
    return rows.slice(0, n);
  }

  numGenesPerCell(): Int32Array {
    const numGenes = new Int32Array(this.numCells);
    let row = 0;
    this.forEachShard((fd, layout) => {
      numGenes.set(readNumGenes(fd, layout), row);
      row += layout.numCells;
    });
    return numGenes;
  }

  *cellColumns(): Iterable<CellColumns> {
    for (const layout of this.layouts) {
      const fd = openSync(layout.file, 'r');
      try {
        yield readCellColumns(fd, layout);
      } catch (cause) {
        throw unreadable(layout, cause);
      } finally {
        closeSync(fd);
      }
    }
  }

  cellIds(rows?: Int32Array): readonly string[] {
    const all: string[] = [];
    this.forEachShard((fd, layout) => {
      const offsets = new Int32Array(readRegion(fd, { offset: layout.cellIdOffsets.offset, bytes: (layout.numCells + 1) * 4 }).buffer);
      const text = Buffer.from(readRegion(fd, layout.cellIdBytes).buffer);
      for (let i = 0; i < layout.numCells; i++) all.push(text.toString('utf8', offsets[i], offsets[i + 1]));
    });
    return rows ? Array.from(rows, (row) => all[row]!) : all;
  }

  readCell(row: number): RawCell {
    return (this.rows ??= new RowReader(this.layouts)).read(row);
  }

  async verify(progress: Progress = silentProgress): Promise<void> {
    const files = [{ ...this.manifest.genes, file: GENES_FILE }, ...this.manifest.shards];
    const bar = progress.start(
      `Verify ${basename(this.path)}`,
      files.reduce((sum, { bytes }) => sum + bytes, 0),
      'bytes',
    );
    try {
      let done = 0;
      for (const { file, bytes, sha256 } of files) {
        await checkSize(join(this.path, file), bytes);
        const found = await sha256File(join(this.path, file));
        if (found !== sha256) {
          throw new DataError({
            file: join(this.path, file),
            found: `content changed: sha256 ${found.slice(0, 12)}…`,
            expected: `${sha256.slice(0, 12)}…`,
            hint: 'copy the corpus again or build it again',
          });
        }
        bar.update((done += bytes));
      }
    } finally {
      bar.stop();
    }
  }

  close(): void {
    this.rows?.close();
    this.rows = undefined;
  }

  private dictionaryCodes(key: string): Int32Array {
    const cached = this.codes.get(key);
    if (cached) return cached;
    const codes = new Int32Array(this.numCells);
    let row = 0;
    this.forEachShard((fd, layout) => {
      codes.set(readCodes(fd, layout, key), row);
      row += layout.numCells;
    });
    this.codes.set(key, codes);
    return codes;
  }

  private forEachShard(visit: (fd: number, layout: ShardLayout) => void): void {
    for (const layout of this.layouts) {
      const fd = openSync(layout.file, 'r');
      try {
        visit(fd, layout);
      } catch (cause) {
        throw unreadable(layout, cause);
      } finally {
        closeSync(fd);
      }
    }
  }
}

function unreadable({ file }: ShardLayout, cause: unknown): DataError {
  return cause instanceof DataError
    ? cause
    : new DataError({ file, found: `cannot be read: ${(cause as Error).message}`, hint: 'build the corpus again', cause });
}
