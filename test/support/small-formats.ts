import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as zarrita from 'zarrita';
import { loadHdf5 } from '../../src/data/readers/hdf5-library.js';
import { writeAnnData } from './small-h5ad.js';

/** The same few cells in every format that is no .h5ad, so that tests need neither Python nor stored files. */
export interface SmallCells {
  readonly cellIds: readonly string[];
  readonly geneNames: readonly string[];
  readonly rows: readonly (readonly number[])[];
  readonly cellTypes: readonly string[];
}

export interface Sparse {
  readonly data: number[];
  readonly indices: number[];
  readonly indptr: number[];
}

/** Compressed sparse rows. */
export function compress(rows: readonly (readonly number[])[]): Sparse {
  const sparse: Sparse = { data: [], indices: [], indptr: [0] };
  for (const row of rows) {
    row.forEach((value, column) => {
      if (value === 0) return;
      sparse.data.push(value);
      sparse.indices.push(column);
    });
    sparse.indptr.push(sparse.data.length);
  }
  return sparse;
}

export function transpose(rows: readonly (readonly number[])[]): number[][] {
  return rows[0]!.map((_, column) => rows.map((row) => row[column]!));
}

// ---- Zarr ----

export type ZarrVersion = 2 | 3;
type Values = Float32Array | Int32Array | Int8Array | BigInt64Array | Uint8Array | readonly string[];

export interface ZarrOptions {
  readonly version: ZarrVersion;
  /** Name of the packing: none, gzip, zlib, blosc, zstd, lz4, crc32c. */
  readonly codec?: string;
  /** Rows a chunk; default: one chunk. */
  readonly chunkRows?: number;
}

const WORDS = new Map<unknown, [v2: string, v3: string]>([
  [Float32Array, ['<f4', 'float32']],
  [Int32Array, ['<i4', 'int32']],
  [Int8Array, ['|i1', 'int8']],
  [BigInt64Array, ['<i8', 'int64']],
  [Uint8Array, ['|b1', 'bool']],
]);
const CODECS: Record<string, { v2: object | null; v3: object[]; configuration?: object }> = {
  none: { v2: null, v3: [] },
  gzip: { v2: { id: 'gzip', level: 5 }, v3: [{ name: 'gzip', configuration: { level: 5 } }] },
  zlib: { v2: { id: 'zlib', level: 5 }, v3: [{ name: 'numcodecs.zlib', configuration: { level: 5 } }] },
  blosc: {
    v2: { id: 'blosc', cname: 'lz4', clevel: 5, shuffle: 1, blocksize: 0 },
    v3: [{ name: 'blosc', configuration: { cname: 'zstd', clevel: 5, shuffle: 'shuffle', typesize: 4, blocksize: 0 } }],
    configuration: { cname: 'lz4', clevel: 5, shuffle: 1, blocksize: 0 },
  },
  zstd: { v2: { id: 'zstd', level: 1 }, v3: [{ name: 'zstd', configuration: { level: 1, checksum: false } }] },
  lz4: { v2: { id: 'lz4', acceleration: 1 }, v3: [{ name: 'numcodecs.lz4', configuration: { acceleration: 1 } }] },
  unknown: { v2: { id: 'lzma' }, v3: [{ name: 'numcodecs.lzma', configuration: {} }] },
};

/** A Zarr folder as anndata lays it out: X as CSR, two layers, obs with a categorical, an integer and a boolean column. */
export async function writeSmallZarr(folder: string, cells: SmallCells, options: ZarrOptions): Promise<void> {
  const { version } = options;
  const encoding = (type: string, more: object = {}) => ({ 'encoding-type': type, 'encoding-version': '0.1.0', ...more });
  const group = (at: string, attributes: object) => {
    mkdirSync(join(folder, at), { recursive: true });
    if (version === 3) return writeFileSync(join(folder, at, 'zarr.json'), JSON.stringify({ zarr_format: 3, node_type: 'group', attributes }));
    writeFileSync(join(folder, at, '.zgroup'), '{"zarr_format": 2}');
    writeFileSync(join(folder, at, '.zattrs'), JSON.stringify(attributes));
  };
  const array = (at: string, values: Values, shape: readonly number[] = [values.length], attributes: object = {}) =>
    writeZarrArray(join(folder, at), values, shape, attributes, options);
  const sparse = async (at: string, encodingType: string, rows: readonly (readonly number[])[]) => {
    const { data, indices, indptr } = compress(rows);
    group(at, encoding(encodingType, { shape: [cells.cellIds.length, cells.geneNames.length] }));
    await array(`${at}/data`, Float32Array.from(data));
    await array(`${at}/indices`, Int32Array.from(indices));
    await array(`${at}/indptr`, BigInt64Array.from(indptr, BigInt));
  };
  const frame = async (at: string, names: readonly string[], columns: readonly string[]) => {
    group(at, encoding('dataframe', { _index: '_index', 'column-order': columns }));
    await array(`${at}/_index`, names);
  };
  group('.', encoding('anndata'));
  await sparse('X', 'csr_matrix', cells.rows);
  group('layers', encoding('dict'));
  await sparse('layers/csc', 'csc_matrix', transpose(cells.rows));
  await array('layers/dense', Float32Array.from(cells.rows.flat()), [cells.cellIds.length, cells.geneNames.length], encoding('array'));
  await frame('obs', cells.cellIds, ['cell_type', 'size #1', 'is_first']);
  const categories = [...new Set(cells.cellTypes)].sort();
  group('obs/cell_type', encoding('categorical', { ordered: false }));
  await array('obs/cell_type/categories', categories);
  await array(
    'obs/cell_type/codes',
    Int8Array.from(cells.cellTypes, (type) => categories.indexOf(type)),
  );
  await array(
    'obs/size #1',
    BigInt64Array.from(cells.cellIds, (_, i) => BigInt(i * 100)),
  );
  await array(
    'obs/is_first',
    Uint8Array.from(cells.cellIds, (_, i) => Number(i === 0)),
  );
  await frame('var', cells.geneNames, []);
}

