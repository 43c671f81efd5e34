/**
 * The part of node:fs that readers and writers of cells use, over the file system inside the HDF5 library: the dropped file is there as it lies
 * on disk, read piece by piece, and everything written stays in memory.
 */
import { FS } from 'h5wasm';

const MODES: Record<string, string> = { wx: 'w', 'wx+': 'w+' };
/** Numbers of WASI by their names, as far as messages tell them apart. */
const CODES: Record<number, string> = { 2: 'EACCES', 20: 'EEXIST', 31: 'EISDIR', 44: 'ENOENT', 48: 'ENOMEM', 51: 'ENOSPC', 54: 'ENOTDIR', 69: 'EROFS' };

export interface Stream {
  readonly fd: number;
  readonly path: string;
}

/** The library's file system, once it is loaded. */
export function system(): NonNullable<typeof FS> {
  if (!FS) throw new Error('the HDF5 library is not loaded');
  return FS;
}

export function attempt<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const code = CODES[(cause as { errno?: number }).errno ?? -1];
    throw code ? Object.assign(new Error(`${code}: ${path}`, { cause }), { code }) : cause;
  }
}

export function openStream(path: string, flags: string): Stream {
  if (flags.includes('x') && existsSync(path)) throw Object.assign(new Error(`EEXIST: ${path}`), { code: 'EEXIST' });
  return attempt(path, () => system().open(path, MODES[flags] ?? flags) as unknown as Stream);
}

const streams = new Map<number, Stream>();

export function existsSync(path: string): boolean {
  return system().analyzePath(path, false).exists;
}

export function openSync(path: string, flags: string): number {
  const stream = openStream(path, flags);
  streams.set(stream.fd, stream);
  return stream.fd;
}

export function closeSync(fd: number): void {
  system().close(streams.get(fd) as never);
  streams.delete(fd);
}

export function readSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
  return attempt('', () => system().read(streams.get(fd) as never, buffer, offset, length, position));
}

export function writeSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
  return attempt('', () => system().write(streams.get(fd) as never, buffer, offset, length, position));
}

export function fstatSync(fd: number): { size: number } {
  return attempt('', () => system().stat(streams.get(fd)!.path) as { size: number });
}

export function unlinkSync(path: string): void {
  attempt(path, () => system().unlink(path));
}

const bundled = new Map<string, Uint8Array>();

/** Makes what is part of the page readable by its name. */
export function bundle(name: string, bytes: Uint8Array): void {
  bundled.set(name, bytes);
}

export function readFileSync(file: URL): Uint8Array {
  const bytes = bundled.get(file.pathname.slice(file.pathname.lastIndexOf('/') + 1));
  if (!bytes) throw new Error(`${file.pathname} is not part of the page`);
  return bytes;
}

/** Nothing that a page runs streams from a file. */
export function createReadStream(path: string): never {
  throw new Error(`${path}: no streams in a page`);
}

export const constants = { COPYFILE_FICLONE: 2 };
