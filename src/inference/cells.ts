// n cells, G genes, V gene vocabulary
import { DataError, ShapeError } from '../errors.js';
import type { Vocabulary } from '../data/genes/vocabulary.js';
import { CellsInMemory } from '../data/readers/cells-in-memory.js';
import type { CellFile, GeneNames, ObsColumn } from '../data/readers/reader.js';
import { writeNewH5ad } from '../data/writers/new-h5ad.js';
import type { NewColumn, UnsValue } from '../data/writers/anndata-elements.js';

/** Numbers row by row. A TensorFlow.js tensor is made one by `{ shape: x.shape, data: x.dataSync() }`. */
export interface DenseMatrix {
  readonly shape: readonly [numRows: number, numColumns: number];
  /** Row after row. */
  readonly data: ArrayLike<number>;
}

/** Compressed sparse rows, as scipy has them. */
export interface CsrMatrix {
  readonly shape: readonly [numRows: number, numColumns: number];
  /** [numRows + 1] offsets into `indices` and `data`. */
  readonly indptr: ArrayLike<number>;
  readonly indices: ArrayLike<number>;
  readonly data: ArrayLike<number>;
}

/** A column of obs: as files have them, or just its entries. Missing words are null, missing numbers NaN. */
export type ObsValues = ObsColumn | readonly (string | null)[] | Float32Array | Float64Array | Int32Array;

/** Cells in memory the way AnnData holds them. */
export interface AnnDataLike {
  /** [n, G] expression: counts, CPM or log-normalised; which of them is told from the numbers, as of a file's. */
  readonly X: DenseMatrix | CsrMatrix;
  /** One entry a cell each. */
  readonly obs?: Readonly<Record<string, ObsValues>>;
  /** Names of the genes, symbols or Ensembl ids; or several kinds of names of each. */
  readonly var: readonly string[] | GeneNames;
  /** Names of the cells. */
  readonly obsNames?: readonly string[];
  /** Embeddings, [n, any number]. Written by `writeH5ad`; nothing here reads them. */
  readonly obsm?: Readonly<Record<string, DenseMatrix>>;
  readonly uns?: Readonly<Record<string, UnsValue>>;
}

/**
 * What the library takes for cells: an open file, read row block by row block; an object as AnnData; or a dense matrix alone, one column a
 * vocabulary id [n, V] as the released model takes it, or one a gene in the vocabulary's order.
 */
export type Cells = CellFile | AnnDataLike | DenseMatrix | readonly ArrayLike<number>[];

/** @throws ShapeError, DataError where numbers of entries do not go together */
export function asCellFile(cells: Cells, vocabulary: Vocabulary): CellFile {
  if ('matrices' in cells) return cells;
  if ('X' in cells) return fromAnnData(cells);
  const matrix = 'data' in cells ? cells : stacked(cells);
  return new CellsInMemory('cells', { genes: vocabularyColumns(matrix, vocabulary), ...toCsr(matrix, 'cells') });
}

function fromAnnData({ X, var: genes, obs = {}, obsNames }: AnnDataLike): CellFile {
  const names: GeneNames = 'names' in genes ? genes : { names: genes };
  if (names.names.length !== X.shape[1])
    throw new ShapeError({ key: 'var', found: `${names.names.length} genes`, expected: `${X.shape[1]}, the columns of X` });
  const columns = Object.fromEntries(Object.entries(obs).map(([key, values]) => [key, toColumn(key, values, X.shape[0])]));
  return new CellsInMemory('cells', { genes: names, cellIds: obsNames, obs: columns, ...('indptr' in X ? fromCsr(X) : toCsr(X, 'X')) });
}

function fromCsr({ shape, indptr, indices, data }: CsrMatrix): { indptr: ArrayLike<number>; indices: Int32Array; values: Float32Array } {
  if (indptr.length !== shape[0] + 1)
    throw new ShapeError({ key: 'X.indptr', found: `${indptr.length} offsets`, expected: `${shape[0] + 1}, one more than rows` });
  if (indptr[shape[0]] !== data.length)
    throw new ShapeError({ key: 'X.indptr', found: `an end at ${indptr[shape[0]]}`, expected: `${data.length}, the entries of X.data` });
  return {
    indptr,
    indices: indices instanceof Int32Array ? indices : Int32Array.from(indices),
    values: data instanceof Float32Array ? data : Float32Array.from(data),
  };
}

