import { createHash } from 'node:crypto';
import { RecordBatch, RecordBatchFileWriter, Schema, Struct, makeData, type Data, type Field } from 'apache-arrow';

/** An Arrow IPC file in memory. The chunks are views of the columns it was made from: nothing was copied. */
export interface EncodedFile {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly sha256: string;
}

/** Encodes columns of equal length as an Arrow IPC file with one record batch. */
export async function encodeArrowFile(fields: readonly Field[], columns: readonly Data[], numRows: number, metadata: ReadonlyMap<string, string>): Promise<EncodedFile> {
  const schema = new Schema([...fields], new Map(metadata));
  const writer = new RecordBatchFileWriter();
  writer.write(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: numRows, nullCount: 0, children: [...columns] })));
  writer.finish();
  const hash = createHash('sha256');
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of writer) {
    hash.update(chunk);
    chunks.push(chunk);
    bytes += chunk.byteLength;
  }
  return { chunks, bytes, sha256: hash.digest('hex') };
}
