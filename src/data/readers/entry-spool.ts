import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asOutputError, temporaryName } from '../../files.js';

const WORDS = 3;
const BYTES = 4 * WORDS;
const BUFFERED_ENTRIES = 1 << 18;

/** Entries of a matrix of text, once parsed: on disk in the order in which they came, since text can only be read from its beginning. */
export class EntrySpool {
  private readonly descriptor: number;
  private readonly words = new Int32Array(BUFFERED_ENTRIES * WORDS);
  private readonly floats = new Float32Array(this.words.buffer);
  private buffered = 0;
  private written = 0;
  private isOpen = true;

  /** The file has no name any more once it is open, so nothing can leave it behind. @throws OutputError where temporary files cannot be written */
  constructor() {
    const path = temporaryName(join(tmpdir(), 'scdiva-spool'));
    try {
      this.descriptor = openSync(path, 'wx+');
      unlinkSync(path);
    } catch (error) {
      throw asOutputError(path, error);
    }
  }

  get length(): number {
    return this.written + this.buffered;
  }

  add(major: number, minor: number, value: number): void {
    const at = this.buffered * WORDS;
    this.words[at] = major;
    this.words[at + 1] = minor;
    this.floats[at + 2] = value;
    if (++this.buffered === BUFFERED_ENTRIES) this.flush();
  }

  /** Writes what is left in memory. */
  finish(): void {
    this.flush();
  }

  /** Entries [from, to), in the order in which they were added. */
  *read(from = 0, to = this.written): Generator<{ major: Int32Array; minor: Int32Array; values: Float32Array }> {
    const bytes = Buffer.alloc(Math.min(to - from, BUFFERED_ENTRIES) * BYTES);
    for (let start = from; start < to; start += BUFFERED_ENTRIES) {
      const count = Math.min(BUFFERED_ENTRIES, to - start);
      for (let done = 0; done < count * BYTES;) {
        const read = readSync(this.descriptor, bytes, done, count * BYTES - done, start * BYTES + done);
        if (read === 0) throw new Error('the spool ends too early');
        done += read;
      }
      const words = new Int32Array(bytes.buffer, bytes.byteOffset, count * WORDS);
      const floats = new Float32Array(bytes.buffer, bytes.byteOffset, count * WORDS);
      const [major, minor, values] = [new Int32Array(count), new Int32Array(count), new Float32Array(count)];
      for (let i = 0; i < count; i++) {
        major[i] = words[i * WORDS]!;
        minor[i] = words[i * WORDS + 1]!;
        values[i] = floats[i * WORDS + 2]!;
      }
      yield { major, minor, values };
    }
  }

  close(): void {
    if (this.isOpen) closeSync(this.descriptor);
    this.isOpen = false;
  }

  private flush(): void {
    const bytes = new Uint8Array(this.words.buffer, 0, this.buffered * BYTES);
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.descriptor, bytes, done, bytes.length - done, this.written * BYTES + done);
    } catch (error) {
      throw asOutputError(tmpdir(), error);
    }
    this.written += this.buffered;
    this.buffered = 0;
  }
}
