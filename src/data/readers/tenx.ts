import { DataError } from '../../errors.js';
import type { ArrayStore } from './array-store.js';
import { areEnsemblIds } from './gene-columns.js';
import { CsrMatrix } from './matrix-csr.js';
import type { CellFile, CellMatrix, GeneNames, MatrixInfo, MatrixKey, ObsColumn } from './reader.js';
import type { MatrixPlace } from './row-block.js';

/** Words of 10x for what a feature is. */
export const TENX_FEATURE_TYPES = { gene: 'Gene Expression' };

/** Where the parts of a Cell Ranger file lie; the layout changed with version 3. */
export interface TenxLayout {
  /** The group of the matrix: `matrix`, or the genome in versions 1 and 2. */
  readonly at: string;
  readonly idsAt: string;
  readonly namesAt: string;
  readonly featureTypesAt: string | undefined;
}

/**
 * The layout of a 10x file; undefined for any other.
 * @param wanted the genome to read, of several in one file
 * @throws DataError for one with several genomes and none chosen, and for one that is not there
 */
export function tenxLayout(file: ArrayStore, wanted?: string): TenxLayout | undefined {
  if (wanted === undefined && file.kind('matrix/features/id') === 'dataset') {
    return {
      at: 'matrix',
      idsAt: 'matrix/features/id',
      namesAt: 'matrix/features/name',
      featureTypesAt: file.kind('matrix/features/feature_type') && 'matrix/features/feature_type',
    };
  }
  const genomes = file
    .keys('/')
    .filter((group) => ['barcodes', 'genes', 'indptr', 'indices', 'data'].every((part) => file.kind(`${group}/${part}`) === 'dataset'));
  if (genomes.length === 0) return undefined;
  if (wanted === undefined && genomes.length > 1)
    throw new DataError({
      file: file.path,
      found: `holds ${genomes.length} genomes: ${genomes.join(', ')}`,
      expected: 'one',
      hint: `name the one you want: '${file.path}#${genomes[0]}'`,
    });
  const genome = wanted ?? genomes[0]!;
  if (!genomes.includes(genome)) throw new DataError({ file: file.path, found: `holds no genome '${genome}'`, expected: `one of ${genomes.join(', ')}` });
  return { at: genome, idsAt: `${genome}/genes`, namesAt: `${genome}/gene_names`, featureTypesAt: undefined };
}

/**
 * A 10x Genomics .h5 file of Cell Ranger 1 to 9. The matrix is stored genes × cells by columns, which is cells × genes by
 * rows. Features that are no genes (antibodies, guides) are left out and named in the notes.
 */
export class TenxFile implements CellFile {
  readonly format = '10x-h5';
  readonly path: string;
  readonly numCells: number;
  readonly cellIds: readonly string[];
  readonly obsKeys: readonly string[] = [];
  readonly matrices: readonly MatrixInfo[];
  readonly notes: readonly string[];
  private readonly genes: GeneNames;
  private readonly numFeatures: number;
  private readonly geneOfColumn: Int32Array | undefined;

  /** @throws DataError when its parts do not fit each other */
  constructor(
    private readonly file: ArrayStore,
    private readonly layout: TenxLayout,
  ) {
    this.path = file.path;
    this.cellIds = file.dataset(`${layout.at}/barcodes`).strings();
    this.numCells = this.cellIds.length;
    const ids = file.dataset(layout.idsAt).strings();
    const names = file.dataset(layout.namesAt).strings();
    this.numFeatures = ids.length;
    this.checkShape(names.length);
    const isGene = this.findGenes();
    const kept = <T>(all: readonly T[]) => (isGene ? all.filter((_, i) => isGene[i]) : all);
    const ensemblIds = kept(ids);
    this.genes = { names: kept(names), ...(areEnsemblIds(ensemblIds) && { ensemblIds }) };
    if (isGene) {
      let next = 0;
      this.geneOfColumn = Int32Array.from(isGene, (is) => (is ? next++ : -1));
    }
    this.notes = this.leftOut(isGene);
    this.matrices = [{ key: 'X', numGenes: this.genes.names.length, encoding: 'csr', dtype: file.dataset(`${layout.at}/data`).dtype }];
  }

  obs(key: string): ObsColumn {
    throw new DataError({ file: this.path, key: `obs['${key}']`, found: 'no such column: a 10x file holds no annotation of cells' });
  }

  matrix(key: MatrixKey): CellMatrix {
    if (key !== 'X') throw new DataError({ file: this.path, key, found: 'no such matrix', expected: 'X, the only one of a 10x file' });
    const { at } = this.layout;
    const place: MatrixPlace = {
      file: this.path,
      key,
      cellIds: this.cellIds,
      genes: this.genes,
      numColumns: this.numFeatures,
      ...(this.geneOfColumn && { geneOfColumn: this.geneOfColumn }),
    };
    return new CsrMatrix(
      { data: this.file.dataset(`${at}/data`), indices: this.file.dataset(`${at}/indices`), indptr: this.file.dataset(`${at}/indptr`) },
      place,
      this.numCells,
    );
  }

  close(): void {
    this.file.close();
  }

  /** Which features are genes; undefined where all are. */
  private findGenes(): boolean[] | undefined {
    if (this.layout.featureTypesAt === undefined) return undefined;
    const isGene = this.file
      .dataset(this.layout.featureTypesAt)
      .strings()
      .map((type) => type === TENX_FEATURE_TYPES.gene);
    if (isGene.length !== this.numFeatures)
      throw new DataError({
        file: this.path,
        key: this.layout.featureTypesAt,
        found: `${isGene.length} entries`,
        expected: `${this.numFeatures}, one a feature`,
      });
    if (!isGene.includes(true))
      throw new DataError({
        file: this.path,
        key: this.layout.featureTypesAt,
        found: `no feature of type '${TENX_FEATURE_TYPES.gene}'`,
        hint: 'this file holds no gene expression',
      });
    return isGene.includes(false) ? isGene : undefined;
  }

  private leftOut(isGene: boolean[] | undefined): string[] {
    if (!isGene || this.layout.featureTypesAt === undefined) return [];
    const counts = new Map<string, number>();
    this.file
      .dataset(this.layout.featureTypesAt)
      .strings()
      .forEach((type, i) => isGene[i] || counts.set(type, (counts.get(type) ?? 0) + 1));
    return [`left out what is not gene expression: ${[...counts].map(([type, count]) => `${count} × ${type}`).join(', ')}`];
  }

  private checkShape(numNames: number): void {
    const { at } = this.layout;
    const wrong = (key: string, found: string, expected: string) =>
      new DataError({ file: this.path, key, found, expected, hint: 'the parts of the file do not belong together: copy or write it again' });
    if (numNames !== this.numFeatures) throw wrong(this.layout.namesAt, `${numNames} names`, `${this.numFeatures}, one a feature`);
    const [numFeatures, numCells] = this.file.dataset(`${at}/shape`).numbers();
    if (numFeatures !== this.numFeatures) throw wrong(`${at}/shape`, `${numFeatures} features`, `${this.numFeatures}, as many as have names`);
    if (numCells !== this.numCells) throw wrong(`${at}/shape`, `${numCells} cells`, `${this.numCells}, as many as have barcodes`);
    const numOffsets = this.file.dataset(`${at}/indptr`).length;
    if (numOffsets !== this.numCells + 1) throw wrong(`${at}/indptr`, `${numOffsets} entries`, `${this.numCells + 1}`);
  }
}
