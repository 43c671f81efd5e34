import type { FileHandle } from 'node:fs/promises';
import { CheckpointError } from '../errors.js';
import { openFile, writeFileAtomic } from '../files.js';
import type { HostTensor, HostTensors } from '../runtime/program/program.js';
import { parseHeader, type SafetensorsDtype, type SafetensorsHeader, type TensorEntry } from './safetensors-header.js';
import { decodeTensor } from './tensor-bytes.js';
import type { WeightsFile } from './weights-file.js';

/** No header of a real model comes near this; a damaged length would ask for terabytes. */
const MAX_HEADER_BYTES = 100_000_000;

/** One read or write call moves at most this much: the operating system refuses more than 2 GB at once. */
const CHUNK_BYTES = 256 * 2 ** 20;

/** An open .safetensors file: header in memory, tensors read one by one from their offsets, so that files larger than memory work. */
export class SafetensorsFile implements WeightsFile {
  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly dataStart: number,
    private readonly header: SafetensorsHeader,
  ) {}

  /** @throws CheckpointError when there is no such file or its header is damaged */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await openFile(path).catch((cause: NodeJS.ErrnoException) => {
      throw new CheckpointError({ file: path, found: cause.code === 'ENOENT' ? 'no such file' : `cannot be read (${cause.code})`, cause });
    });
    try {
      const stat = await handle.stat();
      const prefix = Buffer.alloc(8);
      const { bytesRead } = await handle.read(prefix, 0, 8, 0);
      const headerBytes = Number(prefix.readBigUInt64LE());
      if (bytesRead < 8 || headerBytes > MAX_HEADER_BYTES || 8 + headerBytes > stat.size)
        throw new CheckpointError({
          file: path,
          found: bytesRead < 8 ? `${stat.size} bytes` : `a header of ${headerBytes} bytes in a file of ${stat.size}`,
          hint: 'the file is truncated or no .safetensors file',
        });
      const text = Buffer.alloc(headerBytes);
      await handle.read(text, 0, headerBytes, 8);
      return new SafetensorsFile(path, handle, 8 + headerBytes, parseHeader(text.toString('utf8'), stat.size - 8 - headerBytes, path));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get files(): readonly string[] {
    return [this.path];
  }

  get names(): readonly string[] {
    return [...this.header.entries.keys()];
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.header.metadata;
  }

  has(name: string): boolean {
    return this.header.entries.has(name);
  }

  /** Type and shape without reading the values. @throws CheckpointError */
  entry(name: string): TensorEntry {
    const entry = this.header.entries.get(name);
    if (!entry) throw new CheckpointError({ file: this.path, key: name, found: 'no such tensor' });
    return entry;
  }

  /** One tensor: floating types as float32, integers as int32, BOOL as bool. @throws CheckpointError also for integers beyond int32 */
  async read(name: string): Promise<HostTensor> {
    const { dtype, shape, begin, end } = this.entry(name);
    const bytes = new Uint8Array(end - begin);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await this.handle.read(bytes, at, Math.min(CHUNK_BYTES, bytes.length - at), this.dataStart + begin + at);
      if (bytesRead === 0) throw new CheckpointError({ file: this.path, key: name, found: 'the file became shorter while it was read' });
      at += bytesRead;
    }
    return {
      ...decodeTensor(bytes.buffer, dtype, (found) => new CheckpointError({ file: this.path, key: name, found, expected: 'values that fit int32' })),
      shape,
    };
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Opens, reads and closes. @param names default all */
export async function readSafetensors(path: string, names?: readonly string[]): Promise<HostTensors> {
  const file = await SafetensorsFile.open(path);
  try {
    const tensors: Record<string, HostTensor> = {};
    for (const name of names ?? file.names) tensors[name] = await file.read(name);
    return tensors;
  } finally {
    await file.close();
  }
}

/**
 * Writes tensors in the order given: float32 as F32, int32 as I32, bool as BOOL. The file appears under its name when it is whole.
 * @throws OutputError when the path cannot be written
 */
export async function writeSafetensors(path: string, tensors: HostTensors, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  const header: Record<string, unknown> = Object.keys(metadata).length ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    if (shape.reduce((size, n) => size * n, 1) !== data.length) throw new Error(`${name}: ${data.length} values for shape [${shape}]`);
    header[name] = { dtype: WRITTEN_DTYPE[dtype], shape, data_offsets: [offset, (offset += data.byteLength)] };
  }
  // Spaces up to a multiple of 8 keep every float aligned in a mapped file.
  const json = Buffer.from(JSON.stringify(header));
  const text = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  await writeFileAtomic(path, chunks([prefix, text, ...Object.values(tensors).map(({ data }) => data)]));
}

const WRITTEN_DTYPE: Record<HostTensor['dtype'], SafetensorsDtype> = { float32: 'F32', int32: 'I32', bool: 'BOOL' };

function* chunks(parts: Iterable<ArrayBufferView>): Iterable<Uint8Array> {
  for (const { buffer, byteOffset, byteLength } of parts)
    for (let at = 0; at < byteLength; at += CHUNK_BYTES) yield new Uint8Array(buffer, byteOffset + at, Math.min(CHUNK_BYTES, byteLength - at));
}