async function writeZarrArray(
  folder: string,
  values: Values,
  shape: readonly number[],
  attributes: object,
  { version, codec = 'none', chunkRows }: ZarrOptions,
): Promise<void> {
  const isText = Array.isArray(values);
  const [v2, v3] = isText ? ['|O', 'string'] : WORDS.get(values.constructor)!;
  const rowLength = shape.slice(1).reduce((product, size) => product * size, 1);
  const chunks = [Math.max(1, chunkRows ?? shape[0]!), ...shape.slice(1)];
  const packing = CODECS[codec]!;
  const fill = isText ? '' : v3 === 'bool' ? false : 0;
  mkdirSync(folder, { recursive: true });
  if (version === 2) {
    writeFileSync(
      join(folder, '.zarray'),
      JSON.stringify({
        zarr_format: 2,
        shape,
        chunks,
        dtype: v2,
        fill_value: fill,
        order: 'C',
        filters: isText ? [{ id: 'vlen-utf8' }] : null,
        compressor: packing.v2,
      }),
    );
    writeFileSync(join(folder, '.zattrs'), JSON.stringify(attributes));
  } else {
    const codecs = [isText ? { name: 'vlen-utf8' } : { name: 'bytes', configuration: { endian: 'little' } }, ...packing.v3];
    const grid = { name: 'regular', configuration: { chunk_shape: chunks } };
    writeFileSync(
      join(folder, 'zarr.json'),
      JSON.stringify({
        zarr_format: 3,
        node_type: 'array',
        shape,
        data_type: v3,
        chunk_grid: grid,
        chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
        fill_value: fill,
        codecs,
        attributes,
      }),
    );
  }
  for (let row = 0, chunk = 0; row < shape[0]!; row += chunks[0]!, chunk++) {
    const piece = values.slice(row * rowLength, (row + chunks[0]!) * rowLength);
    const bytes = await pack(codec, isText ? textBytes(piece as readonly string[], chunks[0]!) : padded(piece as Float32Array, chunks[0]! * rowLength));
    const name = [chunk, ...shape.slice(1).map(() => 0)];
    const path = version === 2 ? join(folder, name.join('.')) : join(folder, 'c', ...name.map(String));
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, bytes);
  }
}

/** A chunk at the edge is as long as any other. */
function padded(values: Float32Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length * values.BYTES_PER_ELEMENT);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return bytes;
}

function textBytes(texts: readonly string[], length: number): Uint8Array {
  const word = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const all = Array.from({ length }, (_, i) => Buffer.from(texts[i] ?? ''));
  return Buffer.concat([word(length), ...all.flatMap((text) => [word(text.length), text])]);
}

async function pack(codec: string, bytes: Uint8Array): Promise<Uint8Array> {
  if (codec === 'none' || codec === 'unknown') return bytes;
  if (codec === 'gzip') return gzipSync(bytes);
  const Codec = (await zarrita.registry.get(codec)!()) as unknown as {
    fromConfig(configuration: object, meta?: object): { encode(bytes: Uint8Array): Promise<Uint8Array> };
  };
  if (codec === 'zlib') return (await import('node:zlib')).deflateSync(bytes);
  return Codec.fromConfig(CODECS[codec]!.configuration ?? { level: 1, acceleration: 1 }).encode(bytes);
}

// ---- HDF5: loom, MuData, 10x of several genomes ----