/** The entries that are not 0. */
function toCsr({ shape: [numRows, numColumns], data }: DenseMatrix, key: string): { indptr: Float64Array; indices: Int32Array; values: Float32Array } {
  if (data.length !== numRows * numColumns) throw new ShapeError({ key, found: `${data.length} numbers`, expected: `${numRows} × ${numColumns}` });
  const indptr = new Float64Array(numRows + 1);
  for (let at = 0; at < data.length; at++) if (data[at] !== 0) indptr[Math.floor(at / numColumns) + 1]!++;
  for (let row = 0; row < numRows; row++) indptr[row + 1]! += indptr[row]!;
  const indices = new Int32Array(indptr[numRows]!);
  const values = new Float32Array(indptr[numRows]!);
  for (let at = 0, entry = 0; at < data.length; at++) {
    if (data[at] === 0) continue;
    indices[entry] = at % numColumns;
    values[entry++] = data[at]!;
  }
  return { indptr, indices, values };
}

function stacked(rows: readonly ArrayLike<number>[]): DenseMatrix {
  const numColumns = rows[0]?.length ?? 0;
  const odd = rows.findIndex((row) => row.length !== numColumns);
  if (odd >= 0) throw new ShapeError({ key: `row ${odd}`, found: `${rows[odd]!.length} numbers`, expected: `${numColumns}, as in row 0` });
  const data = new Float32Array(rows.length * numColumns);
  rows.forEach((row, i) => data.set(row, i * numColumns));
  return { shape: [rows.length, numColumns], data };
}

/** Columns without names are the vocabulary's: all its ids, or its genes alone. */
function vocabularyColumns({ shape: [, numColumns] }: DenseMatrix, vocabulary: Vocabulary): GeneNames {
  const { size, genes, firstGeneId } = vocabulary;
  if (numColumns !== size && numColumns !== genes.length)
    throw new ShapeError({
      key: 'cells',
      found: `${numColumns} columns`,
      expected: `${size}, one for each id of the vocabulary, or ${genes.length}, one for each gene`,
      hint: 'give other genes with their names, as { X, var }',
    });
  const firstId = numColumns === size ? 0 : firstGeneId;
  const ids = Int32Array.from({ length: numColumns }, (_, column) => (vocabulary.isGene(firstId + column) ? firstId + column : -1));
  return { names: Array.from(ids, (id, column) => (id < 0 ? `id ${firstId + column}` : vocabulary.gene(id).symbol || vocabulary.gene(id).ensemblId)), ids };
}

function toColumn(key: string, values: ObsValues, numCells: number): ObsColumn {
  const column = 'kind' in values ? values : asColumn(values);
  const { length } = column.kind === 'categorical' ? column.codes : column.values;
  if (length !== numCells) throw new ShapeError({ key: `obs['${key}']`, found: `${length} entries`, expected: `${numCells}, one a cell` });
  return column;
}

function asColumn(values: Exclude<ObsValues, ObsColumn>): ObsColumn {
  if (values instanceof Float32Array || values instanceof Float64Array || values instanceof Int32Array)
    return {
      kind: 'numeric',
      values: Float64Array.from(values),
      dtype: values instanceof Int32Array ? 'int32' : values instanceof Float32Array ? 'float32' : 'float64',
    };
  return { kind: 'string', values };
}

/**
 * Writes cells in memory as an .h5ad; it appears whole or not at all.
 * @throws OutputError when it cannot be written; DataError for names that are not unique
 */
export async function writeH5ad(output: string, adata: AnnDataLike): Promise<void> {
  const { X, var: genes, obs = {}, obsm = {}, uns = {} } = adata;
  const { indptr, indices, values } = 'indptr' in X ? fromCsr(X) : toCsr(X, 'X');
  const cellIds = adata.obsNames ?? Array.from({ length: X.shape[0] }, (_, i) => `cell ${i}`);
  const geneNames = 'names' in genes ? genes.names : genes;
  for (const [key, names] of [
    ['obsNames', cellIds],
    ['var', geneNames],
  ] as const)
    if (new Set(names).size < names.length) throw new DataError({ file: output, key, found: 'names that repeat', expected: 'a name of its own for each' });
  await writeNewH5ad({
    output,
    cellIds,
    geneNames,
    x: { indptr: Int32Array.from(indptr), indices, values },
    obs: Object.fromEntries(Object.entries(obs).map(([key, values]) => [key, newColumn(toColumn(key, values, X.shape[0]))])),
    obsm: Object.fromEntries(Object.entries(obsm).map(([key, { shape, data }]) => [key, { values: Float32Array.from(data), numDims: shape[1] }])),
    uns,
  });
}

function newColumn(column: ObsColumn): NewColumn {
  if (column.kind === 'categorical' || column.kind === 'numeric') return column;
  return { kind: 'string', values: column.values.map((value) => (value === null ? 'nan' : String(value))) };
}
