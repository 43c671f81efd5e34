import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asOutputError, temporaryName } from '../../files.js';
import type { PackedNames } from '../readers/reader.js';
import { readInto } from './file-region.js';

/** Names that are written and read as one piece. */
const NAMES_A_PIECE = 4096;

export function packNames(names: readonly string[]): PackedNames {
  const offsets = new Int32Array(names.length + 1);
  names.forEach((name, i) => (offsets[i + 1] = offsets[i]! + Buffer.byteLength(name)));
  const bytes = Buffer.allocUnsafeSlow(offsets[names.length]!);
  names.forEach((name, i) => bytes.write(name, offsets[i]!));
  return { offsets, bytes };
}

export function unpackNames({ offsets, bytes }: PackedNames): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: offsets.length - 1 }, (_, i) => text.toString('utf8', offsets[i], offsets[i + 1]));
}

/** The names of these rows alone. @param rows ascending */
export function pickNames(names: PackedNames, rows: ArrayLike<number>): PackedNames {
  if (rows.length === names.offsets.length - 1) return names;
  const offsets = new Int32Array(rows.length + 1);
  for (let i = 0; i < rows.length; i++) offsets[i + 1] = offsets[i]! + names.offsets[rows[i]! + 1]! - names.offsets[rows[i]!]!;
  const bytes = new Uint8Array(offsets[rows.length]!);
  for (let i = 0; i < rows.length; i++) bytes.set(names.bytes.subarray(names.offsets[rows[i]!], names.offsets[rows[i]! + 1]), offsets[i]);
  return { offsets, bytes };
}

export function joinNames(parts: readonly PackedNames[]): PackedNames {
  if (parts.length === 1) return parts[0]!;
  const offsets = new Int32Array(1 + parts.reduce((n, part) => n + part.offsets.length - 1, 0));
  const bytes = new Uint8Array(parts.reduce((n, part) => n + part.bytes.length, 0));
  let [row, at] = [0, 0];
  for (const part of parts) {
    bytes.set(part.bytes, at);
    for (let i = 1; i < part.offsets.length; i++) offsets[++row] = at + part.offsets[i]!;
    at += part.bytes.length;
  }
  return { offsets, bytes };
}

/**
 * Names of all cells of a build, on the disk: in memory they would be what grows most with the corpus. The file has no name any more once it is
 * open, so nothing can leave it behind.
 */
export class NameSpool {
  private fd: number | undefined;
  private end = 0;

  /** Takes the names of one file. @throws OutputError where temporary files cannot be written */
  add(names: readonly string[]): SpooledNames {
    const path = temporaryName(join(tmpdir(), 'scdiva-names'));
    const pieces: number[] = [];
    try {
      if (this.fd === undefined) {
        this.fd = openSync(path, 'wx+');
        unlinkSync(path);
      }
      for (let from = 0; from < names.length; from += NAMES_A_PIECE) {
        pieces.push(this.end);
        const { offsets, bytes } = packNames(names.slice(from, from + NAMES_A_PIECE));
        for (const part of [new Uint8Array(offsets.buffer), bytes]) this.write(part);
      }
    } catch (error) {
      throw asOutputError(path, error);
    }
    return new SpooledNames(this.fd, pieces, names.length);
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.fd!, bytes, done, bytes.length - done, this.end + done);
    this.end += bytes.length;
  }
}

/** The names of one file in a spool. */
export class SpooledNames {
  /** @param pieces where each piece begins: how far into its bytes each name goes, then the bytes */
  constructor(
    private readonly fd: number,
    private readonly pieces: readonly number[],
    readonly length: number,
  ) {}

  read(start: number, end: number): PackedNames {
    const parts: PackedNames[] = [];
    for (let piece = Math.floor(start / NAMES_A_PIECE); piece * NAMES_A_PIECE < end; piece++) {
      const first = piece * NAMES_A_PIECE;
      const whole = this.readPiece(piece, Math.min(NAMES_A_PIECE, this.length - first));
      const [from, to] = [Math.max(0, start - first), Math.min(NAMES_A_PIECE, end - first)];
      const at = whole.offsets[from]!;
      parts.push({ offsets: whole.offsets.slice(from, to + 1).map((offset) => offset - at), bytes: whole.bytes.subarray(at, whole.offsets[to]) });
    }
    return joinNames(parts);
  }

  private readPiece(piece: number, numNames: number): PackedNames {
    const offsets = new Int32Array(numNames + 1);
    readInto(this.fd, new Uint8Array(offsets.buffer), this.pieces[piece]!);
    const bytes = new Uint8Array(offsets[numNames]!);
    readInto(this.fd, bytes, this.pieces[piece]! + offsets.byteLength);
    return { offsets, bytes };
  }
}
