import { DataError } from '../../errors.js';
import { readFrame, type Frame } from './anndata-frame.js';
import type { ArrayStore } from './array-store.js';
import { readGeneNames } from './gene-columns.js';
import { DenseMatrix } from './matrix-dense.js';
import { CscMatrix } from './matrix-csc.js';
import { CsrMatrix } from './matrix-csr.js';
import type { CellFile, CellMatrix, Embedding, GeneNames, MatrixInfo, MatrixKey, ObsColumn } from './reader.js';
import type { MatrixPlace } from './row-block.js';

/** Entries of an embedding read at a time. */
const MAX_EMBEDDING_ENTRIES = 1 << 22;

/** AnnData of any version since 0.5, in an HDF5 file or a Zarr folder, or one modality of MuData. */
export class AnnDataFile implements CellFile {
  readonly path: string;
  readonly numCells: number;
  readonly cellIds: readonly string[];
  readonly obsKeys: readonly string[];
  readonly matrices: readonly MatrixInfo[];
  readonly notes: readonly string[];
  private readonly obsFrame: Frame;
  private readonly stored: readonly StoredMatrix[];
  private readonly geneNames = new Map<string, GeneNames>();

  /** @throws DataError for a file without obs or var, or whose matrices do not fit them */
  constructor(
    private readonly file: ArrayStore,
    readonly format: 'h5ad' | 'zarr' | 'h5mu',
    notes: string[] = [],
    readonly otherParts: readonly string[] = [],
  ) {
    this.path = file.path;
    this.obsFrame = readFrame(file, 'obs');
    this.cellIds = this.obsFrame.index;
    this.obsKeys = this.obsFrame.keys;
    this.numCells = this.cellIds.length;
    this.stored = findMatrices(file, notes);
    for (const matrix of this.stored) this.checkShape(matrix);
    this.matrices = this.stored.map(({ key, shape, encoding, dtype }) => ({ key, numGenes: shape[1]!, encoding, dtype }));
    this.notes = notes;
  }

  obs(key: string): ObsColumn {
    return this.obsFrame.column(key);
  }

  matrix(key: MatrixKey): CellMatrix {
    const stored = this.stored.find((matrix) => matrix.key === key);
    if (!stored)
      throw new DataError({
        file: this.path,
        key,
        found: 'no such matrix',
        expected: `one of ${this.stored.map((matrix) => matrix.key).join(', ') || '(the file holds no matrix)'}`,
      });
    const genes = this.genesOf(stored);
    const place: MatrixPlace = { file: this.path, key, cellIds: this.cellIds, genes, numColumns: stored.shape[1]! };
    if (stored.encoding === 'dense') return new DenseMatrix(this.file.dataset(stored.at), place);
    const arrays = {
      data: this.file.dataset(`${stored.at}/data`),
      indices: this.file.dataset(`${stored.at}/indices`),
      indptr: this.file.dataset(`${stored.at}/indptr`),
    };
    return stored.encoding === 'csr' ? new CsrMatrix(arrays, place, this.numCells) : new CscMatrix(arrays, place, this.numCells);
  }

  embedding(key: string): Embedding {
    const at = `obsm/${key}`;
    const keys = this.file.keys('obsm');
    const place = { file: this.path, key: `obsm['${key}']` };
    if (!keys.includes(key))
      throw new DataError({
        ...place,
        found: 'no such embedding',
        expected: keys.length > 0 ? `one of ${keys.join(', ')}` : 'an embedding in obsm, which is empty',
      });
    if (this.file.stringAttribute(at, 'encoding-type') === 'dataframe') return this.tableEmbedding(at, key);
    const array = this.file.kind(at) === 'dataset' ? this.file.dataset(at) : undefined;
    if (array?.kind !== 'number' || array.shape.length !== 2)
      throw new DataError({ ...place, found: 'is no dense matrix of numbers', expected: 'cells × coordinates' });
    const [numRows, numColumns] = array.shape as [number, number];
    if (numRows !== this.numCells)
      throw new DataError({
        ...place,
        found: `${numRows} rows`,
        expected: `${this.numCells}, as many as obs has`,
        hint: 'the parts of the file do not belong together: write it again',
      });
    const data = array.dtype === 'float64' ? new Float64Array(numRows * numColumns) : new Float32Array(numRows * numColumns);
    const rowsAtOnce = Math.max(1, Math.floor(MAX_EMBEDDING_ENTRIES / Math.max(1, numColumns)));
    for (let row = 0; row < numRows; row += rowsAtOnce) data.set(array.numbers(row, Math.min(numRows, row + rowsAtOnce)), row * numColumns);
    return { numRows, numColumns, data };
  }

  get embeddingKeys(): readonly string[] {
    return this.file.keys('obsm');
  }

  close(): void {
    this.file.close();
  }

