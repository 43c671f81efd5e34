import { DataError } from '../../errors.js';
import { texts, type Frame } from './anndata-frame.js';
import type { ArrayStore, StoredArray } from './array-store.js';
import { readGeneNames } from './gene-columns.js';
import { TransposedMatrix } from './matrix-transposed.js';
import type { CellFile, CellMatrix, GeneNames, MatrixInfo, MatrixKey, ObsColumn } from './reader.js';

/** Names that programs give to the attribute that names cells and genes, lower case, best first. */
const CELL_NAMES = ['cellid', 'cell_id', 'obs_names', 'barcode', 'barcodes', 'cell_names', 'cellname', 'cell', 'index'];
const GENE_NAMES = ['gene', 'genes', 'var_names', 'gene_name', 'gene_names', 'genename', 'gene_symbol', 'symbol', 'accession', 'gene_id', 'gene_ids', 'index'];

/** A loom file: genes × cells, dense, with one-dimensional attributes of either. */
export class LoomFile implements CellFile {
  readonly format = 'loom';
  readonly path: string;
  readonly numCells: number;
  readonly cellIds: readonly string[];
  readonly obsKeys: readonly string[];
  readonly matrices: readonly MatrixInfo[];
  readonly notes: readonly string[];
  private readonly cells: Frame;
  private readonly genes: GeneNames;
  private readonly arrays = new Map<MatrixKey, StoredArray>();

  /** @throws DataError for a file without a matrix or names of genes, or whose parts do not fit each other */
  constructor(private readonly file: ArrayStore) {
    this.path = file.path;
    const { shape } = file.dataset('matrix');
    if (shape.length !== 2)
      throw new DataError({ file: file.path, key: 'matrix', found: `an array of ${shape.length} dimensions`, expected: 'two: genes × cells' });
    const notes: string[] = [];
    this.numCells = shape[1]!;
    this.cells = attributeFrame(file, 'col_attrs', this.numCells, CELL_NAMES, () => {
      notes.push('names no cells: they are numbered from 0');
      return Array.from({ length: this.numCells }, (_, i) => String(i));
    });
    const genes = attributeFrame(file, 'row_attrs', shape[0]!, GENE_NAMES, () => {
      throw new DataError({
        file: file.path,
        key: 'row_attrs',
        found: `no names of genes among ${file.keys('row_attrs').join(', ') || 'nothing'}`,
        expected: "an attribute 'Gene' or 'Accession'",
      });
    });
    this.cellIds = this.cells.index;
    this.obsKeys = this.cells.keys;
    this.genes = readGeneNames(genes);
    for (const [key, at] of [['X', 'matrix'], ...file.keys('layers').map((name) => [`layers/${name}`, `layers/${name}`])] as [string, string][]) {
      const array = file.dataset(at);
      if (array.kind !== 'number') notes.push(`${key} is no matrix of numbers and is left out`);
      else if (array.shape.length !== 2 || array.shape[0] !== shape[0] || array.shape[1] !== shape[1])
        throw new DataError({ file: file.path, key: at, found: `shape ${array.shape.join(' × ')}`, expected: `${shape.join(' × ')}, as the matrix has` });
      else this.arrays.set(key, array);
    }
    this.matrices = [...this.arrays].map(([key, { dtype }]) => ({ key, numGenes: this.genes.names.length, encoding: 'dense', dtype }));
    this.notes = notes;
  }

  obs(key: string): ObsColumn {
    return this.cells.column(key);
  }

  matrix(key: MatrixKey): CellMatrix {
    const array = this.arrays.get(key);
    if (!array)
      throw new DataError({
        file: this.path,
        key,
        found: 'no such matrix',
        expected: `one of ${[...this.arrays.keys()].join(', ') || '(the file holds no matrix of numbers)'}`,
      });
    return new TransposedMatrix(array, { file: this.path, key, cellIds: this.cellIds, genes: this.genes, numColumns: this.genes.names.length });
  }

  close(): void {
    this.file.close();
  }
}

/** The attributes of one axis as a table. Those of more than one dimension (embeddings) are no columns. */
function attributeFrame(file: ArrayStore, at: string, length: number, names: readonly string[], unnamed: () => string[]): Frame {
  const columns = file.keys(at).filter((key) => file.kind(`${at}/${key}`) === 'dataset' && file.dataset(`${at}/${key}`).shape.length === 1);
  const indexKey = names.flatMap((name) => columns.filter((key) => key.toLowerCase() === name))[0];
  const keys = columns.filter((key) => key !== indexKey);
  const read = (key: string): ObsColumn => {
    const array = file.dataset(`${at}/${key}`);
    const column = columnOf(file, `${at}['${key}']`, array);
    if (array.shape[0] !== length)
      throw new DataError({ file: file.path, key: `${at}['${key}']`, found: `${array.shape[0]} entries`, expected: `${length}, as many as the matrix has` });
    return column;
  };
  return {
    index: indexKey === undefined ? unnamed() : texts(read(indexKey)),
    keys,
    column(key) {
      if (!keys.includes(key))
        throw new DataError({
          file: file.path,
          key: `${at}['${key}']`,
          found: 'no such column',
          expected: `one of ${keys.join(', ') || '(no columns at all)'}`,
        });
      return read(key);
    },
  };
}

function columnOf(file: ArrayStore, key: string, array: StoredArray): ObsColumn {
  switch (array.kind) {
    case 'string':
      return { kind: 'string', values: array.strings() };
    case 'number':
      return { kind: 'numeric', values: Float64Array.from(array.numbers()), dtype: array.dtype };
    case 'boolean':
      return { kind: 'boolean', values: array.booleans() };
    case 'compound':
    case 'reference':
    case 'other':
      throw new DataError({ file: file.path, key, found: `a column of type ${array.dtype}, which cannot be read here`, expected: 'text, numbers or booleans' });
  }
}
