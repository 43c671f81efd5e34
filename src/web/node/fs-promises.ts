/** The part of node:fs/promises that readers and writers of cells use; see fs.ts. */
import { attempt, existsSync, openStream, system, type Stream } from './fs.js';

const COPIED_AT_ONCE = 1 << 24;
const FOLDER_BIT = 0o040000;

export class FileHandle {
  constructor(
    private readonly path: string,
    private readonly stream: Stream,
  ) {}

  read(buffer: Uint8Array, offset: number, length: number, position: number) {
    return Promise.resolve({ buffer, bytesRead: attempt(this.path, () => system().read(this.stream as never, buffer, offset, length, position)) });
  }

  write(buffer: Uint8Array, offset: number, length: number, position: number) {
    return Promise.resolve({ buffer, bytesWritten: attempt(this.path, () => system().write(this.stream as never, buffer, offset, length, position)) });
  }

  stat() {
    return stat(this.path);
  }

  sync() {
    return Promise.resolve();
  }

  close() {
    system().close(this.stream as never);
    return Promise.resolve();
  }
}

export async function open(path: string, flags: string): Promise<FileHandle> {
  return new FileHandle(path, openStream(path, flags));
}

export async function stat(path: string) {
  const { size, mode } = attempt(path, () => system().stat(path) as { size: number; mode: number });
  const isFolder = (mode & 0o170000) === FOLDER_BIT;
  return { size, mode, isDirectory: () => isFolder, isFile: () => !isFolder };
}

export async function copyFile(from: string, to: string): Promise<void> {
  const [source, target] = [openStream(from, 'r'), openStream(to, 'w')];
  const { size } = await stat(from);
  const piece = new Uint8Array(Math.min(size, COPIED_AT_ONCE));
  // Reserved at once: growing step by step would copy what is there each time.
  system().truncate(to, size);
  for (let at = 0; at < size; at += piece.length) {
    const length = Math.min(piece.length, size - at);
    system().read(source as never, piece, 0, length, at);
    system().write(target as never, piece, 0, length, at);
  }
  system().close(source as never);
  system().close(target as never);
}

export async function chmod(path: string, mode: number): Promise<void> {
  attempt(path, () => system().chmod(path, mode));
}

export async function rename(from: string, to: string): Promise<void> {
  attempt(from, () => system().rename(from, to));
}

export async function unlink(path: string): Promise<void> {
  attempt(path, () => system().unlink(path));
}

export async function rm(path: string, { force = false } = {}): Promise<void> {
  if (!force || existsSync(path)) await unlink(path);
}

export async function mkdir(path: string): Promise<void> {
  attempt(path, () => system().mkdirTree(path));
}

export async function access(path: string): Promise<void> {
  await stat(path);
}

export async function realpath(path: string): Promise<string> {
  return path;
}

const absent =
  (name: string) =>
  (path: string): never => {
    throw new Error(`${name} ${path}: not in a page`);
  };
export const readFile = absent('readFile');
export const readdir = absent('readdir');
export const writeFile = absent('writeFile');
