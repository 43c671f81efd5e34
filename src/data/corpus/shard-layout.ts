import { closeSync, fstatSync, openSync } from 'node:fs';
import { Message, Type, type DataType, type Int } from 'apache-arrow';
import { Footer, type FileBlock } from 'apache-arrow/ipc/metadata/file';
import { DataError } from '../../errors.js';
import { readRegion, type Region } from './file-region.js';

/** Where the columns of one shard lie in its file. Plain data: worker threads get it without loading the Arrow library. */
export interface ShardLayout {
  readonly file: string;
  readonly numCells: number;
  readonly idType: 'uint16' | 'int32';
  readonly valueType: 'uint16' | 'float32';
  readonly cellIdOffsets: Region;
  readonly cellIdBytes: Region;
  /** [R + 1] int32, shared by gene_ids and values. */
  readonly indptr: Region;
  readonly geneIds: Region;
  readonly values: Region;
  readonly total: Region;
  readonly dictionaries: readonly DictionaryLayout[];
}

/** A dictionary column: `split` and the obs fields. */
export interface DictionaryLayout {
  readonly key: string;
  readonly validity: Region;
  readonly codes: Region;
  readonly bytesPerCode: 1 | 2 | 4;
}

const TRAILER_BYTES = 10; // int32 length of the footer, then the magic word
const MAGIC = 'ARROW1';

/** Reads the footer and the record batch's header, not the data. @throws DataError naming a shard that is cut short or foreign */
export function readShardLayout(file: string): ShardLayout {
  const damaged = (found: string, cause?: unknown) =>
    new DataError({ file, found, hint: 'the shard is damaged: delete the corpus folder and build it again', cause });
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (cause) {
    throw damaged((cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : `cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  try {
    const size = fstatSync(fd).size;
    const trailer = readRegion(fd, { offset: Math.max(0, size - TRAILER_BYTES), bytes: Math.min(size, TRAILER_BYTES) });
    const footerBytes = trailer.length === TRAILER_BYTES ? new DataView(trailer.buffer, trailer.byteOffset).getInt32(0, true) : 0;
    if (Buffer.from(trailer).toString('latin1', 4) !== MAGIC || footerBytes <= 0 || footerBytes > size) throw damaged('cut short: no Arrow footer at its end');
    const footer = Footer.decode(readRegion(fd, { offset: size - TRAILER_BYTES - footerBytes, bytes: footerBytes }));
    const [block, more] = [...footer.recordBatches()];
    if (!block || more) throw damaged(`${footer.numRecordBatches} record batches, not 1`);
    return layoutOf(file, footer, block, fd);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw damaged('not a readable Arrow file', error);
  } finally {
    closeSync(fd);
  }
}

function layoutOf(file: string, footer: Footer, block: FileBlock, fd: number): ShardLayout {
  const prefix = 8; // continuation marker and length, before the flatbuffer
  const message = Message.decode(readRegion(fd, { offset: block.offset + prefix, bytes: block.metaDataLength - prefix }));
  if (!message.isRecordBatch()) throw new TypeError('the block is not a record batch');
  const header = message.header();
  const body = block.offset + block.metaDataLength;
  const buffers = header.buffers[Symbol.iterator]();
  const next = (): Region => {
    const region = buffers.next().value as { offset: number | bigint; length: number | bigint } | undefined;
    if (!region) throw new TypeError('fewer buffers than columns need');
    return { offset: body + Number(region.offset), bytes: Number(region.length) };
  };
  const columns = new Map<string, Region[]>();
  const dictionaries: DictionaryLayout[] = [];
  let idType: ShardLayout['idType'] = 'int32';
  let valueType: ShardLayout['valueType'] = 'float32';
  for (const { name, type } of footer.schema.fields) {
    const regions = Array.from({ length: numBuffers(type as DataType) }, next);
    columns.set(name, regions);
    if (type.typeId === Type.Dictionary) {
      const bytesPerCode = ((type as unknown as { indices: { bitWidth: number } }).indices.bitWidth / 8) as 1 | 2 | 4;
      dictionaries.push({ key: name, validity: regions[0]!, codes: regions[1]!, bytesPerCode });
    }
    if (name === 'gene_ids') idType = (type.children[0]?.type as Int).bitWidth === 16 ? 'uint16' : 'int32';
    if (name === 'values') valueType = (type.children[0]?.type as DataType).typeId === Type.Float ? 'float32' : 'uint16';
  }
  const region = (name: string, index: number): Region => {
    const found = columns.get(name)?.[index];
    if (!found) throw new TypeError(`no column ${name}`);
    return found;
  };
  return {
    file,
    numCells: Number(header.length),
    idType,
    valueType,
    cellIdOffsets: region('cell_id', 1),
    cellIdBytes: region('cell_id', 2),
    indptr: region('gene_ids', 1),
    geneIds: region('gene_ids', 3),
    values: region('values', 3),
    total: region('total', 1),
    dictionaries,
  };
}

/** Buffers a column takes in a record batch, validity included, children after their parent. */
function numBuffers(type: DataType): number {
  if (type.typeId === Type.List) return 4; // validity, offsets, child's validity, child's values
  if (type.typeId === Type.Utf8) return 3; // validity, offsets, bytes
  return 2; // validity, values; a dictionary column holds its codes
}
