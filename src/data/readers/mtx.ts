import { DataError } from '../../errors.js';
import { EntrySpool } from './entry-spool.js';
import { areEnsemblIds } from './gene-columns.js';
import { offsetsOf, SpooledMatrix, type SpooledEntries } from './matrix-spooled.js';
import { findMtxFiles, type MtxFiles } from './mtx-files.js';
import { parseTriplets, readMtxHeader, type MtxHeader } from './mtx-text.js';
import type { CellFile, CellMatrix, GeneNames, MatrixInfo, MatrixKey, ObsColumn } from './reader.js';
import type { MatrixPlace } from './row-block.js';
import { TENX_FEATURE_TYPES } from './tenx.js';
import { lines } from './text-stream.js';

/**
 * A 10x matrix folder: `matrix.mtx` of features × barcodes, with the names beside it, each perhaps packed with gzip. Opening reads the
 * names and the matrix's header; its numbers are parsed once, at first use, into a temporary file.
 */
export class MtxFolder implements CellFile {
  readonly format = '10x-mtx';
  readonly numCells: number;
  readonly obsKeys: readonly string[] = [];
  readonly matrices: readonly MatrixInfo[];
  private parsing: Promise<SpooledEntries> | undefined;
  private spool: EntrySpool | undefined;

  private constructor(
    readonly path: string,
    private readonly files: MtxFiles,
    private readonly header: MtxHeader,
    readonly cellIds: readonly string[],
    private readonly features: Features,
  ) {
    this.numCells = cellIds.length;
    this.matrices = [{ key: 'X', numGenes: features.genes.names.length, encoding: 'csr', dtype: header.isInteger ? 'int64' : 'float64' }];
  }

  /** @param path the folder or its .mtx file. @throws DataError when parts are missing or do not fit each other */
  static async open(path: string): Promise<MtxFolder> {
    const files = await findMtxFiles(path);
    const header = await readMtxHeader(files.matrix);
    const cellIds = (await fields(files.barcodes)).map(([barcode]) => barcode!);
    const features = readFeatures(files.features, await fields(files.features));
    const wrong = (found: string, expected: string) =>
      new DataError({ file: files.matrix, found, expected, hint: 'a 10x matrix is features × cells; the three files of one matrix belong together' });
    if (header.numRows !== features.numFeatures)
      throw wrong(`has ${header.numRows} rows`, `${features.numFeatures}, as many as there are lines in ${files.features}`);
    if (header.numColumns !== cellIds.length)
      throw wrong(`has ${header.numColumns} columns`, `${cellIds.length}, as many as there are lines in ${files.barcodes}`);
    return new MtxFolder(path, files, header, cellIds, features);
  }

  get notes(): readonly string[] {
    return this.features.notes;
  }

  obs(key: string): ObsColumn {
    throw new DataError({ file: this.path, key: `obs['${key}']`, found: 'no such column: a 10x matrix folder holds no annotation of cells' });
  }

  matrix(key: MatrixKey): CellMatrix {
    if (key !== 'X') throw new DataError({ file: this.path, key, found: 'no such matrix', expected: 'X, the only one of a 10x matrix folder' });
    const { genes, geneOfFeature, numFeatures } = this.features;
    const place: MatrixPlace = {
      file: this.path,
      key,
      cellIds: this.cellIds,
      genes,
      numColumns: numFeatures,
      ...(geneOfFeature && { geneOfColumn: geneOfFeature }),
    };
    return new SpooledMatrix(() => (this.parsing ??= this.parse()), place, this.numCells, 'csr', this.matrices[0]!.dtype);
  }

  close(): void {
    this.spool?.close();
  }

  private async parse(): Promise<SpooledEntries> {
    const spool = (this.spool = new EntrySpool());
    const counts = new Int32Array(this.numCells);
    let areByCell = true;
    let lastCell = 0;
    await parseTriplets(this.files.matrix, this.header, (feature, cell, value) => {
      if (cell < lastCell) areByCell = false;
      lastCell = cell;
      counts[cell]!++;
      spool.add(cell, feature, value);
    });
    spool.finish();
    return { spool, cellIs: 'major', areByCell, offsets: offsetsOf(counts) };
  }
}

interface Features {
  readonly genes: GeneNames;
  readonly numFeatures: number;
  /** Feature → gene, -1 for features that are no genes; absent where all are. */
  readonly geneOfFeature?: Int32Array;
  readonly notes: readonly string[];
}

/** Lines of `id, name, type` (Cell Ranger 3 on), `id, name` (before) or names alone. */
function readFeatures(file: string, rows: readonly (readonly string[])[]): Features {
  if (rows.length === 0) throw new DataError({ file, found: 'is empty', expected: 'one line a feature' });
  const numFields = Math.min(3, Math.max(...new Set(rows.map((row) => row.length))));
  const short = rows.findIndex((row) => row.length < numFields);
  if (short >= 0)
    throw new DataError({
      file,
      key: `line ${short + 1}`,
      found: `'${rows[short]!.join(' ').slice(0, 60)}', ${rows[short]!.length} of ${numFields} fields`,
      expected: 'fields with tabulators between them, as in the other lines',
      hint: 'the file is damaged: copy or download it again',
    });
  const types = rows.map((row) => row[2] ?? TENX_FEATURE_TYPES.gene);
  const isGene = types.map((type) => type === TENX_FEATURE_TYPES.gene);
  if (!isGene.includes(true))
    throw new DataError({ file, found: `no feature of type '${TENX_FEATURE_TYPES.gene}'`, hint: 'this folder holds no gene expression' });
  const kept = rows.filter((_, i) => isGene[i]);
  const ensemblIds = kept.map(([id]) => id!);
  const genes: GeneNames = { names: kept.map(([id, name]) => name ?? id!), ...(kept[0]!.length > 1 && areEnsemblIds(ensemblIds) && { ensemblIds }) };
  if (kept.length === rows.length) return { genes, numFeatures: rows.length, notes: [] };
  const others = new Map<string, number>();
  types.forEach((type, i) => isGene[i] || others.set(type, (others.get(type) ?? 0) + 1));
  let next = 0;
  return {
    genes,
    numFeatures: rows.length,
    geneOfFeature: Int32Array.from(isGene, (is) => (is ? next++ : -1)),
    notes: [`left out what is not gene expression: ${[...others].map(([type, count]) => `${count} × ${type}`).join(', ')}`],
  };
}

async function fields(path: string): Promise<string[][]> {
  const rows: string[][] = [];
  for await (const line of lines(path)) if (line !== '') rows.push(line.split('\t'));
  return rows;
}
