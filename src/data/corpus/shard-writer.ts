import { Dictionary, Field, Float64, Float32, Int16, Int32, Int8, List, Uint16, Utf8, makeData, vectorFromArray, type Data, type DataType } from 'apache-arrow';
import { encodeArrowFile, type EncodedFile } from './arrow-file.js';
import { SPLITS } from './format.js';
import type { CellValues, GeneIds } from '../loader/depth.js';
import type { PackedNames } from '../readers/reader.js';
import { newCodes, type Codes } from './codes.js';

/** Names of the columns every shard has; an obs field cannot be called like one of them. */
export const RESERVED_COLUMNS: readonly string[] = ['cell_id', 'gene_ids', 'values', 'total', 'split'];

/** One obs field of the whole corpus: categories and, for each cell, a code (-1 = missing). */
export interface DictionaryColumn {
  readonly key: string;
  readonly categories: readonly string[];
  readonly codes: Codes;
}

/** The cells of one shard, column by column. R cells, NNZ stored values. */
export interface ShardColumns {
  readonly cellIds: PackedNames;
  /** [R + 1] offsets into geneIds and values, from 0. */
  readonly indptr: Int32Array;
  /** [NNZ] vocabulary ids, ascending within a cell. */
  readonly geneIds: GeneIds;
  /** [NNZ] raw values. */
  readonly values: CellValues;
  /** [R] library size of the whole source row. */
  readonly total: Float64Array;
  /** [R] 0 train, 1 validation, 2 test. */
  readonly split: Int8Array;
  readonly obs: readonly DictionaryColumn[];
}

/**
 * Encodes one shard as an Arrow IPC file with a single record batch. No buffer is copied: the chunks are views of the columns.
 * @param metadata schema metadata; ties a shard to the build that wrote it
 */
export async function encodeShard(columns: ShardColumns, metadata: ReadonlyMap<string, string>): Promise<EncodedFile> {
  const numCells = columns.total.length;
  const fields: [name: string, data: Data][] = [
    ['cell_id', utf8(columns.cellIds)],
    ['gene_ids', list(columns.indptr, geneIdData(columns.geneIds))],
    ['values', list(columns.indptr, valueData(columns.values))],
    ['total', makeData({ type: new Float64(), data: columns.total })],
    ['split', dictionary(0, SPLITS, columns.split)],
    ...columns.obs.map(({ key, categories, codes }, i): [string, Data] => [key, dictionary(i + 1, categories, codes)]),
  ];
  const columnFields = fields.map(([name, data]) => new Field(name, data.type, !RESERVED_COLUMNS.includes(name)));
  return encodeArrowFile(
    columnFields,
    fields.map(([, data]) => data),
    numCells,
    metadata,
  );
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

function utf8({ offsets, bytes }: PackedNames): Data<Utf8> {
  return makeData({ type: new Utf8(), length: offsets.length - 1, nullCount: 0, valueOffsets: offsets, data: bytes });
}

/**
 * Codes are stored in the narrowest signed integer that holds every category, so that all shards agree on the type.
 * The dictionary id is given, not counted up by the library: the bytes must not depend on what else this process wrote.
 */
function dictionary(id: number, categories: readonly string[], codes: Codes): Data<Dictionary> {
  const stored = newCodes(categories.length, codes.length);
  const indices = stored instanceof Int8Array ? new Int8() : stored instanceof Int16Array ? new Int16() : new Int32();
  const validity = new Uint8Array(Math.ceil(codes.length / 8));
  let nullCount = 0;
  codes.forEach((code: number, i: number) => {
    stored[i] = Math.max(0, code);
    if (code < 0) nullCount++;
    else validity[i >> 3]! |= 1 << (i & 7);
  });
  const type = new Dictionary(new Utf8(), indices as Int32, id);
  return makeData({
    type,
    length: codes.length,
    nullCount,
    nullBitmap: nullCount > 0 ? validity : null,
    data: stored as Int32Array,
    dictionary: vectorFromArray(categories, new Utf8()),
  });
}
