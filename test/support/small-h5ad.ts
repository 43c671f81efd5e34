import { loadHdf5 } from '../../src/data/readers/hdf5-library.js';

/** A matrix as rows of numbers, and how it is to be stored. */
export interface SmallMatrix {
  readonly rows: readonly (readonly number[])[];
  /** The arrays of a sparse matrix as they are to lie in the file, instead of those of `rows`: damaged ones, or untidy ones. */
  readonly arrays?: SparseNumbers;
  readonly encoding: 'dense' | 'csr' | 'csc';
  /** Stores the numbers in compressed chunks of so many entries (rows, when dense). */
  readonly chunk?: number;
}

export interface SmallH5ad {
  readonly x?: SmallMatrix;
  readonly layers?: Readonly<Record<string, SmallMatrix>>;
  /** raw/X with its own genes. */
  readonly raw?: SmallMatrix & { readonly geneNames: readonly string[] };
  readonly cellIds: readonly string[];
  readonly geneNames: readonly string[];
  /** Text columns become categoricals, numbers float64 columns. */
  readonly obs?: Readonly<Record<string, readonly (string | null)[] | Float64Array>>;
}

/** Writes an AnnData file as anndata 0.8 and later lay it out, so that tests need neither Python nor stored files. */
export async function writeSmallH5ad(path: string, content: SmallH5ad, options: { libver?: 'earliest' | 'v108' | 'latest' } = {}): Promise<void> {
  const { File } = await loadHdf5();
  const { libver } = options;
  const file = new File(path, 'w', libver && { libver: libver === 'earliest' ? ['earliest', 'latest'] : libver });
  try {
    writeAnnData(file.get('/') as Group, content);
  } finally {
    file.close();
  }
}

/** Writes AnnData below a group: the root of an .h5ad, or a modality of MuData. */
export function writeAnnData(root: Group, content: SmallH5ad): void {
  encode(root, 'anndata', '0.1.0');
  if (content.x) writeMatrix(root, 'X', content.x, content.geneNames.length);
  const layers = group(root, 'layers', 'dict');
  for (const [name, matrix] of Object.entries(content.layers ?? {})) writeMatrix(layers, name, matrix, content.geneNames.length);
  writeFrame(root, 'obs', content.cellIds, content.obs ?? {});
  writeFrame(root, 'var', content.geneNames, {});
  for (const name of ['obsm', 'varm', 'obsp', 'varp', 'uns']) group(root, name, 'dict');
  if (content.raw) {
    const raw = group(root, 'raw', 'raw');
    writeMatrix(raw, 'X', content.raw, content.raw.geneNames.length);
    writeFrame(raw, 'var', content.raw.geneNames, {});
  }
}

type H5wasm = Awaited<ReturnType<typeof loadHdf5>>;
type Group = InstanceType<H5wasm['Group']>;

function encode(object: { create_attribute: Group['create_attribute'] }, type: string, version: string): void {
  object.create_attribute('encoding-type', type);
  object.create_attribute('encoding-version', version);
}

function group(parent: Group, name: string, type: string): Group {
  const made = parent.create_group(name);
  encode(made, type, '0.1.0');
  return made;
}

function writeFrame(parent: Group, name: string, index: readonly string[], columns: Readonly<Record<string, readonly (string | null)[] | Float64Array>>): void {
  const frame = parent.create_group(name);
  encode(frame, 'dataframe', '0.2.0');
  frame.create_attribute('_index', '_index');
  // No columns: an empty array of doubles, as h5py writes it; the library cannot write an empty array of strings.
  const order = Object.keys(columns);
  frame.create_attribute('column-order', order.length > 0 ? order : new Float64Array(0));
  strings(frame, '_index', index);
  for (const [key, values] of Object.entries(columns)) {
    if (values instanceof Float64Array) {
      encode(frame.create_dataset({ name: key, data: values }), 'array', '0.2.0');
      continue;
    }
    const categories = [...new Set(values.filter((value) => value !== null))].sort();
    const column = frame.create_group(key);
    encode(column, 'categorical', '0.2.0');
    column.create_attribute('ordered', 0, null, '<b');
    strings(column, 'categories', categories);
    encode(
      column.create_dataset({ name: 'codes', data: Int8Array.from(values, (value) => (value === null ? -1 : categories.indexOf(value))) }),
      'array',
      '0.2.0',
    );
  }
}

function strings(parent: Group, name: string, values: readonly string[]): void {
  encode(parent.create_dataset({ name, data: [...values], shape: [values.length], dtype: 'S' }), 'string-array', '0.2.0');
}

function writeMatrix(parent: Group, name: string, { rows, encoding, chunk, arrays }: SmallMatrix, numGenes: number): void {
  if (encoding === 'dense') {
    encode(
      parent.create_dataset({ name, data: Float32Array.from(rows.flat()), shape: [rows.length, numGenes], ...compressed(chunk, rows.length, numGenes) }),
      'array',
      '0.2.0',
    );
    return;
  }
  if (arrays) return writeSparse(parent, name, encoding, [rows.length, numGenes], arrays, chunk);
  const lines = encoding === 'csr' ? rows : Array.from({ length: numGenes }, (_, gene) => rows.map((row) => row[gene]!));
  const indptr = [0];
  const indices: number[] = [];
  const data: number[] = [];
  for (const line of lines) {
    line.forEach((value, i) => {
      if (value === 0) return;
      indices.push(i);
      data.push(value);
    });
    indptr.push(indices.length);
  }
  writeSparse(parent, name, encoding, [rows.length, numGenes], { data, indices, indptr }, chunk);
}