  /** An obsm entry that is a table of numbers, as pandas writes it: its columns have names. */
  private tableEmbedding(at: string, key: string): Embedding {
    const frame = readFrame(this.file, at);
    const names = frame.keys;
    const place = { file: this.path, key: `obsm['${key}']` };
    if (frame.index.length !== this.numCells)
      throw new DataError({
        ...place,
        found: `${frame.index.length} rows`,
        expected: `${this.numCells}, as many as obs has`,
        hint: 'the parts of the file do not belong together: write it again',
      });
    const data = new Float64Array(this.numCells * names.length);
    names.forEach((name, j) => {
      const column = frame.column(name);
      if (column.kind !== 'numeric') throw new DataError({ ...place, found: `the column '${name}' holds no numbers`, expected: 'cells × coordinates' });
      for (let i = 0; i < this.numCells; i++) data[i * names.length + j] = column.values[i]!;
    });
    return { numRows: this.numCells, numColumns: names.length, data, names };
  }

  private genesOf({ varAt }: StoredMatrix): GeneNames {
    let genes = this.geneNames.get(varAt);
    if (!genes) this.geneNames.set(varAt, (genes = readGeneNames(readFrame(this.file, varAt))));
    return genes;
  }

  private checkShape(matrix: StoredMatrix): void {
    const { key, shape, at, varAt, encoding } = matrix;
    const numGenes = this.genesOf(matrix).names.length;
    const wrong = (found: string, expected: string, where = key) =>
      new DataError({ file: this.path, key: where, found, expected, hint: 'the parts of the file do not belong together: write it again' });
    if (shape.length !== 2) throw wrong(`an array of ${shape.length} dimensions`, 'two: cells × genes');
    if (shape[0] !== this.numCells) throw wrong(`${shape[0]} rows`, `${this.numCells}, as many as obs has`);
    if (shape[1] !== numGenes) throw wrong(`${shape[1]} columns`, `${numGenes}, as many as ${varAt} has`);
    if (encoding === 'dense') return;
    const numOffsets = this.file.dataset(`${at}/indptr`).length;
    const expected = (encoding === 'csr' ? this.numCells : numGenes) + 1;
    if (numOffsets !== expected) throw wrong(`${numOffsets} entries`, `${expected}`, `${key}/indptr`);
  }
}

/** One matrix as it lies in the file. */
interface StoredMatrix {
  readonly key: MatrixKey;
  /** Path in the file: `raw.X` in files before 0.7, else the key. */
  readonly at: string;
  /** The table of its genes. */
  readonly varAt: string;
  readonly encoding: MatrixInfo['encoding'];
  readonly dtype: string;
  readonly shape: readonly number[];
}

function findMatrices(file: ArrayStore, notes: string[]): StoredMatrix[] {
  const candidates = [
    { key: 'X', at: 'X', varAt: 'var' },
    ...file.keys('layers').map((name) => ({ key: `layers/${name}`, at: `layers/${name}`, varAt: 'var' })),
    { key: 'raw/X', at: 'raw/X', varAt: 'raw/var' },
    { key: 'raw/X', at: 'raw.X', varAt: 'raw.var' },
  ];
  return candidates.flatMap((candidate) => {
    const layout = matrixLayout(file, candidate.at);
    if (layout) return [{ ...candidate, ...layout }];
    if (file.kind(candidate.at))
      notes.push(`${candidate.key} is no matrix of numbers (${file.stringAttribute(candidate.at, 'encoding-type') ?? 'unknown encoding'}) and is left out`);
    return [];
  });
}

/** Shape and encoding of a matrix; undefined where there is none or it is none we know. */
export function matrixLayout(file: ArrayStore, at: string): Pick<StoredMatrix, 'encoding' | 'dtype' | 'shape'> | undefined {
  const kind = file.kind(at);
  if (kind === 'dataset') {
    const { kind: elements, dtype, shape } = file.dataset(at);
    // A null dataspace is how X = None is written.
    return elements === 'number' && shape.length > 0
      ? { encoding: 'dense', dtype, shape }
      : elements === 'boolean'
        ? { encoding: 'dense', dtype, shape }
        : undefined;
  }
  if (kind !== 'group') return undefined;
  const word = file.stringAttribute(at, 'encoding-type')?.replace(/_matrix$/, '') ?? file.stringAttribute(at, 'h5sparse_format');
  if (word !== 'csr' && word !== 'csc') return undefined;
  const shape = file.numbersAttribute(at, 'shape') ?? file.numbersAttribute(at, 'h5sparse_shape');
  if (!shape) throw new DataError({ file: file.path, key: at, found: 'a sparse matrix without a shape', hint: 'write the file again with a current anndata' });
  return { encoding: word, dtype: file.dataset(`${at}/data`).dtype, shape };
}
