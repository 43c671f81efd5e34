import { open, unlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asOutputError, temporaryName } from '../../files.js';

/** Row, column, value. */
const WORDS = 3;
const BYTES = 4 * WORDS;
/** Memory for all parts together, and entries a part collects at most before it writes them. */
const BUFFERED_ENTRIES = 1 << 22;
const MOST_PER_PART = 1 << 16;
const ENTRIES_PER_READ = 1 << 20;

/** Matrix entries on disk, sorted into parts of known sizes. The file has no name any more once it is open, so nothing can leave it behind. */
export class ScratchFile {
  private readonly words: Int32Array[];
  private readonly floats: Float32Array[];
  private readonly filled: Int32Array;
  private readonly written: Float64Array;
  private readonly starts: Float64Array;
  private readonly capacity: number;

  private constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
    private readonly sizes: readonly number[],
  ) {
    this.capacity = Math.max(1, Math.min(MOST_PER_PART, Math.floor(BUFFERED_ENTRIES / sizes.length)));
    this.words = sizes.map(() => new Int32Array(this.capacity * WORDS));
    this.floats = this.words.map((words) => new Float32Array(words.buffer));
    this.filled = new Int32Array(sizes.length);
    this.written = new Float64Array(sizes.length);
    this.starts = new Float64Array(sizes.length);
    for (let part = 1; part < sizes.length; part++) this.starts[part] = this.starts[part - 1]! + sizes[part - 1]!;
  }

  /** @param sizes entries of each part. @throws OutputError where temporary files cannot be written */
  static async create(sizes: readonly number[]): Promise<ScratchFile> {
    const path = temporaryName(join(tmpdir(), 'scdiva-scratch'));
    try {
      const handle = await open(path, 'wx+');
      await unlink(path);
      return new ScratchFile(handle, path, sizes);
    } catch (error) {
      throw asOutputError(path, error);
    }
  }

  /** @returns whether the part must be flushed before it takes more */
  add(part: number, row: number, column: number, value: number): boolean {
    const at = this.filled[part]!++ * WORDS;
    this.words[part]![at] = row;
    this.words[part]![at + 1] = column;
    this.floats[part]![at + 2] = value;
    return this.filled[part] === this.capacity;
  }

  async flush(part: number): Promise<void> {
    const bytes = new Uint8Array(this.words[part]!.buffer, 0, this.filled[part]! * BYTES);
    const position = (this.starts[part]! + this.written[part]!) * BYTES;
    try {
      for (let done = 0; done < bytes.length;) done += (await this.handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    } catch (error) {
      throw asOutputError(this.path, error);
    }
    this.written[part]! += this.filled[part]!;
    this.filled[part] = 0;
  }

  async finish(): Promise<void> {
    for (let part = 0; part < this.sizes.length; part++) await this.flush(part);
    this.words.length = 0;
    this.floats.length = 0;
  }

  /** The entries of a part, in the order in which they were added. The arrays are valid until the next ones. */
  async *read(part: number): AsyncGenerator<{ rows: Int32Array; columns: Int32Array; values: Float32Array }> {
    const size = this.sizes[part]!;
    const bytes = Buffer.alloc(Math.min(size, ENTRIES_PER_READ) * BYTES);
    for (let from = 0; from < size; from += ENTRIES_PER_READ) {
      const count = Math.min(ENTRIES_PER_READ, size - from);
      for (let done = 0; done < count * BYTES;) {
        const { bytesRead } = await this.handle.read(bytes, done, count * BYTES - done, (this.starts[part]! + from) * BYTES + done);
        if (bytesRead === 0) throw new Error(`scratch file ends within part ${part}`);
        done += bytesRead;
      }
      const words = new Int32Array(bytes.buffer, bytes.byteOffset, count * WORDS);
      const floats = new Float32Array(bytes.buffer, bytes.byteOffset, count * WORDS);
      const [rows, columns, values] = [new Int32Array(count), new Int32Array(count), new Float32Array(count)];
      for (let i = 0; i < count; i++) {
        rows[i] = words[i * WORDS]!;
        columns[i] = words[i * WORDS + 1]!;
        values[i] = floats[i * WORDS + 2]!;
      }
      yield { rows, columns, values };
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}
