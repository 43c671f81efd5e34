import { Dictionary, Field, Float64, Float32, Int16, Int32, Int8, List, Uint16, Utf8, makeData, vectorFromArray, type Data, type DataType } from 'apache-arrow';
import { encodeArrowFile, type EncodedFile } from './arrow-file.js';
import { SPLITS } from './format.js';
import type { CellValues, GeneIds } from '../loader/depth.js';

/** Names of the columns every shard has; an obs field cannot be called like one of them. */
export const RESERVED_COLUMNS: readonly string[] = ['cell_id', 'gene_ids', 'values', 'total', 'split'];

/** One obs field of the whole corpus: categories and, for each cell, a code (-1 = missing). */
export interface DictionaryColumn {
  readonly key: string;
  readonly categories: readonly string[];
  readonly codes: Int32Array;
}

/** The cells of one shard, column by column. R cells, NNZ stored values. */
export interface ShardColumns {
  readonly cellIds: readonly string[];
  /** [R + 1] offsets into geneIds and values, from 0. */
  readonly indptr: Int32Array;
  /** [NNZ] vocabulary ids, ascending within a cell. */
  readonly geneIds: GeneIds;
  /** [NNZ] raw values. */
  readonly values: CellValues;
  /** [R] library size of the whole source row. */
  readonly total: Float64Array;
  /** [R] 0 train, 1 validation, 2 test. */
  readonly split: Int32Array;
  readonly obs: readonly DictionaryColumn[];
}

/**
 * Encodes one shard as an Arrow IPC file with a single record batch. No buffer is copied: the chunks are views of the columns.
 * @param metadata schema metadata; ties a shard to the build that wrote it
 */
export async function encodeShard(columns: ShardColumns, metadata: ReadonlyMap<string, string>): Promise<EncodedFile> {
  const numCells = columns.cellIds.length;
  const fields: [name: string, data: Data][] = [
    ['cell_id', utf8(columns.cellIds)],
    ['gene_ids', list(columns.indptr, geneIdData(columns.geneIds))],
    ['values', list(columns.indptr, valueData(columns.values))],
    ['total', makeData({ type: new Float64(), data: columns.total })],
    ['split', dictionary(0, SPLITS, columns.split)],
    ...columns.obs.map(({ key, categories, codes }, i): [string, Data] => [key, dictionary(i + 1, categories, codes)]),
  ];
  const columnFields = fields.map(([name, data]) => new Field(name, data.type, !RESERVED_COLUMNS.includes(name)));
  return encodeArrowFile(columnFields, fields.map(([, data]) => data), numCells, metadata);
}

function geneIdData(geneIds: GeneIds): Data {
  return geneIds instanceof Uint16Array ? makeData({ type: new Uint16(), data: geneIds }) : makeData({ type: new Int32(), data: geneIds });
}

function valueData(values: CellValues): Data {
  return values instanceof Uint16Array ? makeData({ type: new Uint16(), data: values }) : makeData({ type: new Float32(), data: values });
}

function list<T extends DataType>(valueOffsets: Int32Array, child: Data<T>): Data<List<T>> {
  return makeData({ type: new List(new Field('item', child.type, false)), length: valueOffsets.length - 1, nullCount: 0, valueOffsets, child });
}

function utf8(strings: readonly string[]): Data<Utf8> {
  const encoded = strings.map((text) => Buffer.from(text, 'utf8'));
  const valueOffsets = new Int32Array(strings.length + 1);
  encoded.forEach((bytes, i) => (valueOffsets[i + 1] = valueOffsets[i]! + bytes.length));
  return makeData({ type: new Utf8(), length: strings.length, nullCount: 0, valueOffsets, data: Buffer.concat(encoded) });
}

/**
 * Codes are stored in the narrowest signed integer that holds every category, so that all shards agree on the type.
 * The dictionary id is given, not counted up by the library: the bytes must not depend on what else this process wrote.
 */
function dictionary(id: number, categories: readonly string[], codes: Int32Array): Data<Dictionary> {
  const [indices, Codes] = categories.length <= 127 ? [new Int8(), Int8Array] as const : categories.length <= 32_767 ? [new Int16(), Int16Array] as const : [new Int32(), Int32Array] as const;
  const stored = new Codes(codes.length);
  const validity = new Uint8Array(Math.ceil(codes.length / 8));
  let nullCount = 0;
  codes.forEach((code, i) => {
    stored[i] = Math.max(0, code);
    if (code < 0) nullCount++;
    else validity[i >> 3]! |= 1 << (i & 7);
  });
  const type = new Dictionary(new Utf8(), indices as Int32, id);
  return makeData({ type, length: codes.length, nullCount, nullBitmap: nullCount > 0 ? validity : null, data: stored as Int32Array, dictionary: vectorFromArray(categories, new Utf8()) });
}