/** A loom file: genes × cells, one layer, an embedding that is no column. */
export async function writeSmallLoom(path: string, cells: SmallCells, options: { chunk?: number; geneKey?: string } = {}): Promise<void> {
  const { File } = await loadHdf5();
  const file = new File(path, 'w');
  try {
    const shape = [cells.geneNames.length, cells.cellIds.length];
    const matrix = transpose(cells.rows).flat();
    const { chunk } = options;
    const storage = chunk === undefined ? {} : { chunks: shape.map((size) => Math.min(size, chunk)), compression: 'gzip' as const };
    file.create_dataset({ name: 'matrix', data: Float32Array.from(matrix), shape, ...storage });
    file.create_group('layers').create_dataset({ name: 'spliced', data: Int32Array.from(matrix), shape, ...storage });
    const genes = file.create_group('row_attrs');
    genes.create_dataset({ name: options.geneKey ?? 'Gene', data: [...cells.geneNames], dtype: 'S' });
    const columns = file.create_group('col_attrs');
    columns.create_dataset({ name: 'CellID', data: [...cells.cellIds], dtype: 'S' });
    columns.create_dataset({ name: 'ClusterName', data: [...cells.cellTypes], dtype: 'S' });
    columns.create_dataset({ name: 'Age', data: Int32Array.from(cells.cellIds, (_, i) => i) });
    columns.create_dataset({ name: 'Embedding', data: new Float32Array(cells.cellIds.length * 2), shape: [cells.cellIds.length, 2] });
  } finally {
    file.close();
  }
}

/** A MuData file: AnnData below `mod`, one group a modality. */
export async function writeSmallMuData(path: string, modalities: Readonly<Record<string, SmallCells>>): Promise<void> {
  const { File } = await loadHdf5();
  const file = new File(path, 'w');
  try {
    for (const name of ['obs', 'var', 'mod']) file.create_group(name);
    for (const [name, { cellIds, geneNames, rows, cellTypes }] of Object.entries(modalities)) {
      writeAnnData(file.create_group(`mod/${name}`), { cellIds, geneNames, x: { encoding: 'csr', rows }, obs: { cell_type: cellTypes } });
    }
  } finally {
    file.close();
  }
}

/** A Cell Ranger 2 file with the same matrix under several genomes, each ten times the one before. */
export async function writeSmallGenomes(path: string, cells: SmallCells, genomes: readonly string[]): Promise<void> {
  const { File } = await loadHdf5();
  const file = new File(path, 'w');
  try {
    genomes.forEach((genome, i) => {
      const group = file.create_group(genome);
      const { data, indices, indptr } = compress(cells.rows);
      group.create_dataset({ name: 'barcodes', data: [...cells.cellIds], dtype: 'S' });
      group.create_dataset({ name: 'genes', data: cells.geneNames.map((_, gene) => `ENSG${String(gene).padStart(11, '0')}`), dtype: 'S' });
      group.create_dataset({ name: 'gene_names', data: [...cells.geneNames], dtype: 'S' });
      group.create_dataset({ name: 'data', data: Int32Array.from(data, (value) => value * 10 ** i) });
      group.create_dataset({ name: 'indices', data: Int32Array.from(indices) });
      group.create_dataset({ name: 'indptr', data: Int32Array.from(indptr) });
      group.create_dataset({ name: 'shape', data: Int32Array.of(cells.geneNames.length, cells.cellIds.length) });
    });
  } finally {
    file.close();
  }
}

// ---- text ----

export interface MtxOptions {
  readonly isPacked?: boolean;
  readonly prefix?: string;
  /** genes.tsv of Cell Ranger 2 instead of features.tsv. */
  readonly isOld?: boolean;
  /** Replaces the matrix: damaged ones. */
  readonly matrix?: string;
  /** Entries gene by gene instead of cell by cell. */
  readonly isByGene?: boolean;
}

export function writeSmallMtx(
  folder: string,
  cells: SmallCells,
  { isPacked = true, prefix = '', isOld = false, matrix, isByGene = false }: MtxOptions = {},
): void {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(folder, `${prefix}${name}${isPacked ? '.gz' : ''}`), isPacked ? gzipSync(text) : text);
  const entries = cells.rows.flatMap((row, cell) => row.flatMap((value, gene) => (value === 0 ? [] : [[gene + 1, cell + 1, value]])));
  if (isByGene) entries.sort((a, b) => a[0]! - b[0]!);
  write(
    'matrix.mtx',
    matrix ??
      [
        '%%MatrixMarket matrix coordinate integer general',
        '%a comment',
        [cells.geneNames.length, cells.cellIds.length, entries.length].join(' '),
        ...entries.map((entry) => entry.join(' ')),
        '',
      ].join('\n'),
  );
  write('barcodes.tsv', cells.cellIds.map((id) => `${id}\n`).join(''));
  write(
    isOld ? 'genes.tsv' : 'features.tsv',
    cells.geneNames.map((name, i) => [`ENSG${String(i).padStart(11, '0')}`, name, ...(isOld ? [] : ['Gene Expression'])].join('\t') + '\n').join(''),
  );
}

/** A table of text; `corner` is what stands above the row names, null for R's way of leaving it out. */
export function tableText(
  rowNames: readonly string[],
  columnNames: readonly string[],
  rows: readonly (readonly number[])[],
  { delimiter = ',', corner = '' as string | null, newline = '\n', quote = '' } = {},
): string {
  const quoted = (name: string) => `${quote}${name}${quote}`;
  const header = [...(corner === null ? [] : [corner]), ...columnNames.map(quoted)].join(delimiter);
  return [header, ...rows.map((row, i) => [quoted(rowNames[i]!), ...row].join(delimiter)), ''].join(newline);
}
