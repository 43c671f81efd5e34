import { system } from './fs.js';

/** A file of the worker's file system, taken out of it. */
export function readFileSystem(path: string): Uint8Array<ArrayBuffer> {
  const bytes = system().readFile(path) as Uint8Array<ArrayBuffer>;
  system().unlink(path);
  return bytes;
}

const MOUNT = '/in';

/** Shows a dropped file in the file system, in place of the one before. Its bytes are read where it lies, when they are asked for. */
export function mountFile(file: File): string {
  const fs = system() as ReturnType<typeof system> & { filesystems: { WORKERFS: object } };
  if (fs.analyzePath(MOUNT, false).exists) fs.unmount(MOUNT);
  else fs.mkdir(MOUNT);
  fs.mount(fs.filesystems.WORKERFS as never, { files: [file] } as never, MOUNT);
  return `${MOUNT}/${file.name}`;
}

/** A message about a file as its user knows it. */
export const asDropped = (message: string): string => message.replaceAll(`${MOUNT}/`, '');
