import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { RecordBatch, RecordBatchFileWriter, Schema, Struct, makeData, type Data, type Field } from 'apache-arrow';

/** An Arrow IPC file in memory. The chunks are views of the columns it was made from: nothing was copied. */
export interface EncodedFile {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  /** Computed when asked for, with pauses in which other work of this thread goes on: the operating system is given the chunks meanwhile. */
  sha256(): Promise<string>;
}

/** Encodes columns of equal length as an Arrow IPC file with one record batch. */
export async function encodeArrowFile(
  fields: readonly Field[],
  columns: readonly Data[],
  numRows: number,
  metadata: ReadonlyMap<string, string>,
): Promise<EncodedFile> {
  const schema = new Schema([...fields], new Map(metadata));
  const writer = new RecordBatchFileWriter();
  writer.write(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: numRows, nullCount: 0, children: [...columns] })));
  writer.finish();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of writer) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
  }
  return { chunks, bytes, sha256: () => sha256Of(chunks) };
}

/** Bytes hashed between two pauses. */
const HASH_PIECE = 1 << 22;

async function sha256Of(chunks: readonly Uint8Array[]): Promise<string> {
  const hash = createHash('sha256');
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length; from += HASH_PIECE) {
      hash.update(chunk.subarray(from, from + HASH_PIECE));
      if (chunk.length > HASH_PIECE) await setImmediate();
    }
  }
  return hash.digest('hex');
}