/** Chunks no larger than the array itself; an array without entries cannot be chunked. */
function compressed(chunk: number | undefined, ...shape: number[]): { chunks?: number[]; compression?: 'gzip' } {
  if (chunk === undefined || shape.includes(0)) return {};
  return { chunks: [Math.min(chunk, shape[0]!), ...shape.slice(1)], compression: 'gzip' };
}

export interface SparseNumbers {
  readonly data: readonly number[];
  readonly indices: readonly number[];
  readonly indptr: readonly number[];
}

function writeSparse(parent: Group, name: string, encoding: 'csr' | 'csc', shape: [number, number], arrays: SparseNumbers, chunk?: number): void {
  const sparse = parent.create_group(name);
  encode(sparse, `${encoding}_matrix`, '0.1.0');
  sparse.create_attribute('shape', BigInt64Array.from(shape.map(BigInt)));
  sparse.create_dataset({ name: 'data', data: Float32Array.from(arrays.data), ...compressed(chunk, arrays.data.length) });
  sparse.create_dataset({ name: 'indices', data: Int32Array.from(arrays.indices), ...compressed(chunk, arrays.indices.length) });
  sparse.create_dataset({ name: 'indptr', data: Int32Array.from(arrays.indptr) });
}

/** A file as anndata 0.6 wrote it: compound tables, categories and booleans beside them, scaled X and raw counts. */
export async function writeSmallLegacy(path: string): Promise<void> {
  const { File } = await loadHdf5();
  const file = new File(path, 'w');
  try {
    const root = file.get('/') as Group;
    root.create_dataset({ name: 'X', data: Float32Array.of(-1, 0.5, 1, -0.5, 0, 0), shape: [3, 2] });
    table(root, 'obs', [
      ['index', 'A8', ['cell-a', 'cell-b', 'cell-c']],
      ['cell_type', '<b', Int8Array.of(1, -1, 0)],
      ['n_counts', '<d', Float64Array.of(4, 2, 9)],
      ['n_genes', '<q', BigInt64Array.of(2n, 1n, 2n)],
    ]);
    table(root, 'var', [
      ['index', 'A8', ['CD3E', 'LYZ']],
      ['means', '<f', Float32Array.of(0.25, 2)],
    ]);
    table(root, 'raw.var', [['index', 'A8', ['CD3E', 'LYZ', 'NKG7']]]);
    const raw = root.create_group('raw.X');
    raw.create_attribute('h5sparse_format', 'csr');
    raw.create_attribute('h5sparse_shape', BigInt64Array.of(3n, 3n));
    raw.create_dataset({ name: 'data', data: Float32Array.of(3, 1, 2, 4, 5) });
    raw.create_dataset({ name: 'indices', data: Int32Array.of(0, 2, 1, 0, 2) });
    raw.create_dataset({ name: 'indptr', data: Int32Array.of(0, 2, 3, 5) });
    const uns = root.create_group('uns');
    uns.create_dataset({ name: 'cell_type_categories', data: ['B cell', 'T cell'], dtype: 'A8' });
    uns.create_dataset({ name: 'cell_type_colors', data: ['#112233', '#445566'], dtype: 'A8' });
  } finally {
    file.close();
  }
}

type Field = [name: string, dtype: string, values: readonly string[] | Int8Array | Float32Array | Float64Array | BigInt64Array];

function table(parent: Group, name: string, fields: Field[]): void {
  parent.create_dataset({
    name,
    data: new Map(fields.map(([field, , values]) => [field, values])),
    dtype: fields.map(([field, dtype]): [string, string] => [field, dtype]),
    shape: [fields[0]![2].length],
  });
}

/** A file as Cell Ranger 3 and later write it: two genes and an antibody in three cells. */
export async function writeSmallTenx(path: string): Promise<void> {
  const { File } = await loadHdf5();
  const file = new File(path, 'w');
  try {
    const matrix = (file.get('/') as Group).create_group('matrix');
    matrix.create_dataset({ name: 'barcodes', data: ['AAAC-1', 'AAAG-1', 'AAAT-1'], dtype: 'A8' });
    matrix.create_dataset({ name: 'data', data: Int32Array.of(5, 100, 2, 90, 7) });
    matrix.create_dataset({ name: 'indices', data: BigInt64Array.of(0n, 1n, 2n, 1n, 0n) });
    matrix.create_dataset({ name: 'indptr', data: BigInt64Array.of(0n, 2n, 4n, 5n) });
    matrix.create_dataset({ name: 'shape', data: Int32Array.of(3, 3) });
    const features = matrix.create_group('features');
    features.create_dataset({ name: 'id', data: ['ENSG00000198851', 'CD3_TotalSeqB', 'ENSG00000090382'], dtype: 'A20' });
    features.create_dataset({ name: 'name', data: ['CD3E', 'CD3', 'LYZ'], dtype: 'A20' });
    features.create_dataset({ name: 'feature_type', data: ['Gene Expression', 'Antibody Capture', 'Gene Expression'], dtype: 'A20' });
    features.create_dataset({ name: 'genome', data: ['GRCh38', '', 'GRCh38'], dtype: 'A20' });
  } finally {
    file.close();
  }
}

/** The bytes of an HDF5 file (written with libver 'earliest') as they are behind a user block of `size` bytes. */
export function behindUserBlock(bytes: Buffer, size: number): Buffer {
  const moved = Buffer.from(bytes);
  const [base, end] = [24, 40];
  moved.writeBigUInt64LE(BigInt(size), base);
  moved.writeBigUInt64LE(moved.readBigUInt64LE(end) + BigInt(size), end);
  return Buffer.concat([Buffer.alloc(size), moved]);
}
